using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Engine;

public sealed class ReadPathTests
{
    private const int MiB = 1 << 20;
    private const int Unit = 128 << 10;

    [Fact]
    public async Task Many_readers_of_one_cold_block_share_one_request()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        fixture.Probe.Hold();

        Task<byte[]>[] readers = [.. Enumerable.Range(0, 20).Select(_ => fixture.ReadAllAsync("/data/o"))];
        await fixture.Probe.FirstReadAsync();
        fixture.Probe.Open();
        byte[][] all = await Task.WhenAll(readers);

        Assert.All(all, read => Assert.Equal(bytes, read));
        Assert.Equal(1, fixture.Probe.Reads);
    }

    [Fact]
    public async Task A_reader_that_gives_up_does_not_take_the_others_with_it()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/data/o", write: false, CancellationToken.None);
        fixture.Probe.Hold();
        using CancellationTokenSource first = new();
        Task<int> impatient = file.ReadAsync(0, new byte[MiB], first.Token).AsTask();
        Task<byte[]> patient = EngineFixture.ReadAllAsync(file);
        await fixture.Probe.FirstReadAsync();

        await first.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        fixture.Probe.Open();

        Assert.Equal(bytes, await patient);
        Assert.Equal(1, fixture.Probe.Reads);
    }

    [Fact]
    public async Task A_random_read_is_answered_from_a_piece_of_the_block()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(8 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        byte[] read = await fixture.ReadAsync("/data/o", (5 * MiB) + 300_000, 4096);

        Assert.Equal(bytes.AsSpan((5 * MiB) + 300_000, 4096).ToArray(), read);
        Assert.Equal(1, fixture.Probe.Reads);
        Assert.Equal(128 << 10, fixture.Probe.MaxReadBytes);
        EngineStatistics statistics = fixture.Engine.GetStatistics();
        Assert.Equal(128 << 10, statistics.OriginBytes);
        Assert.Equal(4096, statistics.ColdReadBytes);
    }

    [Fact]
    public async Task A_block_of_which_an_eighth_was_asked_for_in_pieces_is_fetched_whole()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(8 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        await fixture.ReadAsync("/data/o", (3 * MiB) + 700_000, 70_000);
        await fixture.ReadAsync("/data/o", (3 * MiB) + 1000, 70_000);
        await fixture.SettleAsync();
        fixture.Probe.Reset();
        byte[] read = await fixture.ReadAsync("/data/o", (3 * MiB) + 400_000, 4096);

        Assert.Equal(bytes.AsSpan((3 * MiB) + 400_000, 4096).ToArray(), read);
        Assert.Equal(0, fixture.Probe.Reads);
    }

    [Fact]
    public async Task A_block_whose_pieces_cost_as_much_as_itself_is_fetched_whole()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(8 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        int[] units = [0, 3, 1, 6, 2, 7, 4, 5]; // In no stride.
        for (int i = 0; i < units.Length; i++)
        {
            await fixture.ReadAsync("/data/o", (3 * MiB) + (units[i] * Unit) + 100, 100);
            await fixture.SettleAsync();
            Assert.Equal(((i + 1) * (long)Unit) + (i < 7 ? 0 : MiB), fixture.Probe.ReadBytes);
        }

        fixture.Probe.Reset();
        await fixture.ReadAsync("/data/o", (3 * MiB) + 400_000, 4096);
        Assert.Equal(0, fixture.Probe.Reads);
    }

    [Fact]
    public async Task Small_reads_at_random_places_cost_one_unit_each()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(64 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        Random random = new(7);

        const int Count = 120;
        for (int i = 0; i < Count; i++)
        {
            int offset = random.Next(1, bytes.Length / 4096) * 4096;
            Assert.Equal(bytes.AsSpan(offset, 4096).ToArray(), await fixture.ReadAsync("/data/o", offset, 4096));
            await fixture.SettleAsync();
        }

        Assert.Equal(Count * (long)Unit, fixture.Probe.ReadBytes);
    }

    [Theory]
    [InlineData(100_000)]
    [InlineData(300_000)]
    [InlineData(600_000)]
    [InlineData(3_500_000)]
    public async Task Random_ranges_read_in_pieces_cost_their_units_and_nothing_behind_them(int length)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(96 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        Random random = new(8);
        int[] areas = [.. Enumerable.Range(0, 96 / 6)];
        random.Shuffle(areas);

        long units = 0;
        foreach (int area in areas)
        {
            int offset = (6 * MiB * area) + random.Next(1, MiB);
            Assert.Equal(bytes.AsSpan(offset, length).ToArray(), await ReadInPiecesAsync(fixture, offset, length));
            units += ((offset + length + Unit - 1) / Unit) - (offset / Unit);
            await fixture.SettleAsync();
        }

        Assert.Equal(units * Unit, fixture.Probe.ReadBytes);
    }

    [Fact]
    public async Task Ranges_that_follow_each_other_are_a_sequential_reader()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(24 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        for (int offset = 5 * MiB; offset < bytes.Length; offset += MiB)
        {
            Assert.Equal(bytes.AsSpan(offset, MiB).ToArray(), await ReadInPiecesAsync(fixture, offset, MiB));
            await fixture.SettleAsync();
        }

        Assert.Equal(19 * MiB, fixture.Probe.ReadBytes);
        Assert.InRange(fixture.Engine.GetStatistics().ReadaheadBytes, 16 * MiB, 19 * MiB);
    }

    [Fact]
    public async Task A_sequential_reader_waits_for_few_requests_because_the_rest_runs_ahead()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(32 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/data/o", write: false, CancellationToken.None);

        byte[] buffer = new byte[128 << 10];
        int waits = 0;
        for (int offset = 0; offset < bytes.Length; offset += buffer.Length)
        {
            ValueTask<int> read = file.ReadAsync(offset, buffer, CancellationToken.None);
            waits += read.IsCompleted ? 0 : 1;
            Assert.Equal(buffer.Length, await read);
            Assert.Equal(bytes.AsSpan(offset, buffer.Length).ToArray(), buffer);
            await fixture.Engine.Context.Fetches.WhenIdleAsync();
        }

        Assert.InRange(waits, 0, 8);
        Assert.InRange(fixture.Probe.Reads, 4, 40);
        Assert.Equal(bytes.Length, fixture.Probe.ReadBytes);
    }

    [Fact]
    public async Task Stateless_readers_of_one_file_are_one_stream()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(16 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        for (int offset = 0; offset < bytes.Length; offset += MiB)
        {
            Assert.Equal(bytes.AsSpan(offset, MiB).ToArray(), await fixture.ReadAsync("/data/o", offset, MiB));
            await fixture.SettleAsync();
        }

        EngineStatistics statistics = fixture.Engine.GetStatistics();
        Assert.InRange(statistics.ReadaheadBytes, 10 * MiB, 16 * MiB);
        Assert.Equal(bytes.Length, fixture.Probe.ReadBytes);
    }

    [Fact]
    public async Task A_strided_reader_finds_the_next_places_fetched()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(48 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/data/o", write: false, CancellationToken.None);

        byte[] buffer = new byte[64 << 10];
        int late = 0;
        for (int i = 0; i < 15; i++)
        {
            int offset = (3 * MiB * i) + (MiB / 2);
            ValueTask<int> read = file.ReadAsync(offset, buffer, CancellationToken.None);
            late += i >= 5 && !read.IsCompleted ? 1 : 0;
            await read;
            Assert.Equal(bytes.AsSpan(offset, buffer.Length).ToArray(), buffer);
            await fixture.SettleAsync();
        }

        Assert.Equal(0, late);
    }

    [Fact]
    public async Task Readahead_holds_what_a_full_cache_refuses_and_reads_nothing_twice()
    {
        await using EngineFixture fixture = new() { CacheBytes = 1 << 20, RecallQueueBytes = 0 };
        await fixture.StartAsync();
        byte[] bytes = BytesContent.Random(16 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/data/o", write: false, CancellationToken.None);

        byte[] buffer = new byte[100_000];
        for (int offset = 0; offset < bytes.Length; offset += buffer.Length)
        {
            int read = await file.ReadAsync(offset, buffer, CancellationToken.None);
            Assert.Equal(bytes.AsSpan(offset, read), buffer.AsSpan(0, read));
        }

        await fixture.SettleAsync();
        Assert.Equal(bytes.Length, fixture.Probe.ReadBytes);
    }

    [Fact]
    public async Task A_memory_hit_completes_at_once_and_allocates_nothing()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/a", BytesContent.Random(3 * MiB));
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/a", write: false, CancellationToken.None);
        byte[] buffer = new byte[MiB];
        for (int warm = 0; warm < 50; warm++)
        {
            for (int block = 0; block < 3; block++)
            {
                await file.ReadAsync((long)block * MiB, buffer, CancellationToken.None);
            }

            await fixture.SettleAsync();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            ValueTask<int> read = file.ReadAsync(i % 3 * (long)MiB, buffer, CancellationToken.None);
            if (!read.IsCompletedSuccessfully)
            {
                throw new InvalidOperationException("The read was no memory hit.");
            }

            await read; // Done already: this thread goes on.
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public async Task Reads_are_counted_by_the_tier_that_answered()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("o", BytesContent.Random(2 * MiB));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        await fixture.ReadAllAsync("/data/o");
        await fixture.SettleAsync();
        await fixture.ReadAllAsync("/data/o");
        await fixture.Engine.EvictAsync("/data/o", hotToo: false, CancellationToken.None);
        await fixture.ReadAllAsync("/data/o");

        EngineStatistics statistics = fixture.Engine.GetStatistics();
        Assert.Equal(3, statistics.Reads);
        Assert.Equal(6 * MiB, statistics.ReadBytes);
        Assert.Equal(2 * MiB, statistics.ColdReadBytes);
        Assert.Equal(2 * MiB, statistics.MemoryHitBytes);
        Assert.Equal(2 * MiB, statistics.HotReadBytes);
        Assert.True(statistics.ReadWaitNanoseconds > 0);
    }

    [Fact]
    public async Task Reads_at_and_past_the_end_are_short_or_empty()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(100_000);
        await fixture.WriteFileAsync("/a", bytes);

        Assert.Equal(bytes[99_990..], await fixture.ReadAsync("/a", 99_990, 4096));
        Assert.Empty(await fixture.ReadAsync("/a", 100_000, 10));
        Assert.Empty(await fixture.ReadAsync("/a", long.MaxValue / 2, 10));
    }

    [Fact]
    public async Task A_failing_origin_fails_the_read_and_the_next_read_tries_again()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        fixture.Probe.Before = (verb, _) => verb == "GET" ? new DataLayerException(ErrorCode.OriginUnavailable, "down") : null;

        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => fixture.ReadAllAsync("/data/o"));
        fixture.Probe.Before = null;

        Assert.Equal(ErrorCode.OriginUnavailable, error.Code);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
    }

    [Fact]
    public async Task Opening_a_known_file_costs_no_request()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("o", BytesContent.Random(10));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        fixture.Probe.Reset();

        await using OpenFile file = await fixture.Engine.OpenFileAsync("/data/o", write: false, CancellationToken.None);
        await fixture.Engine.StatAsync("/data/o", followLast: true, CancellationToken.None);
        await fixture.Engine.ListAsync("/data", null, 10, CancellationToken.None);

        Assert.Equal((0, 0, 0), (fixture.Probe.Reads, fixture.Probe.Heads, fixture.Probe.Lists));
    }

    [Fact]
    public async Task A_full_hot_tier_does_not_fail_cold_reads()
    {
        await using EngineFixture fixture = new() { ReserveBytes = 1L << 40 };
        await fixture.StartAsync();
        byte[] bytes = BytesContent.Random(2 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.PutObjectAsync("small", bytes[..1000]);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
        Assert.Equal(bytes[..1000], await fixture.ReadAllAsync("/data/small"));
        await fixture.SettleAsync();

        FileDescription description = await fixture.Engine.DescribeAsync("/data/o", CancellationToken.None);
        Assert.Equal(0u, description.HotBlocks);
    }

    /// <summary>As the HTTP API reads a range: in pieces that end on multiples of 256 KiB.</summary>
    private static async Task<byte[]> ReadInPiecesAsync(EngineFixture fixture, int offset, int length)
    {
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/data/o", write: false, CancellationToken.None);
        byte[] bytes = new byte[length];
        for (int done = 0; done < length;)
        {
            int piece = Math.Min(length - done, (256 << 10) - ((offset + done) % (256 << 10)));
            done += await file.ReadAsync(offset + done, bytes.AsMemory(done, piece), offset + length, CancellationToken.None);
        }

        return bytes;
    }
}
