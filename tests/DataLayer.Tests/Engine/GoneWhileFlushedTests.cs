using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Engine.Files.State;

namespace DataLayer.Tests.Engine;

/// <summary>
/// Dirty files of a mount that lose their name, or are replaced, while a flush has them: whatever the order, nothing of them stays.
/// </summary>
public sealed class GoneWhileFlushedTests
{
    private static readonly CancellationToken _none = CancellationToken.None;
    private static readonly NodeOwner _owner = new(0x1A4, 0, 0);

    public static TheoryData<string, string, int> Cases()
    {
        TheoryData<string, string, int> cases = [];
        foreach (string change in (string[])["unlink", "replace", "rename over", "unlink open", "replace open"])
        {
            cases.Add("staged.appended", change, 5_000);
            cases.Add("staged.flushed", change, 5_000);
            cases.Add("staged.committed", change, 5_000);
            cases.Add("write.flushed", change, 300_000);
            cases.Add("write.committed", change, 300_000);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_dirty_file_that_goes_while_its_flush_is_held_leaves_nothing(string step, string change, int bytes)
    {
        TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using ManualResetEventSlim go = new();
        await using EngineFixture fixture = new()
        {
            StepHook = name =>
            {
                if (name == step && reached.TrySetResult())
                {
                    Assert.True(go.Wait(TimeSpan.FromMinutes(1)), "the test forgot the flush");
                }
            },
        };
        await fixture.StartAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeId folder = await QuotaTests.MakeAsync(nodes, "q", 1_000_000, 0);
        await fixture.WriteFileAsync("/q/other", new byte[100]);
        (InodeAttributes made, OpenFile file) = await nodes.CreateAndOpenAsync(folder, "f", _owner, _none);
        await file.WriteAsync(0, new byte[bytes], _none);
        bool staysOpen = change.EndsWith("open", StringComparison.Ordinal);
        if (!staysOpen)
        {
            await file.DisposeAsync();
        }

        Task flush = Task.Run(() => nodes.SyncAsync(_none).AsTask());
        await reached.Task.WaitAsync(TimeSpan.FromMinutes(1));
        Task changing = Task.Run(() => ChangeAsync(fixture, folder, change));

        // It may wait for the flush; that the tree has it is as far as it surely gets.
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        while ((await fixture.Tree.LookupAsync(folder, "f", limit.Token))?.Content == made.Content)
        {
            await Task.Yield();
        }

        go.Set();
        await Task.WhenAll(flush, changing).WaitAsync(TimeSpan.FromMinutes(1));
        if (staysOpen)
        {
            if (change.StartsWith("unlink", StringComparison.Ordinal))
            {
                await file.WriteAsync(10, "more"u8.ToArray(), _none); // What was replaced takes no more.
            }

            await file.DisposeAsync();
        }

        Assert.True(SpinWait.SpinUntil(() => !fixture.Engine.Context.Contents.IsInUse(made.Content), 60_000), "it is in use for ever");
        await nodes.SyncAsync(_none);
        Assert.Equal(UnflushedFile.SlotCount, fixture.Engine.Context.Unflushed.File.FreeSlotCount);
        await fixture.JournalDoneAsync(limit.Token);
        long left = change.Split(' ')[0] switch { "unlink" => 100, "replace" => 300, _ => 100 };
        Assert.Equal(1_000_000 - left, (await nodes.GetSpaceAsync(folder, _none)).FreeBytes);
        await fixture.AssertCleanAsync();
    }

    private static async Task ChangeAsync(EngineFixture fixture, InodeId folder, string change)
    {
        NodeOperations nodes = fixture.Engine.Nodes;
        switch (change.Split(' ')[0])
        {
            case "unlink":
                await nodes.UnlinkAsync(folder, "f", _none);
                break;
            case "replace":
                await fixture.WriteFileAsync("/q/f", new byte[200]);
                break;
            default:
                await fixture.Engine.RenameAsync("/q/other", "/q/f", RenameFlags.None, _none);
                break;
        }
    }
}
