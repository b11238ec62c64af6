using System.Numerics.Tensors;
using DataLayer.Client.Feeds;
using DataLayer.Core.Errors;
using DataLayer.Core.Interop;
using DataLayer.Core.Order;
using DataLayer.Protocol.Feeds;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Tests.Client.Feeds;

/// <summary>The client's end of a feed, against a service that does what a test says.</summary>
public sealed class TrainingFeedTests
{
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_batch_is_read_where_it_lies()
    {
        await using ScriptedFeedService service = new(samples: 10);
        await using TrainingFeed feed = await OpenAsync(Options(service) with { Batch = 5, Keys = true });
        await foreach (Batch batch in feed)
        {
            long first = batch.Cursor;
            Assert.Equal([first, first + 1, first + 2, first + 3, first + 4], batch.Numbers);
            Assert.Equal((int)(first + 2) % 10, batch.Labels[2]);
            Assert.Equal($"sample/{first + 4}.bin", batch.GetKey(4));
            Assert.Equal(ScriptedFeedService.SampleBytes, batch.GetSample(1).Length);
            Assert.Equal((int)first + 1, BitConverter.ToInt32(batch.GetMemory(1).Span));
            Assert.Equal((ScriptedFeedService.SampleBytes, ScriptedFeedService.SampleBytes), batch.GetPlace(1));
            ReadOnlyTensorSpan<int> tensor = batch.GetTensor<int>();
            Assert.Equal([5, 2, 4], tensor.Lengths);
            Assert.Equal((int)first + 3, tensor[3, 1, 2]);
            Assert.Equal(40, batch.GetValues<int>().Length);
            Assert.Equal(
                new BatchStatistics(TimeSpan.FromMicroseconds(1.5), TimeSpan.FromMilliseconds(2), 3, 4, 5, 6), batch.Statistics);
            DataLayerException fault = Assert.Throws<DataLayerException>(() => batch.GetValues<float>().Length);
            Assert.Contains("int32, not Single", fault.Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentOutOfRangeException>(() => batch.GetSample(5).Length);
        }

        Assert.Equal(10, feed.State.Cursor);
    }

    [Fact]
    public async Task A_batch_that_was_released_says_so_and_what_to_do()
    {
        await using ScriptedFeedService service = new();
        TrainingFeed feed = await OpenAsync(Options(service));
        List<Batch> seen = [];
        await foreach (Batch batch in feed)
        {
            seen.Add(batch);
            if (seen.Count == 2)
            {
                batch.Keep();
                break;
            }
        }

        ObjectDisposedException fault = Assert.Throws<ObjectDisposedException>(() => seen[0].GetSample(0).Length);
        Assert.Contains("Keep()", fault.Message, StringComparison.Ordinal);
        ReadOnlyMemory<byte> late = seen[1].GetMemory(0);
        Assert.Equal(10, BitConverter.ToInt32(late.Span));
        await feed.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => late.Span.Length);
        Assert.Throws<ObjectDisposedException>(() => seen[1].Labels.Length);
        Assert.Throws<ObjectDisposedException>(() => seen[1].Keep());
        Assert.Equal(20, seen[1].NextCursor);
        seen[1].Dispose();
    }

    [Fact]
    public async Task A_span_that_is_used_too_long_does_not_end_the_process()
    {
        await using ScriptedFeedService service = new();
        TrainingFeed feed = await OpenAsync(Options(service));
        await using IAsyncEnumerator<Batch> batches = feed.GetAsyncEnumerator();
        Assert.True(await batches.MoveNextAsync());
        ReadLate(batches.Current, feed);

        static void ReadLate(Batch batch, TrainingFeed feed)
        {
            ReadOnlySpan<byte> sample = batch.GetSample(7);
            Assert.Equal(7, sample[0]);
            Task.Run(async () => await feed.DisposeAsync()).GetAwaiter().GetResult();
            Assert.Equal(0, sample[0]); // The page is the kernel's page of zeros.
            GC.KeepAlive(batch);
        }
    }

