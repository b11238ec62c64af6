using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Engine;

public sealed class WritePathTests
{
    private const int MiB = 1 << 20;

    [Theory]
    [InlineData(1000, 500, 100)]
    [InlineData(1000, 900, 500)]
    [InlineData(0, 0, 10)]
    [InlineData(3 * MiB, MiB + 7, 1000)]
    [InlineData(3 * MiB, 2 * MiB, 2 * MiB)]
    [InlineData(1000, 3 * MiB, 1000)]
    public async Task A_write_in_place_is_seen_at_once_and_after_a_restart(int length, int offset, int count)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(length);
        await fixture.WriteFileAsync("/a", bytes);
        await fixture.ReadAllAsync("/a");
        byte[] patch = BytesContent.Random(count, seed: 2);
        byte[] expected = new byte[Math.Max(length, offset + count)];
        bytes.CopyTo(expected, 0);
        patch.CopyTo(expected, offset);

        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/a", write: true, CancellationToken.None))
        {
            await file.WriteAsync(offset, patch, CancellationToken.None);
            Assert.Equal(expected.Length, file.Attributes.SizeBytes);
            Assert.Equal(expected, await fixture.ReadAllAsync("/a"));
            Assert.Equal(expected.Length, (await fixture.Engine.StatAsync("/a", true, CancellationToken.None)).SizeBytes);
            await file.FlushAsync(CancellationToken.None);
        }

        Assert.Equal(expected, await fixture.ReadAllAsync("/a"));
        await fixture.ReopenAsync();
        Assert.Equal(expected, await fixture.ReadAllAsync("/a"));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Close_makes_unflushed_writes_durable()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/a", [1, 2, 3]);
        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/a", write: true, CancellationToken.None))
        {
            await file.WriteAsync(3, new byte[] { 4, 5 }, CancellationToken.None);
        }

