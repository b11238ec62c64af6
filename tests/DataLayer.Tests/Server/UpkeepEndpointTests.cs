using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class UpkeepEndpointTests(RunningService service)
{
    [Fact]
    public async Task An_attached_folder_is_read_refreshed_and_detached_without_touching_it()
    {
        string bucket = service.MakeBucket(("a.txt", "alpha"), ("sub/b.txt", "beta"));
        string folder = await service.MakeFolderAsync() + "/data";
        ListingReport? last = null;

        AttachmentStatus attachment = await service.Client.Admin.AttachAsync(
            new AttachCommand { Source = "file://" + bucket, Path = folder }, new Recorder<ListingReport>(r => last = r));

        Assert.Equal(2, attachment.ObjectCount);
        Assert.Equal(9, attachment.ObjectBytes);
        Assert.True(attachment.ListingComplete);
        Assert.Equal(AttachmentMode.ReadOnly, attachment.Mode);
        Assert.True(last!.Done);
        Assert.True(last.Requests >= 1);
        Assert.Equal("beta", await ReadAsync(folder + "/sub/b.txt"));
        Assert.Contains(await service.Client.Admin.ListAttachmentsAsync(), a => a.Path == folder && a.Source == "file://" + bucket);
        await ThrowsAsync(ErrorCode.ReadOnly, async () => await service.Client.WriteFileAsync(folder + "/new", "x"u8.ToArray()));

        await File.WriteAllTextAsync(Path.Combine(bucket, "c.txt"), "gamma");
        ListingReport refreshed = await service.Client.Admin.RefreshAsync(folder);
        Assert.True(refreshed.Done);
        Assert.Equal("gamma", await ReadAsync(folder + "/c.txt"));

        await service.Client.Admin.DetachAsync(folder);
        Assert.DoesNotContain(await service.Client.Admin.ListAttachmentsAsync(), a => a.Path == folder);
        Assert.True(File.Exists(Path.Combine(bucket, "a.txt")));
    }

    [Fact]
    public async Task Attachments_come_in_pages_and_a_detach_can_go_by_what_was_seen()
    {
        string bucket = service.MakeBucket(("a.txt", "alpha"));
        string folder = await service.MakeFolderAsync();
        foreach (string name in new[] { "/c", "/a", "/b" })
        {
            await service.Client.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket, Path = folder + name });
        }

        List<string> seen = [];
        string? next = $"{ApiRoutes.Attachments}?limit=2";
        System.Net.Http.Headers.EntityTagHeaderValue? tag = null;
        while (next is not null)
        {
            using HttpResponseMessage page = await service.Http.GetAsync(new Uri(next, UriKind.Relative));
            tag = page.Headers.ETag;
            seen.AddRange(System.Text.Json.Nodes.JsonNode.Parse(await page.Content.ReadAsStringAsync())!.AsArray().Select(a => (string)a!["path"]!));
            next = page.Headers.TryGetValues("Link", out IEnumerable<string>? links) ? links.Single().Split('<', '>')[1] : null;
        }

        using HttpRequestMessage known = new(HttpMethod.Get, ApiRoutes.Attachments);
        known.Headers.IfNoneMatch.Add(tag!);
        using HttpResponseMessage same = await service.Http.SendAsync(known);
        await service.Client.Admin.DetachAsync(folder + "/c");
        using HttpResponseMessage late = await DetachAsync(folder + "/b", tag!);
        using HttpResponseMessage list = await service.Http.GetAsync(new Uri(ApiRoutes.Attachments, UriKind.Relative));
        using HttpResponseMessage good = await DetachAsync(folder + "/b", list.Headers.ETag!);

        Assert.Equal(seen.Order(StringComparer.Ordinal), seen);
        Assert.Equal([folder + "/a", folder + "/b", folder + "/c"], seen.Where(p => p.StartsWith(folder + "/", StringComparison.Ordinal)));
        Assert.Equal(System.Net.HttpStatusCode.NotModified, same.StatusCode);
        Assert.Equal(System.Net.HttpStatusCode.PreconditionFailed, late.StatusCode);
        Assert.Equal(System.Net.HttpStatusCode.NoContent, good.StatusCode);
    }

    private async Task<HttpResponseMessage> DetachAsync(string path, System.Net.Http.Headers.EntityTagHeaderValue tag)
    {
        using HttpRequestMessage request = new(HttpMethod.Delete, $"{ApiRoutes.Attachments}?path={path}");
        request.Headers.IfMatch.Add(tag);
        return await service.Http.SendAsync(request);
    }

    [Fact]
    public async Task Writes_under_a_writable_attachment_reach_the_bucket_when_flushed()
    {
        string bucket = service.MakeBucket(("a.txt", "alpha"));
        string folder = await service.MakeFolderAsync() + "/data";
        await service.Client.Admin.AttachAsync(
            new AttachCommand { Source = "file://" + bucket, Path = folder, Mode = AttachmentMode.ReadWrite });

        await service.Client.WriteFileAsync(folder + "/new.txt", "new"u8.ToArray());
        await service.Client.Admin.FlushUploadsAsync(folder);

        Assert.Equal("new", await File.ReadAllTextAsync(Path.Combine(bucket, "new.txt")));
        FileDetail detail = await service.Client.DescribeAsync(folder + "/new.txt");
        Assert.Equal(TierState.Premigrated, detail.Status.State);
        Assert.Equal("new.txt", detail.Object!.Key[^7..]);
    }

    [Fact]
    public async Task Warming_brings_all_and_evicting_drops_it_again()
    {
        string bucket = service.MakeBucket(("a.bin", new string('a', 5000)), ("b.bin", new string('b', 300_000)));
        string folder = await service.MakeFolderAsync() + "/data";
        await service.Client.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket, Path = folder });

        WarmReport warm = await service.Client.Admin.WarmAsync(folder, intoMemory: true);
        FileDetail hot = await service.Client.DescribeAsync(folder + "/b.bin");
        EvictReport evicted = await service.Client.Admin.EvictAsync(folder, hot: true);
        FileDetail cold = await service.Client.DescribeAsync(folder + "/b.bin");

        Assert.Equal((2, 2, 0), (warm.Files, warm.FilesDone, warm.Failed));
        Assert.Equal(305_000, warm.BytesDone);
        Assert.Equal(hot.BlockCount, hot.HotBlocks);
        Assert.Equal(2, evicted.ReleasedFiles);
        Assert.Equal("cold", cold.Tier);
        Assert.Equal(0, cold.HotBlocks);
        Assert.Equal(300_000, (await ReadAsync(folder + "/b.bin")).Length);
    }

    [Fact]
    public async Task Usage_counts_files_folders_and_bytes()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.MakeDirectoryAsync(folder + "/d");
        await service.Client.WriteFileAsync(folder + "/d/a", new byte[100]);
        await service.Client.WriteFileAsync(folder + "/b", new byte[23]);

        UsageReport usage = await service.Client.Admin.GetUsageAsync(folder);

        Assert.Equal(2, usage.FileCount);
        Assert.Equal(123, usage.SizeBytes);
        Assert.Equal(folder, usage.Path);
    }

    [Fact]
    public async Task Flush_makes_one_file_durable_and_names_what_it_cannot_find()
    {
        string path = await service.MakeFolderAsync() + "/f";
        await service.Client.WriteFileAsync(path, "x"u8.ToArray());

        await service.Client.FlushAsync(path);

        await ThrowsAsync(ErrorCode.NotFound, async () => await service.Client.FlushAsync(path + "-none"));
    }

    [Fact]
    public async Task Check_and_scrub_find_a_sound_tree()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(folder + "/f", new byte[200_000]);

        CheckStatus check = await service.Client.Admin.CheckAsync();
        ScrubStatus scrub = await service.Client.Admin.ScrubAsync(folder);

        Assert.True(check.Clean, string.Join('\n', check.Problems));
        Assert.Equal(1, scrub.Files);
        Assert.Equal(0, scrub.BadFiles);
    }

    [Fact]
    public async Task Targets_are_listed_added_and_drained()
    {
        IReadOnlyList<TargetReport> before = await service.Client.Admin.ListTargetsAsync();
        string directory = service.MakeTargetFolder();

        TargetReport added = await service.Client.Admin.AddTargetAsync("default", directory);
        DrainStatus drained = await service.Client.Admin.DrainTargetAsync(added.Target);

        Assert.True(before.Count >= 2);
        Assert.All(before, t => Assert.True(t.CapacityBytes > 0));
        Assert.Equal(directory, added.Location);
        Assert.Equal(added.Target, drained.Target);
        await ThrowsAsync(ErrorCode.NotFound, async () => await service.Client.Admin.DrainTargetAsync(4711));
        await ThrowsAsync(ErrorCode.InvalidArgument, async () => await service.Client.Admin.AddTargetAsync("default", "relative"));
    }

    [Fact]
    public async Task Statistics_grow_with_reads_and_name_their_tier()
    {
        string path = await service.MakeFolderAsync() + "/f";
        await service.Client.WriteFileAsync(path, new byte[50_000]);
        StatisticsReport before = await service.Client.Admin.GetStatisticsAsync();

        await ReadAsync(path);
        await ReadAsync(path);
        StatisticsReport after = await service.Client.Admin.GetStatisticsAsync();

        Assert.True(after.Engine.ReadBytes >= before.Engine.ReadBytes + 100_000);
        Assert.True(after.Engine.MemoryHitBytes >= before.Engine.MemoryHitBytes + 50_000);
        Assert.True(after.Http.Requests >= before.Http.Requests + 2);
        Assert.Equal(Environment.ProcessId, after.Process.ProcessId);
        Assert.Equal(256L << 20, after.Process.MemoryBudgetBytes);
        Assert.Equal(24L << 20, after.Cache.CapacityBytes);
        Assert.True(after.Process.ResidentBytes > 0);
    }

    [Theory]
    [InlineData("ftp://bucket/x", "default")]
    [InlineData("no source", "default")]
    [InlineData("file:///nowhere", "other")]
    public async Task A_source_no_store_can_serve_is_refused(string source, string store)
    {
        string folder = await service.MakeFolderAsync() + "/data";

        await ThrowsAsync(ErrorCode.InvalidArgument, async () => await service.Client.Admin.AttachAsync(
            new AttachCommand { Source = source, Path = folder, Store = store }));
    }

    [Fact]
    public async Task Detaching_what_is_not_attached_says_so()
    {
        string folder = await service.MakeFolderAsync();

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await service.Client.Admin.DetachAsync(folder));

        Assert.Contains(fault.Code, new[] { ErrorCode.NotFound, ErrorCode.InvalidArgument });
        Assert.Contains(folder, fault.Message, StringComparison.Ordinal);
    }

    private async Task<string> ReadAsync(string path)
    {
        using DataLayer.Client.FileBytes bytes = await service.Client.ReadFileAsync(path);
        return Encoding.UTF8.GetString(bytes.Memory.Span);
    }

    private static async Task ThrowsAsync(ErrorCode code, Func<Task> act) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(act)).Code);

    private sealed class Recorder<T>(Action<T> record) : IProgress<T>
    {
        public void Report(T value) => record(value);
    }
}