    [Fact]
    public async Task Batches_that_are_kept_hold_their_slabs_and_too_many_are_refused()
    {
        await using ScriptedFeedService service = new();
        await using TrainingFeed feed = await OpenAsync(Options(service) with { Slabs = 2 });
        List<Batch> kept = [];
        InvalidOperationException fault = await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await foreach (Batch batch in feed)
            {
                batch.Keep();
                kept.Add(batch);
            }
        });
        Assert.Contains("All 2 slabs", fault.Message, StringComparison.Ordinal);
        Assert.Equal([0L, 10L], kept.Select(b => b.Cursor));
        Assert.Equal(3, kept[0].GetSample(3)[0]);
        kept[0].Dispose();
        Assert.Equal([.. Enumerable.Range(2, 8).Select(i => i * 10L)], await CursorsAsync(feed));
    }

    [Fact]
    public async Task A_slab_that_is_replaced_is_another_memory()
    {
        await using ScriptedFeedService service = new() { ReplacesSlabs = true };
        await using TrainingFeed feed = await OpenAsync(Options(service) with { Slabs = 2, Passes = 20 });
        long expected = 0;
        await foreach (Batch batch in feed)
        {
            Assert.Equal(expected % 100, batch.Numbers[0]);
            Assert.Equal((int)(expected % 100), batch.GetValues<int>()[0]);
            expected += 10;
        }

        Assert.Equal(2000, expected);
    }

    [Theory]
    [InlineData(0, 0, 0, 0, 0, 0)]
    [InlineData(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)]
    [InlineData(3, 0, 2, 9)]
    public async Task Wherever_the_service_goes_away_each_sample_is_seen_once(params int[] ends)
    {
        await using ScriptedFeedService service = new();
        foreach (int end in ends)
        {
            service.Ends.Enqueue(end);
        }

        await using TrainingFeed feed = await OpenAsync(Options(service));
        List<long> numbers = [];
        Batch? kept = null;
        await foreach (Batch batch in feed)
        {
            numbers.AddRange(batch.Numbers);
            if (kept is null)
            {
                kept = batch;
                kept.Keep();
            }
        }

        Assert.Equal(Enumerable.Range(0, 100).Select(i => (long)i), numbers);
        Assert.Equal(4, kept!.GetSample(4)[0]); // Of a connection that is gone; the memory is still here.
        Assert.Equal(service.Connections - 1, feed.ReconnectCount);
        Assert.True(service.Connections > 1);
    }

    [Fact]
    public async Task A_service_that_stops_or_has_no_room_is_asked_again()
    {
        await using ScriptedFeedService service = new();
        service.Ends.Enqueue(2);
        TrainingFeed feed = await OpenAsync(Options(service));
        foreach (string code in (string[])["shuttingDown", "overloaded", "originUnavailable"])
        {
            service.Refusals.Enqueue(new FeedFault { Code = code, Error = "Not now." });
        }

        Assert.Equal([.. Enumerable.Range(0, 10).Select(i => i * 10L)], await CursorsAsync(feed));
        await feed.DisposeAsync();
    }

    [Fact]
    public async Task A_service_that_does_not_come_back_is_a_fault_that_names_the_cursor()
    {
        ScriptedFeedService service = new();
        service.Ends.Enqueue(3);
        await using TrainingFeed feed = await OpenAsync(Options(service) with { ReconnectTime = TimeSpan.FromMilliseconds(200) });
        List<long> cursors = [];
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
        {
            await foreach (Batch batch in feed)
            {
                cursors.Add(batch.Cursor);
                if (cursors.Count == 2)
                {
                    await service.DisposeAsync();
                }
            }
        });
        Assert.Equal([0L, 10L, 20L], cursors);
        Assert.Equal(ErrorCode.OriginUnavailable, fault.Code);
        Assert.Contains("lost at cursor 30", fault.Message, StringComparison.Ordinal);
        Assert.Equal(30, feed.State.Cursor);
    }

    [Fact]
    public async Task Another_index_after_a_restart_is_stale()
    {
        await using ScriptedFeedService service = new();
        service.Ends.Enqueue(1);
        await using TrainingFeed feed = await OpenAsync(Options(service));
        service.Index = new byte[32];
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => CursorsAsync(feed));
        Assert.Equal(ErrorCode.Stale, fault.Code);
    }

    [Fact]
    public async Task Any_later_world_goes_on_from_a_state()
    {
        await using ScriptedFeedService service = new(samples: 103);
        Random random = new(5);
        for (int round = 0; round < 20; round++)
        {
            List<long> seen = [];
            FeedState? state = null;
            while (seen.Count < 103)
            {
                int world = random.Next(1, 5);
                int batch = random.Next(1, 8);
                int steps = random.Next(1, 6);
                FeedState? next = null;
                for (int rank = 0; rank < world; rank++)
                {
                    TrainingFeedOptions options = Options(service) with
                    {
                        Rank = rank,
                        World = world,
                        Batch = batch,
                        State = state,
                        Last = LastStep.Pad,
                    };
                    await using TrainingFeed feed = await OpenAsync(options);
                    int step = 0;
                    await foreach (Batch taken in feed)
                    {
                        seen.AddRange(taken.Numbers[..(taken.Count - taken.PaddingCount)]);
                        if (++step == steps)
                        {
                            break;
                        }
                    }

                    next = FeedState.Parse(feed.State.ToText());
                }

                state = next;
            }

            Assert.Equal(Enumerable.Range(0, 103).Select(i => (long)i), seen.Order());
        }
    }

    [Fact]
    public async Task A_loop_that_was_left_goes_on_where_it_stood()
    {
        await using ScriptedFeedService service = new();
        await using TrainingFeed feed = await OpenAsync(Options(service));
        List<long> cursors = [];
        while (cursors.Count < 10)
        {
            await foreach (Batch batch in feed)
            {
                cursors.Add(batch.Cursor);
                if (cursors.Count % 3 == 0)
                {
                    break;
                }
            }
        }

        Assert.Equal([.. Enumerable.Range(0, 10).Select(i => i * 10L)], cursors);
        Assert.Equal(1, service.Connections);
        Assert.Empty(await CursorsAsync(feed));
        await using IAsyncEnumerator<Batch> first = feed.GetAsyncEnumerator();
        Assert.False(await first.MoveNextAsync());
    }

    [Fact]
    public async Task Two_loops_at_once_are_refused()
    {
        await using ScriptedFeedService service = new();
        await using TrainingFeed feed = await OpenAsync(Options(service));
        await using IAsyncEnumerator<Batch> first = feed.GetAsyncEnumerator();
        Assert.True(await first.MoveNextAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(() => CursorsAsync(feed));
    }

    [Fact]
    public async Task Wrong_use_is_an_error_that_says_what_to_do()
    {
        await using ScriptedFeedService service = new();
        TrainingFeedOptions right = Options(service);
        FeedState state = FeedState.Save(right.Order, service.Index, 10);
        await ExpectAsync(right with { Dataset = "unknown" }, ErrorCode.NotFound, "datalayer dataset list");
        await ExpectAsync(right with { State = state with { Feed = new string('0', 64), Index = new string('1', 64) } }, ErrorCode.Stale, "pin the dataset");
        await ExpectAsync(right with { State = state, Order = new OrderSpec { Seed = 3 } }, ErrorCode.Stale, "ask for the same order and seed");
        await ExpectAsync(right with { Index = new string('1', 64) }, ErrorCode.Stale, "index");
        await ExpectAsync(right with { Rank = 2, World = 2 }, ErrorCode.InvalidArgument, "Rank 2 is none of a world of 2");
        await ExpectAsync(right with { World = 60 }, ErrorCode.InvalidArgument, "Take a smaller batch, or pad");
        await ExpectAsync(right with { Batch = 0, Slabs = 1 }, ErrorCode.InvalidArgument, "Batch is 0");
        await ExpectAsync(right with { Server = "unix:/nowhere/feed.sock" }, ErrorCode.OriginUnavailable, "datalayer serve");
        await using TrainingFeed feed = await OpenAsync(right with { State = state });
        Assert.Equal(90 / 10, (await CursorsAsync(feed)).Count);
    }

    [Theory]
    [InlineData("unsealed", ErrorCode.InvalidArgument)]
    [InlineData("short", ErrorCode.InvalidArgument)]
    [InlineData("unknown slab", ErrorCode.InvalidArgument)]
    [InlineData("slab in use", ErrorCode.InvalidArgument)]
    [InlineData("damaged", ErrorCode.Corrupt)]
    [InlineData("not a frame", ErrorCode.InvalidArgument)]
    [InlineData("client's frame", ErrorCode.InvalidArgument)]
    public async Task What_the_service_must_not_send_ends_the_feed_with_a_fault(string what, ErrorCode code)
    {
        await using ScriptedFeedService service = new();
        service.InsteadOfBatches = socket =>
        {
            byte[] batch = ScriptedFeedService.MakeBatch(new FeedOpen(), new RankSlice(100, 1, 0, 10, LastStep.Drop).StepAt(0), 0, 0);
            using SafeFileHandle slab = SharedMemoryFile.Create("slab", 1 << 16);
            using SharedMapping mapping = SharedMapping.Map(slab, 1 << 16, writable: true);
            string path = Path.GetTempFileName();
            using SafeFileHandle file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
            RandomAccess.SetLength(file, 1 << 16);
            Write(mapping, what == "damaged" ? [.. batch.Select(b => (byte)~b)] : batch);
            if (what != "unknown slab")
            {
                ScriptedFeedService.Send(
                    socket, FeedFrameKind.Slab, ScriptedFeedService.Place(0, what == "short" ? 1 << 20 : 1 << 16), what == "unsealed" ? file : slab);
            }

            if (what is "not a frame")
            {
                socket.Send(new byte[FeedFrameHeader.SizeBytes]);
            }
            else if (what is "client's frame")
            {
                ScriptedFeedService.Send(socket, FeedFrameKind.Release, new byte[8]);
            }
            else
            {
                ScriptedFeedService.Send(socket, FeedFrameKind.Batch, ScriptedFeedService.Place(0, batch.Length));
                ScriptedFeedService.Send(socket, FeedFrameKind.Batch, ScriptedFeedService.Place(0, batch.Length));
            }

            return Task.CompletedTask;
        };
        await using TrainingFeed feed = await OpenAsync(Options(service));
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
        {
            await foreach (Batch batch in feed)
            {
                batch.Keep(); // A slab is in use as long as its batch is.
            }
        });
        Assert.Equal(code, fault.Code);
    }

    [Fact]
    public async Task A_batch_that_is_not_the_next_one_is_refused()
    {
        await using ScriptedFeedService service = new();
        service.InsteadOfBatches = socket =>
        {
            byte[] batch = ScriptedFeedService.MakeBatch(new FeedOpen(), new RankSlice(100, 1, 0, 10, LastStep.Drop).StepAt(10), 0, 10);
            using SafeFileHandle slab = SharedMemoryFile.Create("slab", 1 << 16);
            using SharedMapping mapping = SharedMapping.Map(slab, 1 << 16, writable: true);
            Write(mapping, batch);
            ScriptedFeedService.Send(socket, FeedFrameKind.Slab, ScriptedFeedService.Place(0, 1 << 16), slab);
            ScriptedFeedService.Send(socket, FeedFrameKind.Batch, ScriptedFeedService.Place(0, batch.Length));
            return Task.CompletedTask;
        };
        await using TrainingFeed feed = await OpenAsync(Options(service));
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => CursorsAsync(feed));
        Assert.Contains("At cursor 0 a batch of 10 samples up to 10 is due", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waiting_for_a_batch_can_be_given_up_and_begun_again()
    {
        await using ScriptedFeedService service = new();
        TaskCompletionSource go = new();
        service.InsteadOfBatches = _ => go.Task;
        await using TrainingFeed feed = await OpenAsync(Options(service));
        using CancellationTokenSource source = new();
        Task<List<long>> reading = CursorsAsync(feed, source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.WaitAsync(_longest));
        service.InsteadOfBatches = null;
        go.SetResult();
        Assert.Equal(10, (await CursorsAsync(feed)).Count);
    }

    private static unsafe void Write(SharedMapping mapping, byte[] bytes) => bytes.CopyTo(new Span<byte>(mapping.Pointer, bytes.Length));

    private static TrainingFeedOptions Options(ScriptedFeedService service) => new()
    {
        Server = service.Server,
        Dataset = "numbers",
        Batch = 10,
        Order = new OrderSpec { Mode = OrderMode.Sequential },
    };

    private static Task<TrainingFeed> OpenAsync(TrainingFeedOptions options) => TrainingFeed.OpenAsync(options).AsTask().WaitAsync(_longest);

    private static async Task ExpectAsync(TrainingFeedOptions options, ErrorCode code, string text)
    {
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => OpenAsync(options));
        Assert.Equal(code, fault.Code);
        Assert.Contains(text, fault.Message, StringComparison.Ordinal);
    }

    private static async Task<List<long>> CursorsAsync(TrainingFeed feed, CancellationToken cancellationToken = default)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_longest);
        List<long> cursors = [];
        await foreach (Batch batch in feed.WithCancellation(limit.Token))
        {
            cursors.Add(batch.Cursor);
        }

        return cursors;
    }
}
