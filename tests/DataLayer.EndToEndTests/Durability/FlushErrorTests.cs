using DataLayer.Core.Errors;
using DataLayer.EndToEndTests.Load;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Processes;

namespace DataLayer.EndToEndTests.Durability;

/// <summary>Errors of fsync and fdatasync, injected into the running service by strace, reach the HTTP client and are not forgotten.</summary>
public sealed class FlushErrorTests
{
    [Theory]
    [InlineData("EIO", ErrorCode.TargetFailed)]
    [InlineData("EROFS", ErrorCode.TargetFailed)]
    [InlineData("ENOSPC", ErrorCode.NoSpace)]
    [InlineData("EDQUOT", ErrorCode.QuotaExceeded)]
    public async Task A_failed_flush_reaches_the_client_and_the_write_did_not_happen(string errno, ErrorCode wanted)
    {
        await using var it = await Installation.StartAsync();
        var old = new Content(1, 300_000).ToBytes();
        await it.Client.WriteFileAsync("/f", old);
        await using (await StraceInjector.AttachAsync(it.Service.ProcessId, $"{StraceInjector.FlushCalls}:error={errno}"))
        {
            var failure = await Installation.FailureOf(
                async () => await it.Client.WriteFileAsync("/f", new Content(2, 300_000).ToBytes()));
            Assert.Equal(wanted, failure.Code);
            Assert.Contains("sync", failure.Message, StringComparison.Ordinal);
        }

        Assert.Equal(old, await it.ReadAsync("/f"));
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task A_retry_that_writes_nothing_again_does_not_clear_a_failed_flush()
    {
        await using var it = await Installation.StartAsync();
        var content = new Content(1, 3_000_000);
        await it.Client.WriteFileAsync("/f", content.ToBytes());
        await using (await StraceInjector.AttachAsync(it.Service.ProcessId, $"{StraceInjector.FlushCalls}:error=EIO"))
        {
            await Installation.FailureOf(async () => await it.Client.WriteAtAsync("/f", 0, new Content(2, 5000).ToBytes()));
        }

        // The device works again, but the kernel has forgotten the pages it could not write: nobody knows what is on the disk.
        var again = await Installation.FailureOf(async () => await it.Client.FlushAsync("/f"));
        Assert.Equal(ErrorCode.TargetFailed, again.Code);
        again = await Installation.FailureOf(async () => await it.Client.FlushAsync("/f"));
        Assert.Equal(ErrorCode.TargetFailed, again.Code);
    }

    [Fact]
    public async Task After_a_failed_flush_the_target_is_fenced_and_says_so()
    {
        await using var it = await Installation.StartAsync();
        await it.Client.WriteFileAsync("/f", new Content(1, 300_000).ToBytes());
        await using (await StraceInjector.AttachAsync(it.Service.ProcessId, $"{StraceInjector.FlushCalls}:error=EIO"))
        {
            await Installation.FailureOf(async () => await it.Client.WriteFileAsync("/g", new Content(2, 300_000).ToBytes()));
        }

        var targets = await it.Client.Admin.ListTargetsAsync();
        Assert.Contains(targets, target => target.Fault is not null && target.Fault.Contains("sync", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_failed_commit_of_the_metadata_reaches_the_client_and_the_name_does_not_appear()
    {
        using var disk = SmallFilesystem.Ext4(256);
        await using var it = await Installation.StartAsync(settings => settings with { StateFolder = disk.Path + "/state", TargetFolders = [settings.StateFolder + "/t"], Width = 1 });
        await it.Client.WriteFileAsync("/kept", new Content(1, 1000).ToBytes());
        disk.ShutDown();
        await Installation.FailureOf(async () => await it.Client.MakeDirectoryAsync("/folder"));
        await Installation.FailureOf(async () => await it.Client.WriteFileAsync("/new", new Content(2, 1000).ToBytes()));
        await it.Service.KillAsync();
        disk.Remount();
        await it.Service.RestartAsync();
        Assert.Equal(new Content(1, 1000).ToBytes(), await it.ReadAsync("/kept"));
        Assert.Null(await it.Client.TryStatAsync("/folder"));
        Assert.Null(await it.Client.TryStatAsync("/new"));
        await it.CheckCleanAsync();
    }
}
