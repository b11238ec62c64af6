using Amazon.Runtime;
using Amazon.Runtime.Internal.Auth;
using DataLayer.Core.Errors;
using DataLayer.Storage.Objects.S3;

namespace DataLayer.Tests.Objects;

public sealed class S3RequestTests
{
    private static readonly DateTimeOffset _now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    [Theory]
    [InlineData(null)]
    [InlineData("session/token==")]
    public void Signatures_are_those_of_the_SDK(string? token)
    {
        S3Address address = new(new Uri("http://gateway:7480"), "bucket", pathStyle: true);
        string path = address.PathOf("a b/ü+~.txt");
        using HttpRequestMessage request = new(HttpMethod.Get, address.UrlOf(path));
        new RequestSigner("eu-west-1").Sign(request, address.Host, path, new ImmutableCredentials("AKIA", "secret", token), _now);
        string names = "host;x-amz-content-sha256;x-amz-date" + (token is null ? "" : ";x-amz-security-token");
        string canonical =
            "GET\n/bucket/a%20b/%C3%BC%2B~.txt\n\nhost:gateway:7480\n"
            + "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx-amz-date:20260304T050607Z\n"
            + (token is null ? "" : $"x-amz-security-token:{token}\n")
            + $"\n{names}\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        AWS4SigningResult expected = AWS4Signer.ComputeSignature(
            "AKIA", "secret", "eu-west-1", _now.UtcDateTime, "s3", names, canonical, metrics: null);
        Assert.Equal(expected.ForAuthorizationHeader, Assert.Single(request.Headers.NonValidated["Authorization"]));
        Assert.Equal("20260304T050607Z", Assert.Single(request.Headers.NonValidated["x-amz-date"]));
    }

    [Fact]
    public void Other_keys_sign_otherwise_on_the_same_day()
    {
        RequestSigner signer = new("us-east-1");
        string Sign(string secret, DateTimeOffset now)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, "http://host/b/k");
            signer.Sign(request, "host", "/b/k", new ImmutableCredentials("AKIA", secret, null), now);
            return request.Headers.NonValidated["Authorization"].ToString();
        }

        string first = Sign("one", _now);
        Assert.NotEqual(first, Sign("two", _now));
        Assert.Equal(first, Sign("one", _now));
        Assert.NotEqual(first, Sign("one", _now.AddDays(1)));
        Assert.DoesNotContain("one", first, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("plain/key-1_2.3~", "plain/key-1_2.3~")]
    [InlineData("sp ace", "sp%20ace")]
    [InlineData("a+b&c=d?e#f%41", "a%2Bb%26c%3Dd%3Fe%23f%2541")]
    [InlineData("../x//y/./z", "../x//y/./z")]
    [InlineData("😀", "%F0%9F%98%80")]
    public void Keys_are_encoded_as_signatures_demand_and_sent_as_they_are(string key, string encoded)
    {
        S3Address address = new(new Uri("http://host:1"), "bucket", pathStyle: true);
        Assert.Equal("/bucket/" + encoded, address.PathOf(key));
        Assert.Equal("http://host:1/bucket/" + encoded, address.UrlOf(address.PathOf(key)).AbsoluteUri);
    }

    [Fact]
    public void A_bucket_is_in_the_path_or_in_the_host_name()
    {
        S3Address path = new(new Uri("https://s3.example.org"), "bucket", pathStyle: true);
        S3Address host = new(new Uri("https://s3.example.org"), "bucket", pathStyle: false);
        Assert.Equal("https://s3.example.org/bucket/k", path.UrlOf(path.PathOf("k")).AbsoluteUri);
        Assert.Equal("https://bucket.s3.example.org/k", host.UrlOf(host.PathOf("k")).AbsoluteUri);
        Assert.Equal("bucket.s3.example.org", host.Host);
        Assert.Equal("https://s3.eu-west-1.amazonaws.com/", S3Address.OfRegion("eu-west-1").AbsoluteUri);
    }

    [Theory]
    [InlineData(404, "NoSuchKey", ErrorCode.NotFound)]
    [InlineData(404, "NoSuchBucket", ErrorCode.NotFound)]
    [InlineData(403, "AccessDenied", ErrorCode.PermissionDenied)]
    [InlineData(403, "SignatureDoesNotMatch", ErrorCode.PermissionDenied)]
    [InlineData(403, "QuotaExceeded", ErrorCode.QuotaExceeded)]
    [InlineData(403, "RequestTimeTooSkewed", ErrorCode.OriginUnavailable)]
    [InlineData(401, null, ErrorCode.PermissionDenied)]
    [InlineData(400, "ExpiredToken", ErrorCode.PermissionDenied)]
    [InlineData(400, "BadDigest", ErrorCode.OriginUnavailable)]
    [InlineData(400, "EntityTooLarge", ErrorCode.FileTooLarge)]
    [InlineData(400, "InvalidRequest", ErrorCode.InvalidArgument)]
    [InlineData(412, "PreconditionFailed", ErrorCode.Stale)]
    [InlineData(409, "OperationAborted", ErrorCode.OriginUnavailable)]
    [InlineData(429, null, ErrorCode.OriginUnavailable)]
    [InlineData(500, "InternalError", ErrorCode.OriginUnavailable)]
    [InlineData(503, "SlowDown", ErrorCode.OriginUnavailable)]
    [InlineData(507, null, ErrorCode.NoSpace)]
    [InlineData(301, "PermanentRedirect", ErrorCode.InvalidArgument)]
    [InlineData(501, "NotImplemented", ErrorCode.NotSupported)]
    public void Every_answer_has_its_fault_and_names_request_and_server(int status, string? code, ErrorCode expected)
    {
        DataLayerException e = S3Fault.FromAnswer(status, code, "GET s3://bucket/key", new Uri("http://gateway:7480"));
        Assert.Equal(expected, e.Code);
        Assert.Contains("GET s3://bucket/key at http://gateway:7480/", e.Message, StringComparison.Ordinal);
        Assert.Contains(code ?? status.ToString(System.Globalization.CultureInfo.InvariantCulture), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_given_up_upload_cannot_read_its_buffer_any_more()
    {
        using UploadStream stream = new(new byte[] { 1, 2, 3, 4 });
        byte[] two = new byte[2];
        await stream.ReadExactlyAsync(two);
        Assert.Equal([1, 2], two);
        stream.Position = 0;
        Assert.Equal(1, stream.ReadByte());
        stream.Detach();
        await Assert.ThrowsAsync<IOException>(() => stream.ReadExactlyAsync(two).AsTask());
    }

    [Fact]
    public void A_request_with_an_effect_goes_out_once()
    {
        SendPermit once = new(mayRepeat: false);
        Assert.True(once.TrySend());
        Assert.False(once.TrySend());
        SendPermit often = new(mayRepeat: true);
        Assert.True(often.TrySend() && often.TrySend());
        Assert.Equal(2, often.SentCount);
    }
}
