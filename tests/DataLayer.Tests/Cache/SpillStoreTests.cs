using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Cache.Memory;
using DataLayer.Storage.Cache.Spill;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;
using FASTER.core;
using static DataLayer.Tests.Cache.CacheFixture;

namespace DataLayer.Tests.Cache;

public sealed class SpillStoreTests : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly FaultyDevice _device;
    private readonly SpillStore _spill;
    private readonly MemoryStore _memory;

    public SpillStoreTests()
    {
        _device = new FaultyDevice(Devices.CreateLogDevice(Path.Combine(_folder.Path, "spill"), deleteOnClose: true));
        _spill = new SpillStore(_device, 64 << 20, maxEntries: 100, bufferCount: 2, 1 << 20, TimeProvider.System);
        _memory = new MemoryStore(new MemoryStoreSettings(8 << 20, 4 << 20, "lru", 1, 4, null));
    }

    public async ValueTask DisposeAsync()
    {
        await _spill.DisposeAsync();
        _memory.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Gives_back_what_was_written()
    {
        for (int i = 1; i <= 50; i++)
        {
            await WriteAsync(Block(i), 1000 * i);
        }

        for (int i = 1; i <= 50; i++)
        {
            Assert.Equal(Bytes(Block(i), 1000 * i), await ReadAsync(Block(i)));
        }

        Assert.Equal(50, _spill.Hits);
    }

    [Fact]
    public async Task Forgets_the_oldest_when_full_and_stays_within_its_size()
    {
        for (int i = 1; i <= 90; i++)
        {
            await WriteAsync(Block(i), 1 << 20);
            Assert.True(_spill.UsedBytes <= 64 << 20);
            long files = Directory.EnumerateFiles(_folder.Path).Sum(file => new FileInfo(file).Length);
            Assert.True(files <= (64 << 20) + (4 << 20), $"{files} bytes on disk");
        }

        Assert.Null(await ReadAsync(Block(1)));
        Assert.Equal(Bytes(Block(90), 1 << 20), await ReadAsync(Block(90)));
    }

    [Fact]
    public async Task Holds_no_more_blocks_than_its_index_may()
    {
        for (int i = 1; i <= 110; i++)
        {
            await WriteAsync(Block(i), 100);
        }

        Assert.Null(await ReadAsync(Block(10)));
        Assert.NotNull(await ReadAsync(Block(11)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    [InlineData(44)]
    [InlineData(48)]
    [InlineData(900)]
    public async Task A_flipped_byte_is_a_miss_and_counted(int at)
    {
        await WriteAsync(Block(1), 1000);
        _device.FlipByte = at;
        Assert.Null(await ReadAsync(Block(1)));
        Assert.Equal(1, _spill.BadBlocks);
        Assert.False(_spill.Contains(Block(1)));
    }

    [Fact]
    public async Task A_block_damaged_in_memory_is_not_spilled_and_counted()
    {
        Assert.True(_memory.TryFill(Block(1), Bytes(Block(1), 1000), 0));
        CorruptionTests.Flip(_memory, Block(1), 500);
        _spill.Write(_memory, CorruptionTests.EntryOf(_memory, Block(1)));
        Assert.Equal((1, 0), (_spill.BadBlocks, _spill.Writes));
        Assert.True(_spill.IsIdle);
        Assert.Null(await ReadAsync(Block(1)));
    }

    [Fact]
    public async Task A_short_read_is_a_miss()
    {
        await WriteAsync(Block(1), 1000);
        _device.TruncateReads = true;
        Assert.Null(await ReadAsync(Block(1)));
        Assert.Equal(1, _spill.BadBlocks);
    }

    [Fact]
    public async Task A_misdirected_read_is_a_miss()
    {
        await WriteAsync(Block(1), 1000);
        await WriteAsync(Block(2), 1000);
        _device.Misdirect = 1536;
        Assert.Null(await ReadAsync(Block(1)));
        Assert.Equal(1, _spill.BadBlocks);
    }

    [Fact]
    public async Task A_truncated_file_is_a_miss()
    {
        await WriteAsync(Block(1), 100_000);
        await using (FileStream file = new(Directory.GetFiles(_folder.Path)[0], FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
        {
            file.SetLength(10_000);
        }

        Assert.Null(await ReadAsync(Block(1)));
    }

    [Fact]
    public async Task A_read_error_is_a_miss_and_counted()
    {
        await WriteAsync(Block(1), 1000);
        _device.FailReads = true;
        Assert.Null(await ReadAsync(Block(1)));
        Assert.Equal(1, _spill.Errors);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_full_disk_costs_the_victims_and_nothing_else(bool throws)
    {
        _device.ThrowOnWrite = throws;
        _device.FailWrites = !throws;
        for (int i = 1; i <= SpillStore.MaxErrorsInRow + 5; i++)
        {
            await WriteAsync(Block(i), 1000);
            Assert.Null(await ReadAsync(Block(i)));
        }

        // After some errors in a row it stops to try.
        Assert.Equal(SpillStore.MaxErrorsInRow, _spill.Errors);
        Assert.Equal(5, _spill.Dropped);
    }

    [Fact]
    public async Task A_removed_block_is_gone()
    {
        await WriteAsync(Block(1), 1000);
        await WriteAsync(Block(1, 1), 1000);
        await WriteAsync(Block(1, 2), 1000);
        Assert.True(_spill.Remove(Block(1)));
        _spill.RemoveContent(Block(1).Content, uint.MaxValue);
        Assert.Null(await ReadAsync(Block(1, 1)));
        Assert.Equal(0, _spill.UsedBytes);
    }

    [Fact]
    public async Task Evicted_blocks_come_back_from_the_cache_s_spill()
    {
        using TempFolder folder = new();
        await using BlockCache cache = new(new BlockCacheOptions
        {
            CapacityBytes = 32 << 20,
            Policy = "lru",
            SpillDirectory = folder.Path,
            SpillCapacityBytes = 256 << 20,
        }, TimeProvider.System);
        for (int i = 1; i <= 100; i++)
        {
            cache.TryFill(Block(i), Bytes(Block(i), 500_000), 0);
            await SettledAsync(cache.Spill!);
        }

        byte[] buffer = new byte[500_000];
        int fromSpill = 0;
        for (int i = 1; i <= 100; i++)
        {
            await SettledAsync(cache.Spill!);
            if (!cache.TryRead(Block(i), 0, buffer, 0, out int read))
            {
                (bool hit, read) = await cache.TryReadSpillAsync(Block(i), 0, buffer, 0, CancellationToken.None);
                Assert.True(hit, $"block {i}");
                fromSpill++;
            }

            Assert.Equal(Bytes(Block(i), read), buffer.AsSpan(0, read).ToArray());
        }

        Assert.True(fromSpill > 40, $"{fromSpill} blocks came from the spill");
        Assert.Equal(fromSpill, cache.GetStatistics().SpillHits);
        Assert.True(cache.GetStatistics().UsedBytes <= 32 << 20);
    }

    [Fact]
    public async Task A_replaced_block_never_comes_back_old_from_the_spill()
    {
        using TempFolder folder = new();
        await using BlockCache cache = new(new BlockCacheOptions
        {
            CapacityBytes = 32 << 20,
            Policy = "lru",
            SpillDirectory = folder.Path,
            SpillCapacityBytes = 256 << 20,
        }, TimeProvider.System);
        Random random = new(5);
        Dictionary<BlockId, int> newest = [];
        byte[] buffer = new byte[400_000];
        for (int step = 1; step <= 400; step++)
        {
            BlockId block = Block(random.Next(1, 120));
            if (random.Next(3) == 0)
            {
                cache.TryFill(block, Bytes(block, 400_000, step), 0);
                newest[block] = step;
            }
            else if (random.Next(10) == 0)
            {
                cache.Remove(block);
                newest.Remove(block);
            }
            else
            {
                bool hit = cache.TryRead(block, 399_000, buffer, 0, out int read);
                if (!hit)
                {
                    (hit, read) = await cache.TryReadSpillAsync(block, 399_000, buffer, 0, CancellationToken.None);
                }

                Assert.True(!hit || newest.ContainsKey(block), $"step {step}: {block} was removed");
                Assert.True(!hit || buffer.AsSpan(0, read).SequenceEqual(Bytes(block, 400_000, newest[block]).AsSpan(399_000)), $"step {step}: old bytes");
            }
        }
    }

    [Fact]
    public async Task A_full_disk_under_the_spill_costs_hits_only_and_it_fills_again_when_there_is_room()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(16);
        LateClock clock = new();
        await using SpillStore spill = new(
            Devices.CreateLogDevice(Path.Combine(disk.Path, "spill"), deleteOnClose: true), 64 << 20, maxEntries: 100,
            bufferCount: 2, 1 << 20, clock);
        string ballast = Path.Combine(disk.Path, "ballast");
        await File.WriteAllBytesAsync(ballast, new byte[10 << 20]);
        for (int i = 1; i <= 40; i++)
        {
            await WriteAsync(Block(i), 1 << 20, spill);
        }

        Assert.True(spill.Errors > 0);
        Assert.True(spill.Dropped > 0, "It rests after errors.");
        int hits = await CheckAsync(1, 40);
        File.Delete(ballast);
        clock.Late += SpillStore.RestTime;
        for (int i = 41; i <= 44; i++)
        {
            await WriteAsync(Block(i), 1 << 20, spill);
        }

        Assert.True(await CheckAsync(41, 44) > 0, "It takes blocks again.");
        Assert.True(await CheckAsync(1, 40) <= hits);

        async Task<int> CheckAsync(int first, int last)
        {
            int found = 0;
            for (int i = first; i <= last; i++)
            {
                byte[]? read = null;
                if (await spill.TryReadAsync(Block(i), (bytes, _, _) => read = bytes.ToArray()))
                {
                    Assert.Equal(Bytes(Block(i), 1 << 20), read);
                    found++;
                }
            }

            return found;
        }
    }

    private static async Task SettledAsync(SpillStore spill)
    {
        while (!spill.IsIdle)
        {
            await Task.Yield();
        }
    }

    [Fact]
    public async Task Blocks_of_an_encrypted_dataset_stand_nowhere_on_the_disk_and_end_with_its_key()
    {
        _spill.Encrypt(3);
        foreach (int length in new[] { 1, 5_000, 1 << 20 })
        {
            await WriteAsync(Block(length), length, _spill, dataset: 3);
            await WriteAsync(Block(length, 7), length, _spill, dataset: 4);
            Assert.Equal(Bytes(Block(length), length), await ReadAsync(Block(length)));
            Assert.Equal(Bytes(Block(length, 7), length), await ReadAsync(Block(length, 7)));
        }

        byte[] disk = [.. Directory.EnumerateFiles(_folder.Path).Order(StringComparer.Ordinal).SelectMany(File.ReadAllBytes)];
        Assert.Equal(-1, disk.AsSpan().IndexOf(Bytes(Block(5_000), 5_000).AsSpan(100, 16)));
        Assert.NotEqual(-1, disk.AsSpan().IndexOf(Bytes(Block(5_000, 7), 5_000).AsSpan(100, 16)));

        _spill.EraseKey(3);
        Assert.Null(await ReadAsync(Block(5_000)));
        Assert.NotNull(await ReadAsync(Block(5_000, 7)));
        await WriteAsync(Block(6), 100, _spill, dataset: 3);
        Assert.Null(await ReadAsync(Block(6)));
        Assert.Equal(1, _spill.Dropped);
    }

    private Task WriteAsync(BlockId block, int length) => WriteAsync(block, length, _spill);

    private async Task WriteAsync(BlockId block, int length, SpillStore spill, int dataset = 0)
    {
        Assert.True(_memory.TryFill(block, Bytes(block, length), dataset));
        for (uint entry = 1; entry < _memory.Entries.End; entry++)
        {
            if (_memory.Entries[entry].Block == block && (_memory.Entries[entry].Version & 1) == 1)
            {
                spill.Write(_memory, entry);
            }
        }

        await SettledAsync(spill);
        _memory.Remove(block);
    }

    private async Task<byte[]?> ReadAsync(BlockId block)
    {
        byte[]? read = null;
        bool hit = await _spill.TryReadAsync(block, (bytes, _, _) => read = bytes.ToArray());
        Assert.Equal(hit, read is not null);
        return read;
    }

    /// <summary>A clock that may be set forward.</summary>
    private sealed class LateClock : TimeProvider
    {
        public TimeSpan Late { get; set; }

        public override long GetTimestamp() => base.GetTimestamp() + (long)(Late.TotalSeconds * TimestampFrequency);
    }
}
