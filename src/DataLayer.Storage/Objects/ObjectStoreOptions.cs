using System.Globalization;
using System.Net;
using DataLayer.Core.Memory;

namespace DataLayer.Storage.Objects;

/// <summary>
/// One named store: where it is, how to sign in, and its limits. Checked by <see cref="Validate"/> at start.
/// </summary>
public sealed class ObjectStoreOptions
{
    private const long Mebibyte = 1 << 20;

    /// <summary>The name attachments refer to it by.</summary>
    public required string Name { get; init; }

    /// <summary><c>s3</c> or <c>directory</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>
    /// <c>s3</c>: the server's URL, or null for AWS. <c>directory</c>: a folder all sources must be below, or null for
    /// no bound; with it, <c>s3://bucket/prefix</c> is the folder <c>bucket</c> in it.
    /// </summary>
    public string? Endpoint { get; init; }

    /// <summary>The region requests are signed for.</summary>
    public string Region { get; init; } = "us-east-1";

    /// <summary>
    /// Whether the bucket is the first part of the path (most servers other than AWS), else of the host name.
    /// </summary>
    public bool PathStyle { get; init; } = true;

    /// <summary>
    /// The access key, or <c>env:NAME</c> or <c>file:/path</c> that holds it. Null: the SDK's own search (environment,
    /// profile, instance role).
    /// </summary>
    public string? AccessKey { get; init; }

    /// <summary>The secret key, or <c>env:NAME</c> or <c>file:/path</c> that holds it. Never logged.</summary>
    public string? SecretKey { get; init; }

    /// <summary>
    /// A session token for temporary keys, or <c>env:NAME</c> or <c>file:/path</c> that holds it; null for none.
    /// </summary>
    public string? SessionToken { get; init; }

    /// <summary>Send requests unsigned, for public buckets. Keys must be null then.</summary>
    public bool Anonymous { get; init; }

    /// <summary>
    /// PEM file with the certificate authorities the server's certificate may descend from, in place of the system's;
    /// null for the system's. The host name is checked either way.
    /// </summary>
    public string? CertificateAuthorityFile { get; init; }

    /// <summary>How long a connection may take to open. Default 3 s; 10 ms to 5 min.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// How long the server may stay silent: until an answer's first byte, and between two pieces of its body. Default
    /// 10 s, ten times what a busy gateway takes; 10 ms to 10 min. An upload gets one second more for each MiB.
    /// </summary>
    public TimeSpan AttemptTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long one call may take with all its retries. Default 60 s; a large upload has it for each part.
    /// </summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often one request is tried, the first time included. Default 5; 1 to 20.</summary>
    public int AttemptLimit { get; init; } = 5;

    /// <summary>
    /// Upper bound of the first wait before a retry; doubles each time. Default 50 ms. The wait is random up to the
    /// bound.
    /// </summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Upper bound of every wait before a retry. Default 5 s.</summary>
    public TimeSpan MaximumRetryDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Retries a store may do in a row, a count: each takes one from the budget, ten answered requests give one back.
    /// At 0 left a failure is reported at once, so that a dead server is not stormed. Default 100; 0 turns retries off.
    /// </summary>
    public int RetryBudget { get; init; } = 100;

    /// <summary>Requests of one bucket in flight, a count; more wait. Default 64; 1 to 10,000.</summary>
    public int RequestLimit { get; init; } = 64;

    /// <summary>
    /// Whether slow reads are asked a second time: after the time that 95 % of reads of that size class take, at least
    /// twice their median, for at most 5 % of reads.
    /// </summary>
    public bool HedgedReads { get; init; } = true;

    /// <summary>Objects above this size are uploaded in parts. Default 16 MiB; 5 to 16 MiB.</summary>
    public long MultipartThresholdBytes { get; init; } = 16 * Mebibyte;

    /// <summary>
    /// The size of a part, larger where an object would have more than 10,000. Default 8 MiB; 5 to 16 MiB.
    /// </summary>
    public long PartBytes { get; init; } = 8 * Mebibyte;

    /// <summary>Parts of one upload in flight, a count. Default 4; 1 to 64.</summary>
    public int PartsInFlight { get; init; } = 4;

    /// <summary>
    /// Reads longer than this are split into ranges of it, aligned in the object, and done in parallel. Default 8 MiB;
    /// a power of two from 1 MiB to 1 GiB.
    /// </summary>
    public int RangeBytes { get; init; } = (int)(8 * Mebibyte);

    /// <summary>Ranges of one read in flight, a count. Default 4; 1 to 64.</summary>
    public int RangesInFlight { get; init; } = 4;

