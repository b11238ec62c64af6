using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Stripes;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;

namespace DataLayer.ConformanceTests.Targets;

/// <summary>The contract over a directory, and what only a directory target has.</summary>
public sealed class DirectoryTargetConformance : TargetConformance, IDisposable
{
    private readonly TempFolder _folder = new("target");
    private readonly Guid _deployment = Guid.NewGuid();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Fsync_errors_are_seen_reported_remembered_and_fence_the_target()
    {
        await using DirectoryTarget target = (DirectoryTarget)await OpenAsync();
        ColumnId column = new(new ContentId(new InodeId(1), 1), 0, 0);
        await target.PrepareWriteAsync(column, 0, 0, create: true, default);
        await target.WriteAsync(column, 0, 1_000, new StripeView(new byte[1_000], 0), default);
        await target.FlushAsync(column, default);
        await target.WriteAsync(column, 1_000, 1_000, new StripeView(new byte[1_000], 1_000), default);
        string path = Directory.EnumerateFiles(_folder.Path, "0000000000000001.*", SearchOption.AllDirectories)
            .Single(file => !file.EndsWith(".sum", StringComparison.Ordinal));
        await using (await StraceInjector.AttachAsync(Environment.ProcessId, "fsync:error=EIO", path))
        {
            DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await target.FlushAsync(
                column, default));
            Assert.Equal(ErrorCode.TargetFailed, fault.Code);
            Assert.Contains("fsync", fault.Message, StringComparison.Ordinal);
        }

        Assert.Equal(TargetState.Fenced, target.State);
        await target.CheckAsync(default);
        Assert.Equal(TargetState.Ok, target.State);
        await Assert.ThrowsAsync<DataLayerException>(async () => await target.FlushAsync(column, default));
        await target.WriteAsync(column, 0, 10, new StripeView(new byte[10], 0), default);
        await target.FlushAsync(column, default);
    }

    [Fact]
    public async Task A_target_whose_calls_hang_answers_TimedOut_to_those_that_wait()
    {
        await using DirectoryTarget target = await OpenWithAsync(TimeSpan.FromMilliseconds(200));
        ColumnId column = new(new ContentId(new InodeId(1), 1), 0, 0);
        await target.PrepareWriteAsync(column, 0, 0, create: true, default);
        string path = Directory.EnumerateFiles(_folder.Path, "0000000000000001.*", SearchOption.AllDirectories)
            .Single(file => !file.EndsWith(".sum", StringComparison.Ordinal));
        await target.WriteAsync(column, 0, 1_000, new StripeView(new byte[1_000], 0), default);
        await using (await StraceInjector.AttachAsync(Environment.ProcessId, "pread64:delay_enter=1500ms",
            path))
        {
            Task[] reads = [.. Enumerable.Range(0, 5).Select(_ =>
                target.ReadAsync(column, 0, 1_000, new StripeView(new byte[1_000], 0), default).AsTask())];
            DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => Task.WhenAll(reads));
            Assert.Equal(ErrorCode.TimedOut, fault.Code);
            Assert.Contains(_folder.Path, fault.Message, StringComparison.Ordinal);
        }

        await target.ReadAsync(column, 0, 1_000, new StripeView(new byte[1_000], 0), default);
    }

    [Fact]
    public async Task Open_files_stay_within_the_limit()
    {
        await using DirectoryTarget target = (DirectoryTarget)await OpenAsync();
        for (int i = 0; i < 100; i++)
        {
            ColumnId column = new(new ContentId(new InodeId(i + 1), 1), 0, 0);
            await target.PrepareWriteAsync(column, 0, 0, create: true, default);
            await target.WriteAsync(column, 0, 1_000, new StripeView(new byte[1_000], 0), default);
        }

        Assert.InRange(Directory.GetFiles("/proc/self/fd").Count(IsOpenHere), 2, 20);
        for (int i = 0; i < 100; i++)
        {
            await target.FlushAsync(new ColumnId(new ContentId(new InodeId(i + 1), 1), 0, 0), default);
        }
    }

    private bool IsOpenHere(string link)
    {
        try
        {
            return File.ResolveLinkTarget(link, returnFinalTarget: false)?.FullName
                .StartsWith(_folder.Path, StringComparison.Ordinal) == true;
        }
        catch (IOException)
        {
            // Another test's descriptor, closed since the listing.
            return false;
        }
    }

    protected override async Task<object> OpenAsync() => await OpenWithAsync(TimeSpan.FromSeconds(30));

    private async Task<DirectoryTarget> OpenWithAsync(TimeSpan waitLimit)
    {
        TargetIdentity identity = new(_deployment, 4, "default");
        DirectorySite site = new(_folder.Path);
        if (TargetIdentity.TryRead(site) is null)
        {
            identity.Write(site);
        }

        DirectoryTarget target = new(identity, _folder.Path, new DirectoryTargetOptions
        {
            ConcurrencyCount = 2,
            WaitLimit = waitLimit,
            OpenColumnCount = 8,
            FenceTime = TimeSpan.Zero,
        });
        await target.CheckAsync(default);
        return target;
    }
}
