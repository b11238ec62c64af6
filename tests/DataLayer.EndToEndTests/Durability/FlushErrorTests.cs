using DataLayer.Core.Errors;
using DataLayer.EndToEndTests.Faults;
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
        await using var it = await StartAsync();
        var old = new Content(1, 20_000).ToBytes();
        await it.Client.WriteFileAsync("/f", old);
        await using (await InjectAsync(it, errno, "*.seg"))
        {
            var failure = await Installation.FailureOf(
                async () => await it.Client.WriteFileAsync("/f", new Content(2, 20_000).ToBytes()));
            Assert.Equal(wanted, failure.Code);
            Assert.Contains("sync", failure.Message, StringComparison.Ordinal);
        }

        Assert.Equal(old, await it.ReadAsync("/f"));
        await it.CheckCleanAsync();
    }

    [Theory]
    [InlineData("EIO")]
    [InlineData("ENOSPC")]
    public async Task A_failed_flush_of_the_metadata_reaches_the_client_and_the_write_did_not_happen(string errno)
    {
        await using var it = await StartAsync();
        var old = new Content(1, 300_000).ToBytes();
        await it.Client.WriteFileAsync("/f", old);
        var database = it.Service.Settings.StateFolder + "/tree.db";
        await using (await StraceInjector.AttachAsync(
            it.Service.ProcessId, $"{StraceInjector.FlushCalls}:error={errno}", database, database + "-wal"))
        {
            var failure = await Installation.FailureOf(
                async () => await it.Client.WriteFileAsync("/f", new Content(2, 300_000).ToBytes()));
            Assert.Contains("metadata", failure.Message, StringComparison.Ordinal);
        }

        // What a failed flush left on the disk nobody knows: the service takes no change until it has read it again.
        Assert.Equal(old, await it.ReadAsync("/f"));
        await it.Service.KillAsync();
        await it.Service.RestartAsync();
        Assert.Equal(old, await it.ReadAsync("/f"));
        await it.Client.WriteFileAsync("/f", new Content(3, 300_000).ToBytes());
        Assert.Equal(new Content(3, 300_000).ToBytes(), await it.ReadAsync("/f"));
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task A_retry_that_writes_nothing_again_does_not_clear_a_failed_flush()
    {
        await using var it = await StartAsync();
        await it.Client.WriteFileAsync("/f", new Content(1, 3_000_000).ToBytes());
        await using (await InjectAsync(it, "EIO", "*"))
        {
            var failure = await Installation.FailureOf(async () => await it.Client.WriteAtAsync("/f", 0, new Content(2, 5000).ToBytes()));
            Assert.True(failure.Code == ErrorCode.TargetFailed, failure.ToString());
        }

        // The device works again, but the kernel has forgotten the pages it could not write: nobody knows what is on the disk.
        for (var retry = 0; retry < 3; retry++)
        {
            var again = await Installation.FailureOf(async () => await it.Client.FlushAsync("/f"));
            Assert.Equal(ErrorCode.TargetFailed, again.Code);
        }
    }

    [Fact]
    public async Task After_a_failed_flush_the_target_is_fenced_and_says_so()
    {
        await using var it = await StartAsync();
        await it.Client.WriteFileAsync("/f", new Content(1, 20_000).ToBytes());
        await using (await InjectAsync(it, "EIO", "*.seg"))
        {
            await Installation.FailureOf(async () => await it.Client.WriteFileAsync("/g", new Content(2, 20_000).ToBytes()));
        }

        var target = Assert.Single(await it.Client.Admin.ListTargetsAsync());
        Assert.Contains("sync", target.Fault, StringComparison.Ordinal);
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

    private static Task<Installation> StartAsync() =>
        Installation.StartAsync(settings => settings with { TargetFolders = [settings.StateFolder + "/t"], Width = 1 });

    /// <summary>Makes every flush of the target's files that are there fail; flushes of the metadata still work.</summary>
    private static async Task<StraceInjector> InjectAsync(Installation it, string errno, string pattern) =>
        await StraceInjector.AttachAsync(
            it.Service.ProcessId,
            $"{StraceInjector.FlushCalls}:error={errno}",
            [.. Damage.FilesBelow(it.Service.Settings.Targets[0], pattern)]);
}
