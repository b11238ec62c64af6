using System.Diagnostics.Metrics;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.Tests.Metadata;

/// <summary>Many callers share commits and never each other's failures.</summary>
public sealed class GroupCommitTests
{
    [Fact]
    public async Task A_failing_change_leaves_the_others_of_its_batch_alone()
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        await t.MakeFileAsync("/taken");
        Task<bool>[] changes = [.. Enumerable.Range(0, 600).Select(i => TryCreateAsync(t, i % 3 == 0 ? "taken" : "f" + i))];
        bool[] made = await Task.WhenAll(changes);
        for (int i = 0; i < made.Length; i++)
        {
            Assert.Equal(i % 3 != 0, made[i]);
        }

        Assert.Equal(401, (await t.NamesAsync("/")).Length);
    }

    [Fact]
    public async Task A_change_that_throws_anything_else_is_undone_and_the_writer_lives_on()
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        await t.PublishAsync("/a");
        await Assert.ThrowsAsync<FormatException>(async () => await t.Tree.BeginReplaceAsync(
            InodeId.Root, "a", _ => throw new FormatException("from the caller"), default));
        await t.PublishAsync("/a");
        Assert.Equal(2u, (await t.FindAsync("/a"))!.Generation);
    }

    [Fact]
    public async Task Waiting_changes_share_a_commit()
    {
        List<int> batches = [];
        using MeterListener listener = Listen("datalayer.metadata.commit.changes", batches);
        await using TreeFixture t = await TreeFixture.OpenAsync();
        await Task.WhenAll(Enumerable.Range(0, 2000).Select(i => t.Tree.CreateFileAsync(InodeId.Root, "f" + i, default, default).AsTask()));
        lock (batches)
        {
            Assert.Contains(batches, count => count > 10);
            Assert.DoesNotContain(batches, count => count > 256);
        }
    }

    [Fact]
    public async Task A_cancelled_caller_gets_out_of_the_queue_or_the_outcome()
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        List<(string Name, Task<InodeAttributes> Change)> changes = [];
        for (int i = 0; i < 500; i++)
        {
            using CancellationTokenSource stop = new();
            changes.Add(("f" + i, t.Tree.CreateFileAsync(InodeId.Root, "f" + i, default, stop.Token).AsTask()));
            if (i % 2 == 0)
            {
                await stop.CancelAsync();
            }
        }

        foreach ((string name, Task<InodeAttributes> change) in changes)
        {
            bool made = true;
            try
            {
                await change;
            }
            catch (OperationCanceledException)
            {
                made = false;
            }

            Assert.Equal(made, await t.FindAsync("/" + name) is not null);
        }
    }

    [Fact]
    public async Task An_already_cancelled_change_does_not_happen()
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        CancellationToken cancelled = new(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await t.Tree.CreateFileAsync(InodeId.Root, "a", default, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await t.Tree.GetAsync(InodeId.Root, cancelled));
        Assert.Empty(await t.NamesAsync("/"));
    }

    [Fact]
    public async Task More_callers_than_the_queue_holds_all_get_through()
    {
        await using TreeFixture t = await TreeFixture.OpenAsync(o => new TreeStoreOptions
        {
            DatabasePath = o.DatabasePath,
            QueueLimit = 2,
            GroupCommitLimit = 3,
            ReadConnectionCount = 1,
        });
        await Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            await t.Tree.CreateFileAsync(InodeId.Root, "f" + i, default, default);
            Assert.NotNull(await t.Tree.LookupAsync(InodeId.Root, "f" + i, default));
        }));
        Assert.Equal(100, (await t.NamesAsync("/")).Length);
    }

    [Fact]
    public async Task Closing_finishes_what_was_queued_and_refuses_what_comes_later()
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        TreeStore tree = t.Tree;
        Task<InodeAttributes>[] queued =
            [.. Enumerable.Range(0, 300).Select(i => tree.CreateFileAsync(InodeId.Root, "f" + i, default, default).AsTask())];
        await tree.DisposeAsync();
        Assert.All(queued, change => Assert.True(change.IsCompletedSuccessfully || !change.IsCompleted));
        await Task.WhenAll(queued);
        DataLayerException late = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tree.CreateFileAsync(InodeId.Root, "late", default, default));
        Assert.Equal(ErrorCode.ShuttingDown, late.Code);
        late = await Assert.ThrowsAsync<DataLayerException>(async () => await tree.GetAsync(InodeId.Root, default));
        Assert.Equal(ErrorCode.ShuttingDown, late.Code);
        Assert.False(File.Exists(t.DatabasePath + "-wal"));
        await t.OpenTreeAsync();
        Assert.Equal(300, (await t.NamesAsync("/")).Length);
    }

    [Fact]
    public async Task A_completed_change_is_seen_by_the_next_read_on_every_connection()
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        await Parallel.ForAsync(0, 300, async (i, _) =>
        {
            InodeAttributes made = await t.Tree.CreateFileAsync(InodeId.Root, "f" + i, default, default);
            Assert.Equal(made, await t.Tree.LookupAsync(InodeId.Root, "f" + i, default));
            Assert.Equal(made, await t.Tree.GetAsync(made.Inode, default));
        });
    }

    private static async Task<bool> TryCreateAsync(TreeFixture t, string name)
    {
        try
        {
            await t.Tree.CreateFileAsync(InodeId.Root, name, default, default);
            return true;
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.AlreadyExists)
        {
            return false;
        }
    }

    private static MeterListener Listen(string instrument, List<int> values)
    {
        MeterListener listener = new()
        {
            InstrumentPublished = (published, self) =>
            {
                if (published.Name == instrument)
                {
                    self.EnableMeasurementEvents(published);
                }
            },
        };
        listener.SetMeasurementEventCallback<int>((_, value, _, _) =>
        {
            lock (values)
            {
                values.Add(value);
            }
        });
        listener.Start();
        return listener;
    }
}
