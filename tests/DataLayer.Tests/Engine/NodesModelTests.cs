using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;
using DataLayer.TestSupport.Nodes;

namespace DataLayer.Tests.Engine;

/// <summary>Files written through a mount are what a plain model says, through flushes in the background, the API beside it, restarts.</summary>
public sealed class NodesModelTests
{
    private static readonly NodeOwner _owner = new(0x1A4, 0, 0);
    private static readonly CancellationToken _none = CancellationToken.None;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task Random_changes_match_the_model(int seed)
    {
        Random random = new(seed);
        await using EngineFixture fixture = new()
        {
            Options = () => new FileEngineOptions { UnflushedBytes = 4L << 20, WritebackDelay = TimeSpan.FromMilliseconds(100) },
        };
        await fixture.StartAsync();
        Dictionary<string, byte[]> model = [];
        for (int round = 0; round < 3; round++)
        {
            NodesWorker worker = await NodesWorker.OpenAsync(fixture.Engine.Nodes, "w");
            for (int step = 0; step < 120; step++)
            {
                string line = NodesScript.Draw(random, model.Keys);
                await worker.RunAsync(line);
                NodesScript.Apply(model, line);
                if (step % 20 == 0)
                {
                    AssertSame(model, await worker.ReadAllAsync(), $"seed {seed}, round {round}, step {step}, {line}");
                }
            }

            AssertSame(model, await worker.ReadAllAsync(), $"seed {seed}, round {round}");
            await fixture.ReopenAsync();
            worker = await NodesWorker.OpenAsync(fixture.Engine.Nodes, "w");
            AssertSame(model, await worker.ReadAllAsync(), $"seed {seed}, after restart {round}");
        }

        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Theory]
    [InlineData(5_000)]
    [InlineData(3_000_000)]
    public async Task Attributes_read_before_a_flush_and_told_after_it_have_the_length(int length)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        (InodeAttributes made, OpenFile file) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, "f", _owner, _none);
        await file.WriteAsync(0, new byte[length], _none);
        InodeAttributes? before = await fixture.Engine.Context.Tree.GetAsync(made.Inode, _none);
        IReadOnlyList<DirectoryEntry> listed = await fixture.Engine.Context.Tree.ListAsync(InodeId.Root, null, 10, _none);
        await fixture.Engine.Nodes.SyncAsync(_none);
        await file.DisposeAsync();
        Assert.Equal(0, before!.SizeBytes);
        Assert.Equal(length, fixture.Engine.Overlay(before).SizeBytes);
        Assert.Equal(length, Assert.Single(fixture.Engine.Overlay(listed)).Attributes.SizeBytes);
    }

    [Fact]
    public async Task A_file_staged_by_a_mount_can_be_written_through_the_api_and_is_durable_then()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        (InodeAttributes _, OpenFile file) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, "f", _owner, _none);
        await file.WriteAsync(0, new byte[] { 1, 2, 3 }, _none);
        await using (OpenFile api = await fixture.Engine.OpenFileAsync("/f", write: true, _none))
        {
            await api.WriteAsync(1, new byte[] { 9, 9, 9 }, _none);
        }

        Assert.Equal(4, (await fixture.Tree.LookupAsync(InodeId.Root, "f", _none))!.SizeBytes);
        await file.AppendAsync(new byte[] { 7 }, _none);
        await file.DisposeAsync();
        Assert.Equal([1, 9, 9, 9, 7], await fixture.ReadAllAsync("/f"));
    }

    [Fact]
    public async Task A_file_replaced_through_the_api_keeps_its_old_bytes_for_the_mount_that_has_it_open()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        (InodeAttributes _, OpenFile file) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, "f", _owner, _none);
        await file.WriteAsync(0, new byte[] { 1, 2, 3 }, _none);
        await fixture.WriteFileAsync("/f", [5, 6]);
        await file.FlushAsync(dataOnly: false, _none);
        Assert.Equal([1, 2, 3], await EngineFixture.ReadAllAsync(file));
        Assert.Equal([5, 6], await fixture.ReadAllAsync("/f"));
        await file.DisposeAsync();
        await fixture.ReopenAsync();
        Assert.Equal([5, 6], await fixture.ReadAllAsync("/f"));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task More_small_files_than_there_is_room_for_are_flushed_on_the_way()
    {
        await using EngineFixture fixture = new() { Options = () => new FileEngineOptions { UnflushedBytes = 4L << 20 } };
        await fixture.StartAsync();
        byte[] bytes = NodesScript.Bytes(3, 40_000);
        for (int i = 0; i < 300; i++)
        {
            (InodeAttributes _, OpenFile file) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, $"f{i}", _owner, _none);
            await file.WriteAsync(0, bytes, _none);
            await file.DisposeAsync();
        }

        await fixture.Engine.Nodes.SyncAsync(_none);
        Assert.All(await fixture.Tree.ListAsync(InodeId.Root, null, 1000, _none), e => Assert.Equal(40_000, e.Attributes.SizeBytes));
        Assert.Equal(bytes, await fixture.ReadAllAsync("/f299"));
    }

    [Fact]
    public async Task A_read_of_a_staged_file_completes_at_once_and_allocates_nothing()
    {
        await using EngineFixture fixture = new() { Options = () => new FileEngineOptions { WritebackDelay = TimeSpan.FromHours(1) } };
        await fixture.StartAsync();
        (InodeAttributes _, OpenFile file) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, "f", _owner, _none);
        await file.WriteAsync(0, new byte[10_000], _none);
        byte[] buffer = new byte[4096];
        Assert.True(file.ReadAsync(0, buffer, _none).AsTask().IsCompletedSuccessfully);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            int read = await file.ReadAsync(i, buffer, _none);
            Assert.True(read == 4096);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        await file.DisposeAsync();
    }

    [Theory]
    [InlineData(400_000, 100_000)]
    [InlineData(3_000_000, 100_000)]
    [InlineData(100_000, 3_000_000)]
    public async Task A_file_that_goes_from_stripes_to_a_record_and_back_shows_no_older_byte_and_loses_none(int first, int second)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] older = NodesScript.Bytes(1, first);
        byte[] small = NodesScript.Bytes(2, 10_000);
        byte[] wanted = new byte[second];
        small.CopyTo(wanted, 0);
        (InodeAttributes _, OpenFile file) = await fixture.Engine.Nodes.CreateAndOpenAsync(InodeId.Root, "f", _owner, _none);
        for (int round = 0; round < 30; round++)
        {
            await file.TruncateAsync(0, _none);
            await file.WriteAsync(0, older, _none);
            await file.FlushAsync(dataOnly: false, _none);
            await file.TruncateAsync(0, _none);
            await file.WriteAsync(0, small, _none);
            await file.FlushAsync(dataOnly: false, _none);

            // The stripes it had may be deleted before this, in the middle of it, or after it.
            await file.TruncateAsync(second, _none);
            byte[] found = await EngineFixture.ReadAllAsync(file);
            Assert.True(wanted.AsSpan().SequenceEqual(found), $"round {round}");
            await file.FlushAsync(dataOnly: false, _none);
            await fixture.JournalDoneAsync();
            await fixture.Engine.EvictAsync("/f", hotToo: false, _none);
            found = await EngineFixture.ReadAllAsync(file);
            Assert.True(wanted.AsSpan().SequenceEqual(found), $"round {round}, later");
        }

        await file.DisposeAsync();
        await fixture.AssertCleanAsync();
    }

    private static void AssertSame(Dictionary<string, byte[]> expected, Dictionary<string, byte[]> found, string what)
    {
        Assert.True(expected.Keys.Order().SequenceEqual(found.Keys.Order()), $"{what}: other names");
        foreach ((string name, byte[] bytes) in expected)
        {
            Assert.True(bytes.AsSpan().SequenceEqual(found[name]), $"{what}: {name} has {found[name].Length} bytes, not {bytes.Length}, or others");
        }
    }
}
