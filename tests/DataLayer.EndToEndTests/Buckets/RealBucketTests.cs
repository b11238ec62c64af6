using System.Globalization;
using System.Web;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Buckets;

/// <summary>A bucket of more than 20,000 real objects on a real gateway, through the real service.</summary>
public sealed class RealBucketTests(SharedBucket bucket, ITestOutputHelper output) : IClassFixture<SharedBucket>
{
    private const int Readers = 24;

    [Fact]
    public async Task Twenty_thousand_objects_read_back_equal_through_http_and_client_cold_and_warm()
    {
        await using var it = await StartAsync();
        bucket.TakeRequests();
        var attached = await AttachAsync(it);
        Assert.Equal(bucket.Objects.Count, attached.ObjectCount);
        Assert.Equal(bucket.Objects.Sum(o => (long)o.Length), attached.ObjectBytes);
        CheckListing();

        await CheckOpeningCostsNothingAsync(it);
        await ReadAllAsync(it, "cold, HTTP", ReadByHttpAsync);
        var cold = bucket.TakeRequests();
        Assert.DoesNotContain(cold, request => request.Method == "HEAD");
        Assert.InRange(cold.Count, bucket.Objects.Count * 9 / 10, bucket.Objects.Count + (bucket.Objects.Count / 10));

        await WarmAsync(it);
        await ReadAllAsync(it, "warm, client", ReadByClientAsync);
        Assert.Empty(bucket.TakeRequests());

        await it.EvictAsync("/data", hot: true);
        await ReadAllAsync(it, "cold, client", ReadByClientAsync);
        Assert.NotEmpty(bucket.TakeRequests());
        await WarmAsync(it);
        await ReadAllAsync(it, "warm, HTTP", ReadByHttpAsync);
        Assert.Empty(bucket.TakeRequests());
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task Objects_written_through_the_tree_are_native_and_those_of_the_bucket_stay_so()
    {
        await using var it = await StartAsync();
        await it.Client.Admin.AttachAsync(new AttachCommand
        {
            Source = $"s3://{bucket.Bucket}/written",
            Path = "/written",
            Mode = AttachmentMode.ReadWrite,
        });
        var contents = Enumerable.Range(0, 30)
            .Select(i => (Name: $"sub{i % 3}/file {i}", Bytes: new Load.Content((ulong)i, i == 0 ? 20 << 20 : 1 + (i * 7001)).ToBytes()))
            .ToArray();
        foreach (var (name, bytes) in contents)
        {
            await it.Client.WriteFileAsync($"/written/{name}", bytes, new() { MakeParents = true });
        }

        await it.Client.Admin.FlushUploadsAsync("/written");
        using var folder = new TempFolder("s3cmd");
        var configuration = bucket.WriteS3CmdConfiguration(folder);
        Command.Run("s3cmd", "-c", configuration, "get", "--quiet", "--recursive", $"s3://{bucket.Bucket}/written/", folder.MakeFolder("got") + "/");
        Assert.All(contents, content => Assert.Equal(ShareFiles.Sum(content.Bytes), ShareFiles.Sum(File.ReadAllBytes(folder.Combine("got", content.Name)))));
        Assert.Equal(contents.Length, Directory.GetFiles(folder.Combine("got"), "*", SearchOption.AllDirectories).Length);

        var some = bucket.Objects[bucket.Objects.Count / 2];
        Command.Run("s3cmd", "-c", configuration, "get", "--quiet", $"s3://{bucket.Bucket}/data/{some.Key}", folder.Combine("one"));
        Assert.Equal(some.Sum, ShareFiles.Sum(File.ReadAllBytes(folder.Combine("one"))));
    }

    private async Task<Installation> StartAsync() => await Installation.StartAsync(
        settings => settings with { Stores = [new StoreSettings(bucket.Relay.Endpoint, bucket.Ceph.AccessKey, bucket.Ceph.SecretKey)] });

    /// <summary>At most one LIST for 1,000 keys, plus one for each part the listing was split into; nothing else.</summary>
    private void CheckListing()
    {
        var requests = bucket.TakeRequests();
        Assert.All(requests, request => Assert.Equal("GET", request.Method));
        var lists = requests.Where(request => request.Target.Contains("list-type=2", StringComparison.Ordinal)).ToArray();
        Assert.Equal(lists.Length, requests.Count);
        var parts = lists.Select(request => HttpUtility.ParseQueryString(new Uri(bucket.Relay.Endpoint, request.Target).Query)["prefix"])
            .Distinct(StringComparer.Ordinal).Count();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{lists.Length} LIST requests, {parts} prefixes, {bucket.Objects.Count} objects"));
        Assert.InRange(lists.Length, 1, ((bucket.Objects.Count + 999) / 1000) + parts);
    }

    private async Task CheckOpeningCostsNothingAsync(Installation it)
    {
        await ForAllAsync(async o =>
        {
            var file = await it.Client.OpenAsync(PathOf(o.Key));
            Assert.Equal(o.Length, file.LengthBytes);
        });
        Assert.Empty(bucket.TakeRequests());
    }

    /// <summary>
    /// A cold read keeps what it brought as well as it can without holding up readers; a warm-up brings the rest, and ends with all of it.
    /// </summary>
    private async Task WarmAsync(Installation it)
    {
        var warm = await it.Client.Admin.WarmAsync("/data");
        Assert.Equal(0, warm.Failed);
        Assert.Equal(bucket.Objects.Count, warm.FilesDone);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"warm-up: {bucket.TakeRequests().Count} requests, {warm.AlreadyHot} were hot"));
    }

    private async Task<AttachmentStatus> AttachAsync(Installation it) => await it.Client.Admin.AttachAsync(
        new AttachCommand { Source = $"s3://{bucket.Bucket}/data", Path = "/data" });

    private async Task ReadAllAsync(Installation it, string how, Func<Installation, string, Task<string>> read)
    {
        var started = TimeProvider.System.GetTimestamp();
        await ForAllAsync(async o =>
        {
            var sum = await read(it, PathOf(o.Key));
            Assert.True(sum == o.Sum, $"{o.Key} differs ({how})");
        });
        var seconds = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{how}: {bucket.Objects.Count} files in {seconds:F1} s"));
    }

    private async Task ForAllAsync(Func<(string Key, string Sum, int Length), Task> action)
    {
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, Readers).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Increment(ref next) is var i && i < bucket.Objects.Count)
            {
                await action(bucket.Objects[i]);
            }
        })));
    }

    private static string PathOf(string key) => "/data/" + key;

    private static async Task<string> ReadByHttpAsync(Installation it, string path) =>
        ShareFiles.Sum(await it.Service.Http.GetByteArrayAsync(new Uri(ApiRoutes.Files + TreePath.Encode(path), UriKind.Relative)));

    private static async Task<string> ReadByClientAsync(Installation it, string path)
    {
        using var bytes = await it.Client.ReadFileAsync(path);
        return ShareFiles.Sum(bytes.Memory.Span);
    }
}