        await fixture.ReopenAsync();
        Assert.Equal([1, 2, 3, 4, 5], await fixture.ReadAllAsync("/a"));
    }

    [Theory]
    [InlineData(3 * MiB, MiB + 5)]
    [InlineData(3 * MiB, 0)]
    [InlineData(1000, 10)]
    [InlineData(1000, 2 * MiB)]
    [InlineData(MiB, 4 * MiB)]
    public async Task Truncation_keeps_what_is_below_and_zeros_what_it_adds(int length, int size)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(length);
        await fixture.WriteFileAsync("/a", bytes);
        await fixture.ReadAllAsync("/a");
        byte[] expected = new byte[size];
        bytes.AsSpan(0, Math.Min(size, length)).CopyTo(expected);

        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/a", write: true, CancellationToken.None))
        {
            await file.TruncateAsync(size, CancellationToken.None);
            Assert.Equal(expected, await EngineFixture.ReadAllAsync(file));
            await file.FlushAsync(CancellationToken.None);
        }

        await fixture.ReopenAsync();
        Assert.Equal(expected, await fixture.ReadAllAsync("/a"));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Bytes_cut_off_and_grown_again_are_zeros()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/a", BytesContent.Random(2 * MiB));
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/a", write: true, CancellationToken.None);
        await file.TruncateAsync(10, CancellationToken.None);
        await file.TruncateAsync(MiB, CancellationToken.None);

        byte[] read = await EngineFixture.ReadAllAsync(file);

        Assert.Equal(-1, read.AsSpan(10).IndexOfAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(3 * MiB)]
    public async Task Writing_a_cold_file_in_place_recalls_it_first(int length)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(length);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync();

        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/data/o", write: true, CancellationToken.None))
        {
            await file.WriteAsync(10, new byte[] { 9, 9 }, CancellationToken.None);
        }

        bytes[10] = bytes[11] = 9;
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        Assert.Equal(bytes, await fixture.GetObjectAsync("o"));
        await fixture.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
    }

    [Fact]
    public async Task An_open_content_stays_readable_when_its_name_is_replaced_or_removed()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] first = BytesContent.Random(2 * MiB, seed: 1);
        byte[] second = BytesContent.Random(MiB, seed: 2);
        await fixture.WriteFileAsync("/a", first);
        OpenFile old = await fixture.Engine.OpenFileAsync("/a", write: false, CancellationToken.None);
        await fixture.WriteFileAsync("/a", second);
        OpenFile newer = await fixture.Engine.OpenFileAsync("/a", write: false, CancellationToken.None);
        await fixture.Engine.RemoveAsync("/a", false, null, CancellationToken.None);

        Assert.Equal(first, await EngineFixture.ReadAllAsync(old));
        Assert.Equal(second, await EngineFixture.ReadAllAsync(newer));

        await old.DisposeAsync();
        await newer.DisposeAsync();
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
        await foreach (var content in fixture.Hot.EnumerateContentsAsync(CancellationToken.None))
        {
            Assert.Fail($"{content} is left on the targets");
        }
    }

    [Theory]
    [InlineData(100)]
    [InlineData(3 * MiB)]
    public async Task A_replacement_given_up_leaves_nothing(int length)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/a", [1]);
        await using (FileReplacement replacement = await fixture.Engine.ReplaceFileAsync("/a", new ReplaceOptions(), CancellationToken.None))
        {
            await replacement.WriteAsync(BytesContent.Random(length), CancellationToken.None);
        }

        Assert.Equal([1], await fixture.ReadAllAsync("/a"));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Conditions_of_a_replacement_hold()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        InodeAttributes first = await fixture.WriteFileAsync("/a", [1], new ReplaceOptions { IfAbsent = true });
        string tag = FileEngine.EntityTag(first);

        Assert.Equal(ErrorCode.AlreadyExists, await CodeAsync(() => fixture.WriteFileAsync("/a", [2], new ReplaceOptions { IfAbsent = true })));
        await fixture.WriteFileAsync("/a", [2], new ReplaceOptions { IfMatch = tag });
        Assert.Equal(ErrorCode.Stale, await CodeAsync(() => fixture.WriteFileAsync("/a", [3], new ReplaceOptions { IfMatch = tag })));
        Assert.Equal(ErrorCode.Stale, await CodeAsync(() => fixture.Engine.RemoveAsync("/a", false, tag, CancellationToken.None).AsTask()));
        Assert.Equal([2], await fixture.ReadAllAsync("/a"));
    }

    [Fact]
    public async Task Of_two_conditional_replacements_one_wins()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        InodeAttributes before = await fixture.WriteFileAsync("/a", [0]);
        ReplaceOptions options = new() { IfMatch = FileEngine.EntityTag(before) };
        await using FileReplacement one = await fixture.Engine.ReplaceFileAsync("/a", options, CancellationToken.None);
        await using FileReplacement two = await fixture.Engine.ReplaceFileAsync("/a", options, CancellationToken.None);
        await one.WriteAsync(new byte[] { 1 }, CancellationToken.None);
        await two.WriteAsync(new byte[] { 2 }, CancellationToken.None);

        await two.CommitAsync(CancellationToken.None);
        Assert.Equal(ErrorCode.Stale, await CodeAsync(() => one.CommitAsync(CancellationToken.None).AsTask()));
        Assert.Equal([2], await fixture.ReadAllAsync("/a"));
    }

    [Fact]
    public async Task A_read_only_attachment_refuses_every_change()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("d/o", [1, 2]);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        FileEngine engine = fixture.Engine;
        CancellationToken none = CancellationToken.None;

        Func<Task>[] changes =
        [
            () => fixture.WriteFileAsync("/data/d/o", [3]),
            () => fixture.WriteFileAsync("/data/new", [3]),
            () => fixture.WriteFileAsync("/data/x/y", [3], new ReplaceOptions { MakeParents = true }),
            () => engine.OpenFileAsync("/data/d/o", write: true, none).AsTask(),
            () => engine.RemoveAsync("/data/d/o", false, null, none).AsTask(),
            () => engine.RemoveAsync("/data/d", true, null, none).AsTask(),
            () => engine.RenameAsync("/data/d/o", "/data/d/p", RenameFlags.None, none).AsTask(),
            () => engine.MakeDirectoryAsync("/data/new", 0x1ED, false, none).AsTask(),
            () => engine.MakeSymbolicLinkAsync("/data/link", "o", none).AsTask(),
            () => engine.LinkAsync("/data/d/o", "/data/d/l", none).AsTask(),
            () => engine.SetXattrAsync("/data/d/o", "user.a", new byte[] { 1 }, DataLayer.Metadata.XattrCondition.None, none).AsTask(),
        ];
        foreach (Func<Task> change in changes)
        {
            Assert.Equal(ErrorCode.ReadOnly, await CodeAsync(change));
        }

        Assert.Equal([1, 2], await fixture.ReadAllAsync("/data/d/o"));
        Assert.Equal((0, 0), (fixture.Probe.Writes, fixture.Probe.Deletes));
    }

    [Fact]
    public async Task Readers_never_see_old_bytes_after_a_write_returned()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/a", new byte[2 * MiB]);
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/a", write: true, CancellationToken.None);
        byte version = 0;
        using CancellationTokenSource stop = new();
        Task reader = Task.Run(async () =>
        {
            byte[] buffer = new byte[4096];
            while (!stop.IsCancellationRequested)
            {
                byte least = Volatile.Read(ref version);
                await file.ReadAsync(MiB - 2048, buffer, CancellationToken.None);
                Assert.True(buffer[0] >= least && buffer[4095] >= least, $"read {buffer[0]} after {least} was written");
            }
        });
        for (byte next = 1; next < 60; next++)
        {
            byte[] fill = new byte[8192];
            Array.Fill(fill, next);
            await file.WriteAsync(MiB - 4096, fill, CancellationToken.None);
            Volatile.Write(ref version, next);
        }

        await stop.CancelAsync();
        await reader;
    }

    private static async Task<ErrorCode> CodeAsync(Func<Task> action) => (await Assert.ThrowsAsync<DataLayerException>(action)).Code;
}
