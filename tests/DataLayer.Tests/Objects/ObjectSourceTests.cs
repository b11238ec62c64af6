using DataLayer.Core.Errors;
using DataLayer.Storage.Objects;

namespace DataLayer.Tests.Objects;

public sealed class ObjectSourceTests
{
    [Theory]
    [InlineData("s3://bucket", "s3", "bucket", "")]
    [InlineData("s3://bucket/", "s3", "bucket", "")]
    [InlineData("S3://my.bucket-1/a/b", "s3", "my.bucket-1", "a/b")]
    [InlineData("s3://bucket/a//ü x/", "s3", "bucket", "a//ü x/")]
    [InlineData("file:///data", "file", "/data", "")]
    [InlineData("file:///data/set one/", "file", "/data/set one", "")]
    [InlineData("file:///", "file", "/", "")]
    public void Understands_what_is_written(string text, string scheme, string bucket, string prefix) =>
        Assert.Equal(new ObjectSource(scheme, bucket, prefix), ObjectSource.Parse(text));

    [Theory]
    [InlineData("", "must start with s3:// or file://")]
    [InlineData("bucket/prefix", "must start with")]
    [InlineData("http://host/bucket", "must start with")]
    [InlineData("s3://", "the bucket is missing")]
    [InlineData("s3:///prefix", "the bucket is missing")]
    [InlineData("s3://ab", "3 to 63 characters")]
    [InlineData("s3://buc ket", "not ' '")]
    [InlineData("s3://../x", "3 to 63")]
    [InlineData("s3://..../x", "not a bucket's name")]
    [InlineData("s3://user:pw@host", "not ':'")]
    [InlineData("file://data", "absolute path")]
    [InlineData("file://localhost/data", "absolute path")]
    [InlineData("file:///data/../etc", "'.' or '..'")]
    [InlineData("file:///da\0ta", "NUL")]
    public void Says_what_is_wrong_with_the_rest(string text, string reason)
    {
        DataLayerException e = Assert.Throws<DataLayerException>(() => ObjectSource.Parse(text));
        Assert.Equal(ErrorCode.InvalidArgument, e.Code);
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("s3://bucket")]
    [InlineData("s3://bucket/a/b/")]
    [InlineData("file:///data/x")]
    public void Is_written_as_it_was_read(string text) => Assert.Equal(text, ObjectSource.Parse(text).ToString());

    [Fact]
    public void A_prefix_longer_than_a_key_is_refused() =>
        Assert.Throws<DataLayerException>(() => ObjectSource.Parse("s3://bucket/" + new string('x', 1025)));
}
