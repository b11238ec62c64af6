using DataLayer.TestSupport;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Processes;

namespace DataLayer.EndToEndTests.Fixtures;

/// <summary>Injections do to plain programs what the durability tests count on.</summary>
public sealed class StraceInjectorTests
{
    [Fact]
    public void An_injected_fsync_error_reaches_the_program()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.Combine("f"), "text");
        var line = StraceInjector.Wrap("fsync:error=EIO", ["sync", folder.Combine("f")]);
        var result = Command.TryRun(line[0], [.. line.Skip(1)]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("Input/output error", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_skipped_fsync_succeeds_and_the_power_cut_loses_the_data()
    {
        using var disk = SmallFilesystem.Ext4(16);
        File.WriteAllText(disk.Path + "/f", "text");
        var line = StraceInjector.Wrap("fsync:retval=0", ["sync", disk.Path + "/f"]);
        Assert.Equal(0, Command.TryRun(line[0], [.. line.Skip(1)]).ExitCode);
        disk.ShutDown();
        disk.Remount();
        Assert.False(File.Exists(disk.Path + "/f"));
    }

    [Fact]
    public async Task An_injection_can_be_attached_to_a_running_process_and_lifted()
    {
        using var folder = new TempFolder();
        var (file, go) = (folder.Combine("f"), folder.Combine("go"));
        await File.WriteAllTextAsync(file, "text");
        Command.Run("mkfifo", go);
        // Each line read from the pipe is answered with how a sync went.
        using var shell = Command.Start("bash", ["-c", "while read -r _ <\"$0\"; do sync \"$1\" 2>/dev/null && echo fine || echo failed; done", go, file], null);
        try
        {
            Assert.Equal("fine", await AskAsync());
            await using (await StraceInjector.AttachAsync(shell.Id, "fsync:error=EIO"))
            {
                Assert.Equal("failed", await AskAsync());
            }

            Assert.Equal("fine", await AskAsync());
        }
        finally
        {
            Signals.Send(shell.Id, Signals.Kill);
        }

        async Task<string?> AskAsync()
        {
            await File.WriteAllTextAsync(go, "\n");
            return await shell.StandardOutput.ReadLineAsync();
        }
    }
}