    /// <summary>
    /// Whether uploads carry the CRC-32C of their blocks as metadata and reads check it, and whole objects are checked
    /// against an ETag that is an MD5. Default true. See <c>docs/FORMATS/objects.md</c> for what each read is checked
    /// against.
    /// </summary>
    public bool VerifyContent { get; init; } = true;

    /// <summary>The largest object that one request copies, bytes: S3's 5 GiB; tests lower it.</summary>
    internal long CopyLimitBytes { get; init; } = 5L << 30;

    /// <summary>
    /// Whether ranges that nothing vouches for (parts of objects that others wrote) are read twice and compared.
    /// Default false: TLS protects them on the way; on a plain connection this doubles their cost.
    /// </summary>
    public bool CompareUnverifiedReads { get; init; }

    /// <summary>For tests: connect here whatever the endpoint's name is.</summary>
    internal IPEndPoint? ConnectTo { get; init; }

    /// <summary>For tests: runs before each connection is opened, as a far network does.</summary>
    internal Func<CancellationToken, ValueTask>? BeforeConnect { get; init; }

    /// <summary>Seed of retry waits. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>All that is wrong with the options, one sentence each; empty if nothing is.</summary>
    public IReadOnlyList<string> Validate()
    {
        List<string> faults = [];
        void Check(bool holds, string what)
        {
            if (!holds)
            {
                faults.Add($"Object store '{Name}': {what}.");
            }
        }

        void CheckRange(string name, long value, long least, long most) => Check(
            value >= least && value <= most,
            string.Create(CultureInfo.InvariantCulture, $"{name} is {value}, it must be {least} to {most}"));
        void CheckTime(string name, TimeSpan value, double leastSeconds, double mostSeconds) => Check(
            value.TotalSeconds >= leastSeconds && value.TotalSeconds <= mostSeconds,
            string.Create(
                CultureInfo.InvariantCulture,
                $"{name} is {value.TotalSeconds} s, it must be {leastSeconds} to {mostSeconds} s"));

        Check(Name.Length > 0, "the name is empty");
        Check(Kind is "s3" or "directory", $"kind is '{Kind}', it must be 's3' or 'directory'");
        CheckEndpoint(Check);
        Check((AccessKey is null) == (SecretKey is null), "accessKey and secretKey go together: give both or none");
        Check(SessionToken is null || AccessKey is not null, "a sessionToken goes with an accessKey and a secretKey");
        Check(!Anonymous || AccessKey is null, "anonymous requests have no keys: leave out accessKey and secretKey");
        Check(Region.Length > 0, "region is empty; where the server has none, us-east-1 is right");
        CheckTime("connectTimeout", ConnectTimeout, 0.01, 300);
        CheckTime("attemptTimeout", AttemptTimeout, 0.01, 600);
        CheckTime("deadline", Deadline, 0.01, 86_400);
        CheckRange("attemptLimit", AttemptLimit, 1, 20);
        CheckTime("retryDelay", RetryDelay, 0, 60);
        CheckTime("maximumRetryDelay", MaximumRetryDelay, 0, 600);
        CheckRange("retryBudget", RetryBudget, 0, 1_000_000);
        CheckRange("requestLimit", RequestLimit, 1, 10_000);
        CheckRange("multipartThresholdBytes", MultipartThresholdBytes, 5 * Mebibyte, NativeBufferPool.MaxBufferBytes);
        CheckRange("partBytes", PartBytes, 5 * Mebibyte, NativeBufferPool.MaxBufferBytes);
        CheckRange("partsInFlight", PartsInFlight, 1, 64);
        CheckRange("rangeBytes", RangeBytes, Mebibyte, 1 << 30);
        Check(int.IsPow2(RangeBytes), $"rangeBytes is {RangeBytes}, it must be a power of two");
        CheckRange("rangesInFlight", RangesInFlight, 1, 64);
        return faults;
    }

    private void CheckEndpoint(Action<bool, string> check)
    {
        if (Kind == "directory")
        {
            check(Endpoint is null
                || Endpoint.StartsWith('/'), $"endpoint is '{Endpoint}', for kind directory it is an absolute folder");
            return;
        }

        bool isUrl = Uri.TryCreate(Endpoint, UriKind.Absolute, out Uri? url)
            && url.Scheme is "http" or "https" && url.PathAndQuery == "/" && url.UserInfo.Length == 0;
        check(Endpoint is null
            || isUrl, $"endpoint is '{Endpoint}', it must be http://host[:port] or https://host[:port]");
    }
}
