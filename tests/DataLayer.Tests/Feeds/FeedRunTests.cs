using System.Formats.Tar;
using System.Text;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Feeds.Serving;

namespace DataLayer.Tests.Feeds;

public sealed class FeedRunTests : IAsyncLifetime
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);
    private DatasetRun _run = null!;
    private FeedService _feeds = null!;

    public async Task InitializeAsync()
    {
        _run = await DatasetRun.OpenAsync();
        _feeds = new FeedService(_run.Fixture.Engine, new FeedOptions { SlabBytes = 64 << 20 });
    }

    public async Task DisposeAsync()
    {
        Assert.Empty(_feeds.List());
        Assert.Equal(0, _feeds.SlabBytes);
        await _run.DisposeAsync();
    }

    [Fact]
    public async Task Samples_lie_each_by_itself_with_zeros_between()
    {
        await MakeFilesAsync(9);
        List<FeedPage> pages = await ReadAllAsync(new FeedRequest { Dataset = "set", Batch = 4, SlabCount = 2, LastStep = LastStep.Pad });
        Assert.Equal([4, 4, 1], pages.Select(p => p.Count));
        Assert.Equal([0, 1, 2], pages.Select(p => p.Sequence));
        Assert.Equal([0, 4, 8], pages.Select(p => p.Cursor));
        Assert.Equal([4, 8, 9], pages.Select(p => p.NextCursor));
        foreach (FeedPage page in pages)
        {
            Assert.Equal((0, 0, 0L), (page.Layout, page.Element, page.RowBytes));
            for (int i = 0; i < page.Count; i++)
            {
                Assert.Equal(FileOf(page.NumberAt(i)), page.SampleAt(i));
                (long offset, long length) = page.PlaceOf(i);
                Assert.Equal(0, offset % 64);
                long next = i + 1 < page.Count ? page.PlaceOf(i + 1).Offset : page.DataOffset + page.DataBytes;
                for (long gap = offset + length; gap < next; gap++)
                {
                    Assert.Equal(0, page.ByteAt(gap));
                }
            }
        }

        Assert.Equal(Enumerable.Range(0, 9).Select(i => (long)i), pages.SelectMany(p => p.Numbers()).Order());
    }

    [Fact]
    public async Task Records_are_one_tensor_with_labels_and_keys()
    {
        byte[] bytes = new byte[100 * 24];
        new Random(1).NextBytes(bytes);
        await _run.WriteAsync("/data/a/records.bin", bytes[..1200]);
        await _run.WriteAsync("/data/b/records.bin", bytes[1200..]);
        await _run.BuildAsync(new DatasetSpec { Path = "/data", Kind = DatasetKind.Fixed, RecordBytes = 24, Labels = LabelSource.Folder });
        List<FeedPage> pages = await ReadAllAsync(new FeedRequest { Dataset = "set", Batch = 10, Keys = true, Element = FeedElement.Float32 });
        Assert.Equal(10, pages.Count);
        foreach (FeedPage page in pages)
        {
            Assert.Equal((1, 7, 24L, 240L), (page.Layout, page.Element, page.RowBytes, page.DataBytes));
            for (int i = 0; i < page.Count; i++)
            {
                int number = (int)page.NumberAt(i);
                Assert.Equal(page.DataOffset + (i * 24), page.PlaceOf(i).Offset);
                Assert.Equal(bytes[(number * 24)..((number + 1) * 24)], page.SampleAt(i));
                Assert.Equal(number < 50 ? 0 : 1, page.ClassAt(i));
                Assert.Equal(number < 50 ? $"a/records.bin#{number}" : $"b/records.bin#{number - 50}", page.KeyAt(i));
            }
        }
    }

    [Fact]
    public async Task Padded_rows_are_as_long_as_the_longest_and_filled()
    {
        await MakeFilesAsync(6);
        foreach (FeedPage page in await ReadAllAsync(
            new FeedRequest { Dataset = "set", Batch = 3, Layout = BatchLayoutKind.Padded, Pad = 7 }))
        {
            Assert.Equal(2, page.Layout);
            Assert.Equal(Enumerable.Range(0, 3).Max(i => page.PlaceOf(i).Length), page.RowBytes);
            for (int i = 0; i < page.Count; i++)
            {
                (long offset, long length) = page.PlaceOf(i);
                Assert.Equal(page.DataOffset + (i * page.RowBytes), offset);
                Assert.Equal(FileOf(page.NumberAt(i)), page.SampleAt(i));
                for (long at = offset + length; at < page.DataOffset + ((i + 1) * page.RowBytes); at++)
                {
                    Assert.Equal(7, page.ByteAt(at));
                }
            }
        }
    }

    [Fact]
    public async Task Members_and_lines_are_samples_too()
    {
        byte[] tar = DatasetRun.Tar(TarEntryFormat.Ustar, ("x.jpg", "picture x"), ("x.cls", "1"), ("y.jpg", "picture y"), ("y.cls", "0"));
        await _run.WriteAsync("/tars/one.tar", tar);
        await _run.BuildAsync(new DatasetSpec { Path = "/tars", Kind = DatasetKind.Tar, Labels = LabelSource.Member }, "tars");
        FeedPage page = Assert.Single(await ReadAllAsync(new FeedRequest { Dataset = "tars", Batch = 2, Keys = true }));
        SampleIndex index = _run.Datasets.Open("tars");
        for (int i = 0; i < 2; i++)
        {
            SamplePlace place = index[page.NumberAt(i)];
            Assert.Equal(tar[(int)place.OffsetBytes..(int)(place.OffsetBytes + place.LengthBytes)], page.SampleAt(i));
            Assert.Equal(page.NumberAt(i) == 0 ? 1 : 0, page.ClassAt(i));
            Assert.Equal($"one.tar#{page.NumberAt(i)}", page.KeyAt(i));
        }

        await _run.WriteAsync("/lines.jsonl", "{\"a\":1}\n\n{\"a\":22}\n");
        await _run.BuildAsync(new DatasetSpec { Path = "/lines.jsonl", Kind = DatasetKind.Lines }, "lines");
        page = Assert.Single(await ReadAllAsync(
            new FeedRequest { Dataset = "lines", Batch = 2, Order = OrderText.Parse("sequential;part=all;seed=0") }));
        Assert.Equal(["{\"a\":1}", "{\"a\":22}"], new[] { 0, 1 }.Select(i => Encoding.UTF8.GetString(page.SampleAt(i))));
        Assert.False(page.HasClasses);
        Assert.False(page.HasKeys);
    }

    [Fact]
    public async Task A_cursor_goes_on_at_any_world_without_loss_or_repetition()
    {
        await MakeFilesAsync(97);
        Random random = new(7);
        for (int round = 0; round < 8; round++)
        {
            List<long> seen = [];
            long cursor = 0;
            while (cursor < 97)
            {
                int world = random.Next(1, 5);
                int batch = random.Next(1, 6);
                int steps = random.Next(1, 4);
                long next = cursor;
                for (int rank = 0; rank < world; rank++)
                {
                    FeedRequest request = new()
                    {
                        Dataset = "set",
                        Batch = batch,
                        World = world,
                        Rank = rank,
                        Cursor = cursor,
                        LastStep = LastStep.Pad,
                        Order = OrderText.Parse("shuffle;part=all;seed=" + round),
                    };
                    List<FeedPage> pages = await ReadAllAsync(request, steps);
                    seen.AddRange(pages.SelectMany(p => p.Numbers()));
                    next = pages[^1].NextCursor;
                }

                cursor = next;
            }

            Assert.Equal(Enumerable.Range(0, 97).Select(i => (long)i), seen.Order());
        }
    }

    [Fact]
    public async Task A_batch_longer_than_its_slab_gets_another_slab_of_the_same_number()
    {
        for (int i = 0; i < 8; i++)
        {
            await _run.WriteAsync($"/data/f{i}", Bytes(i, i < 4 ? 100 : 300_000));
        }

        await _run.BuildAsync(new DatasetSpec { Path = "/data", Kind = DatasetKind.Files });
        FeedRequest request = new()
        {
            Dataset = "set",
            Batch = 2,
            SlabCount = 2,
            Order = OrderText.Parse("sequential;part=all;seed=0"),
        };
        await using FeedRun run = _feeds.Open(request, "test");
        List<(uint Number, int Length)> slabs = [];
        for (int i = 0; i < 4; i++)
        {
            FeedBatch batch = (await NextAsync(run))!.Value;
            slabs.Add((batch.Slab.Number, batch.Slab.LengthBytes));
            FeedPage page = new(batch.Slab.GetSpan()[..batch.LengthBytes]);
            Assert.Equal(Bytes(i * 2, i < 2 ? 100 : 300_000), page.SampleAt(0));
            run.Release(batch.Header.Sequence);
        }

        Assert.Null(await NextAsync(run));
        Assert.All(slabs, slab => Assert.InRange(slab.Number, 0u, 1u));
        Assert.True(slabs[0].Length < 600_000 && slabs[3].Length > 600_000);
    }

    [Fact]
    public async Task Without_a_release_no_more_batches_come_than_slabs()
    {
        await MakeFilesAsync(20);
        await using FeedRun run = _feeds.Open(new FeedRequest { Dataset = "set", Batch = 2, SlabCount = 3 }, "test");
        List<FeedBatch> held = [];
        for (int i = 0; i < 3; i++)
        {
            held.Add((await NextAsync(run))!.Value);
        }

        Assert.Equal(3, held.Select(b => b.Slab.Number).Distinct().Count());
        ValueTask<FeedBatch?> fourth = run.NextAsync(CancellationToken.None);
        Assert.False(fourth.IsCompleted);
        Assert.Equal((3, 0), (run.Progress.LeasedCount, run.Progress.QueuedCount));

        // Out of order: the middle one's slab comes back.
        run.Release(1);
        FeedBatch next = (await fourth.AsTask().WaitAsync(_patience))!.Value;
        Assert.Equal(held[1].Slab.Number, next.Slab.Number);
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<DataLayerException>(() => run.Release(1)).Code);
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<DataLayerException>(() => run.Release(99)).Code);
    }

    [Fact]
    public async Task A_file_that_changed_ends_the_feed_as_stale()
    {
        await MakeFilesAsync(6);
        await _run.WriteAsync("/data/f03", "something else");
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            () => ReadAllAsync(new FeedRequest { Dataset = "set", Batch = 6 }));
        Assert.Equal(ErrorCode.Stale, fault.Code);
        Assert.Contains("sample 3", fault.Message, StringComparison.Ordinal);
        await _run.Fixture.Engine.RemoveAsync("/data/f04", recursive: false, ifMatch: null, CancellationToken.None);
        fault = await Assert.ThrowsAsync<DataLayerException>(() => ReadAllAsync(
            new FeedRequest { Dataset = "set", Batch = 1, Cursor = 4, Order = OrderText.Parse("sequential;part=all;seed=0") }));
        Assert.Equal(ErrorCode.Stale, fault.Code);
        fault = Assert.Throws<DataLayerException>(
            () => _feeds.Open(new FeedRequest { Dataset = "set", Batch = 1, IndexHash = new string('a', 64) }, "test"));
        Assert.Equal(ErrorCode.Stale, fault.Code);
    }

    [Fact]
    public async Task A_file_that_changes_after_it_was_read_ends_the_feed_in_the_next_pass()
    {
        await MakeFilesAsync(6);
        FeedRequest request = new() { Dataset = "set", Batch = 1, SlabCount = 2, Passes = 0, Order = OrderText.Parse("sequential;part=all;seed=0") };
        await using FeedRun run = _feeds.Open(request, "test");
        for (int i = 0; i < 6; i++)
        {
            run.Release((await NextAsync(run))!.Value.Header.Sequence);
        }

        await _run.WriteAsync("/data/f05", "something else");
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
        {
            for (int i = 0; i < 12; i++)
            {
                FeedBatch batch = (await NextAsync(run))!.Value;
                FeedPage page = new(batch.Slab.GetSpan()[..batch.LengthBytes]);
                Assert.NotEqual((1L, 5L), (batch.Header.Pass, page.NumberAt(0)));
                run.Release(batch.Header.Sequence);
            }
        });
        Assert.Equal(ErrorCode.Stale, fault.Code);
        Assert.Contains("sample 5", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(65_536)]
    [InlineData(10)]
    [InlineData(0)]
    public async Task Batches_that_several_threads_assemble_come_whole_and_in_order(int keptFiles)
    {
        for (int i = 0; i < 96; i++)
        {
            await _run.WriteAsync($"/data/f{i:00}", Bytes(i, 40_000 + i));
        }

        await _run.BuildAsync(new DatasetSpec { Path = "/data", Kind = DatasetKind.Files });
        _feeds = new FeedService(_run.Fixture.Engine, _feeds.Options with { MaxKeptFiles = keptFiles });
        FeedRequest request = new() { Dataset = "set", Batch = 24, SlabCount = 5, Passes = 12 };
        await using FeedRun run = _feeds.Open(request, "test");
        Random random = new(1);
        List<ulong> held = [];
        for (int step = 0; step < 48; step++)
        {
            FeedBatch batch = (await NextAsync(run))!.Value;
            FeedPage page = new(batch.Slab.GetSpan()[..batch.LengthBytes]);
            Assert.Equal((step, step / 4, step * 24), (page.Sequence, batch.Header.Pass, page.Cursor));
            for (int i = 0; i < 24; i++)
            {
                Assert.Equal(run.Order.At(step / 4, ((step % 4) * 24) + i), page.NumberAt(i));
                Assert.Equal(Bytes((int)page.NumberAt(i), 40_000 + (int)page.NumberAt(i)), page.SampleAt(i));
            }

            held.Add(batch.Header.Sequence);
            while (held.Count > random.Next(1, 4))
            {
                int which = random.Next(held.Count);
                run.Release(held[which]);
                held.RemoveAt(which);
            }
        }

        Assert.Null(await NextAsync(run));
    }

    [Fact]
    public async Task Memory_and_hot_tier_are_told_apart()
    {
        for (int i = 0; i < 4; i++)
        {
            await _run.WriteAsync($"/data/f{i}", Bytes(i, 100_000));
        }

        await _run.BuildAsync(new DatasetSpec { Path = "/data", Kind = DatasetKind.Files });
        await _run.Fixture.ReopenAsync();
        _feeds = new FeedService(_run.Fixture.Engine, _feeds.Options);
        FeedRequest request = new() { Dataset = "set", Batch = 4 };
        FeedPage first = Assert.Single(await ReadAllAsync(request));
        Assert.Equal((0L, 400_000L, 0L), (first.MemoryBytes, first.HotBytes, first.OriginBytes));
        Assert.InRange(first.WaitNanoseconds, 1, first.AssemblyNanoseconds);
        FeedPage second = Assert.Single(await ReadAllAsync(request));
        Assert.Equal((400_000L, 0L, 0L), (second.MemoryBytes, second.HotBytes, second.OriginBytes));
        Assert.Equal(0, second.WaitNanoseconds);
    }

    [Fact]
    public async Task A_cast_lands_in_the_slab_from_memory_as_from_the_hot_tier()
    {
        // Samples over several blocks, and many in one.
        float[] values = [.. Enumerable.Range(0, 700_000).Select(i => (i * 0.37f) - 1000)];
        byte[] record = new byte[values.Length * 4];
        Buffer.BlockCopy(values, 0, record, 0, record.Length);
        await _run.WriteAsync("/data/big.bin", [.. record, .. record]);
        await _run.BuildAsync(new DatasetSpec { Path = "/data", Kind = DatasetKind.Fixed, RecordBytes = record.Length });
        byte[] small = Bytes(9, 600);
        await _run.WriteAsync("/small.bin", small);
        await _run.BuildAsync(new DatasetSpec { Path = "/small.bin", Kind = DatasetKind.Fixed, RecordBytes = 30 }, "small");
        await _run.Fixture.ReopenAsync();
        _feeds = new FeedService(_run.Fixture.Engine, _feeds.Options);
        for (int pass = 0; pass < 2; pass++)
        {
            FeedPage page = Assert.Single(await ReadAllAsync(new FeedRequest
            {
                Dataset = "set",
                Batch = 2,
                SlabCount = 2,
                Element = FeedElement.Float32,
                Cast = new FeedCastRequest { To = FeedElement.Float16, Scale = [0.5f] },
            }));
            Assert.Equal((6, values.Length * 2L), (page.Element, page.RowBytes));
            byte[] sample = page.SampleAt(1);
            for (int i = 0; i < values.Length; i++)
            {
                Assert.Equal((Half)(values[i] * 0.5f), BitConverter.ToHalf(sample, i * 2));
            }

            page = Assert.Single(await ReadAllAsync(new FeedRequest
            {
                Dataset = "small",
                Batch = 20,
                Element = FeedElement.UInt8,
                Cast = new FeedCastRequest { To = FeedElement.Float32, Offset = [-1] },
            }));
            for (int i = 0; i < 20; i++)
            {
                int number = (int)page.NumberAt(i);
                Assert.Equal(
                    small[(number * 30)..((number + 1) * 30)].Select(b => b - 1f),
                    Enumerable.Range(0, 30).Select(j => BitConverter.ToSingle(page.SampleAt(i), j * 4)));
            }
        }
    }

    [Fact]
    public async Task A_feed_given_up_while_its_reads_wait_leaves_nothing_and_goes_on_at_its_cursor()
    {
        for (int i = 0; i < 12; i++)
        {
            await _run.Fixture.PutObjectAsync($"f{i:00}", FileOf(i));
        }

        string folder = (await _run.Fixture.AttachAsync(AttachmentMode.ReadOnly)).Path;
        await _run.BuildAsync(new DatasetSpec { Path = folder, Kind = DatasetKind.Files });
        FeedRequest request = new() { Dataset = "set", Batch = 3, Order = OrderText.Parse("sequential;part=all;seed=0") };
        _run.Fixture.Probe.Hold();
        FeedRun run = _feeds.Open(request, "test");
        ValueTask<FeedBatch?> never = run.NextAsync(CancellationToken.None);
        await _run.Fixture.Probe.FirstReadAsync().WaitAsync(_patience);
        Assert.False(never.IsCompleted);
        run.Stop();
        Assert.Null(await never.AsTask().WaitAsync(_patience));
        await run.DisposeAsync().AsTask().WaitAsync(_patience);
        Assert.Equal(0, _feeds.SlabBytes);
        _run.Fixture.Probe.Open();

        List<FeedPage> pages = await ReadAllAsync(request with { Cursor = 3 });
        Assert.Equal(Enumerable.Range(3, 9).Select(i => (long)i), pages.SelectMany(p => p.Numbers()));
        foreach (FeedPage page in pages)
        {
            Assert.All(Enumerable.Range(0, 3), i => Assert.Equal(FileOf(page.NumberAt(i)), page.SampleAt(i)));
            Assert.Equal(
                Enumerable.Range(0, 3).Sum(i => page.PlaceOf(i).Length), page.MemoryBytes + page.HotBytes + page.OriginBytes);
        }
    }

    [Fact]
    public async Task A_feed_without_room_for_a_slab_says_what_to_do()
    {
        await _run.WriteAsync("/data/big", new byte[3 << 20]);
        await _run.BuildAsync(new DatasetSpec { Path = "/data", Kind = DatasetKind.Files });
        FeedService small = new(_run.Fixture.Engine, new FeedOptions { SlabBytes = 2 << 20, MaxFeeds = 1 });
        FeedRun run = small.Open(new FeedRequest { Dataset = "set", Batch = 1 }, "test");
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => NextAsync(run));
        Assert.Equal(ErrorCode.Overloaded, fault.Code);
        Assert.Contains("feeds.slabMemory", fault.Message, StringComparison.Ordinal);
        fault = Assert.Throws<DataLayerException>(
            () => small.Open(new FeedRequest { Dataset = "set", Batch = 1 }, "test"));
        Assert.Equal(ErrorCode.Overloaded, fault.Code);
        await run.DisposeAsync();
        Assert.Equal(0, small.SlabBytes);
        Assert.Empty(small.List());
    }

    [Theory]
    [InlineData(0, 1, 4, 0L, 1L, "slabs")]
    [InlineData(1, 1, 4, 0L, 1L, "Rank 1 of 1")]
    [InlineData(0, 1, 0, 0L, 1L, "batch is 0")]
    [InlineData(0, 1, 4, -1L, 1L, "cursor -1")]
    [InlineData(0, 1, 4, 0L, -1L, "passes is -1")]
    [InlineData(0, 3, 4, 0L, 1L, "smaller batch")]
    public async Task A_wrong_request_is_told_which_value_and_what_instead(
        int rank, int world, int batch, long cursor, long passes, string said)
    {
        await MakeFilesAsync(9);
        FeedRequest request = new()
        {
            Dataset = "set",
            Rank = rank,
            World = world,
            Batch = batch,
            Cursor = cursor,
            Passes = passes,
            SlabCount = said == "slabs" ? 1 : 4,
        };
        DataLayerException fault = Assert.Throws<DataLayerException>(() => _feeds.Open(request, "test"));
        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        Assert.Contains(said, fault.Message, StringComparison.Ordinal);
        Assert.Equal(
            ErrorCode.NotFound,
            Assert.Throws<DataLayerException>(() => _feeds.Open(request with { Dataset = "none" }, "test")).Code);
    }

    private static byte[] Bytes(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed + 1).NextBytes(bytes);
        return bytes;
    }

    private static byte[] FileOf(long number) => Bytes((int)number, 50 + ((int)number * 37));

    private static async Task<FeedBatch?> NextAsync(FeedRun run) =>
        await run.NextAsync(CancellationToken.None).AsTask().WaitAsync(_patience);

    private async Task MakeFilesAsync(int count)
    {
        for (int i = 0; i < count; i++)
        {
            await _run.WriteAsync($"/data/f{i:00}", FileOf(i));
        }

        await _run.BuildAsync(new DatasetSpec { Path = "/data", Kind = DatasetKind.Files });
    }

    private async Task<List<FeedPage>> ReadAllAsync(FeedRequest request, int most = int.MaxValue)
    {
        await using FeedRun run = _feeds.Open(request, "test");
        List<FeedPage> pages = [];
        while (pages.Count < most && await NextAsync(run) is { } batch)
        {
            pages.Add(new FeedPage(batch.Slab.GetSpan()[..batch.LengthBytes]));
            run.Release(batch.Header.Sequence);
        }

        return pages;
    }
}
