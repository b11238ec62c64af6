using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Stripes;

namespace DataLayer.ConformanceTests.Targets;

/// <summary>What every target does, whatever holds its bytes. A kind of target derives from this and makes
/// itself.</summary>
public abstract class TargetConformance : IAsyncLifetime
{
    private const int Chunk = 65_536;
    private static readonly ColumnId _column = new(new ContentId(new InodeId(7), 3), 1, 0);
    private ITarget _target = null!;

    public async Task InitializeAsync() => _target = (ITarget)await OpenAsync();

    public async Task DisposeAsync() => await _target.DisposeAsync();

    [Fact]
    public async Task A_column_that_was_not_made_is_NotFound()
    {
        byte[] buffer = new byte[10];
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await ReadAsync(0, buffer));
        Assert.Equal(ErrorCode.NotFound, fault.Code);
        fault = await Assert.ThrowsAsync<DataLayerException>(async () => await WriteAsync(0, buffer));
        Assert.Equal(ErrorCode.NotFound, fault.Code);
        Assert.False(await _target.ExistsAsync(_column, default));
        Assert.False(await _target.DeleteAsync(_column, default));
    }

    [Fact]
    public async Task What_was_written_is_read_and_what_was_not_is_zeros()
    {
        await CreateAsync();
        byte[] bytes = Bytes(1, 100_000);
        await WriteAsync(50_000, bytes);
        byte[] read = new byte[200_000];
        await ReadAsync(0, read);
        Assert.Equal([.. new byte[50_000], .. bytes, .. new byte[50_000]], read);
    }

    [Fact]
    public async Task Flushed_bytes_are_there_after_reopening()
    {
        await CreateAsync();
        byte[] bytes = Bytes(2, 3 * Chunk);
        await WriteAsync(0, bytes);
        await _target.FlushAsync(_column, default);
        await ReopenAsync();
        byte[] read = new byte[bytes.Length];
        await ReadAsync(0, read);
        Assert.Equal(bytes, read);
        Assert.True(await _target.ExistsAsync(_column, default));
    }

    [Fact]
    public async Task Making_a_column_again_keeps_its_bytes()
    {
        await CreateAsync();
        await WriteAsync(0, Bytes(3, 1_000));
        await CreateAsync();
        byte[] read = new byte[1_000];
        await ReadAsync(0, read);
        Assert.Equal(Bytes(3, 1_000), read);
    }

    [Fact]
    public async Task Truncation_cuts_and_what_grows_back_is_zeros()
    {
        await CreateAsync();
        byte[] bytes = Bytes(4, 2 * Chunk);
        await WriteAsync(0, bytes);
        await _target.FlushAsync(_column, default);
        await _target.TruncateAsync(_column, 70_000, default);
        await ReopenAsync();
        byte[] read = new byte[2 * Chunk];
        await ReadAsync(0, read);
        Assert.Equal([.. bytes[..70_000], .. new byte[(2 * Chunk) - 70_000]], read);
        await _target.TruncateAsync(_column, 0, default);
        await ReadAsync(0, read);
        Assert.Equal(new byte[2 * Chunk], read);
    }

    [Fact]
    public async Task Punching_takes_whole_chunks_only()
    {
        await CreateAsync();
        byte[] bytes = Bytes(5, 4 * Chunk);
        await WriteAsync(0, bytes);
        await _target.PunchAsync(_column, 1_000, 2 * Chunk, default);
        byte[] read = new byte[4 * Chunk];
        await ReadAsync(0, read);
        Assert.Equal([.. bytes[..Chunk], .. new byte[Chunk], .. bytes[(2 * Chunk)..]], read);
    }

    [Fact]
    public async Task Columns_copies_and_generations_are_apart()
    {
        ColumnId[] columns = [_column, _column with { Column = 2 }, _column with { Copy = 1 },
            _column with { Content = new ContentId(new InodeId(7), 4) }];
        for (int i = 0; i < columns.Length; i++)
        {
            await _target.PrepareWriteAsync(columns[i], 0, 0, create: true, default);
            await _target.WriteAsync(columns[i], 0, 100, new StripeView(Bytes(i, 100), 0), default);
        }

        for (int i = 0; i < columns.Length; i++)
        {
            byte[] read = new byte[100];
            await _target.ReadAsync(columns[i], 0, 100, new StripeView(read, 0), default);
            Assert.Equal(Bytes(i, 100), read);
        }

        List<ColumnId> found = await _target.FindColumnsAsync(_column.Content, default);
        Assert.Equal(3, found.Count);
        Assert.True(await _target.DeleteAsync(columns[1], default));
        List<ColumnId> all = [];
        await foreach (ColumnId column in _target.EnumerateColumnsAsync(default))
        {
            all.Add(column);
        }

        Assert.Equal(columns.Where((_, i) => i != 1).OrderBy(c => c.ToString(), StringComparer.Ordinal),
            all.OrderBy(c => c.ToString(), StringComparer.Ordinal));
    }

    [Fact]
    public async Task Chunks_are_read_as_stored_and_replaced_whole()
    {
        await CreateAsync();
        byte[] bytes = Bytes(6, Chunk + 10);
        await WriteAsync(0, bytes);
        byte[] chunk = new byte[Chunk];
        Assert.Equal(2, await _target.GetChunkCountAsync(_column, default));
        Assert.Equal(10, await _target.ReadChunkAsync(_column, 1, chunk, default));
        Assert.Equal(bytes[Chunk..], chunk[..10]);
        Assert.Equal(0, await _target.ReadChunkAsync(_column, 9, chunk, default));
        byte[] good = Bytes(7, Chunk);
        await _target.RepairChunkAsync(_column, 0, good, default);
        await _target.FlushAsync(_column, default);
        byte[] read = new byte[Chunk + 10];
        await ReadAsync(0, read);
        Assert.Equal([.. good, .. bytes[Chunk..]], read);
    }

    [Fact]
    public async Task A_column_built_under_another_name_takes_its_place()
    {
        await CreateAsync();
        await WriteAsync(0, Bytes(8, 500));
        ColumnId staging = _column with { Copy = 8 };
        await _target.PrepareWriteAsync(staging, 0, 0, create: true, default);
        await _target.WriteAsync(staging, 0, 700, new StripeView(Bytes(9, 700), 0), default);
        await _target.FlushAsync(staging, default);
        await _target.RenameColumnAsync(staging, _column, default);
        byte[] read = new byte[700];
        await ReadAsync(0, read);
        Assert.Equal(Bytes(9, 700), read);
        Assert.False(await _target.ExistsAsync(staging, default));
    }

    [Fact]
    public async Task Concurrent_readers_see_a_chunk_before_or_after_a_write_never_between()
    {
        await CreateAsync();
        byte[][] versions = [.. Enumerable.Range(0, 2).Select(i => Bytes(i, 2 * Chunk))];
        await WriteAsync(0, versions[0]);
        using CancellationTokenSource stop = new();
        Task writer = Task.Run(async () =>
        {
            for (int i = 0; i < 200; i++)
            {
                await WriteAsync(0, versions[i % 2]);
            }

            await stop.CancelAsync();
        });
        Task[] readers = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            byte[] read = new byte[2 * Chunk];
            while (!stop.IsCancellationRequested)
            {
                await ReadAsync(0, read);
                for (int chunk = 0; chunk < 2; chunk++)
                {
                    Memory<byte> part = read.AsMemory(chunk * Chunk, Chunk);
                    Assert.Contains(versions, version => part.Span.SequenceEqual(version.AsSpan(chunk * Chunk, Chunk)));
                }
            }
        }))];
        await Task.WhenAll([writer, .. readers]);
    }

    [Fact]
    public async Task Concurrent_writers_of_one_chunk_lose_nothing()
    {
        await CreateAsync();
        byte[] bytes = Bytes(3, Chunk);
        await Task.WhenAll(Enumerable.Range(0, 16).Select(part => Task.Run(async () =>
        {
            for (int offset = part * 16; offset < Chunk; offset += 4_096)
            {
                int length = Math.Min(16, Chunk - offset);
                await _target.WriteAsync(_column, offset, length, new StripeView(bytes.AsMemory(offset, length),
                    offset), default);
            }
        })));
        byte[] read = new byte[Chunk];
        await ReadAsync(0, read);
        for (int offset = 0; offset < Chunk; offset++)
        {
            Assert.Equal(offset % 4_096 < 256 ? bytes[offset] : 0, read[offset]);
        }
    }

    [Fact]
    public async Task Segments_are_written_anywhere_flushed_listed_and_deleted()
    {
        byte[] record = Bytes(1, 3_000);
        await _target.WriteSegmentAsync(77, 64, record, default);
        await _target.WriteSegmentAsync(77, 5_000, record, default);
        await _target.FlushSegmentAsync(77, default);
        await ReopenAsync();
        byte[] read = new byte[3_000];
        Assert.Equal(3_000, await _target.ReadSegmentAsync(77, 5_000, read.AsMemory(0, 48), read.AsMemory(48), default));
        Assert.Equal(record, read);
        Assert.Equal(1_000, await _target.ReadSegmentAsync(77, 7_000, read.AsMemory(0, 48), read.AsMemory(48), default));
        Assert.Equal([(77L, 8_000L)], await _target.ListSegmentsAsync(default));
        await _target.DeleteSegmentAsync(77, default);
        await _target.DeleteSegmentAsync(77, default);
        Assert.Empty(await _target.ListSegmentsAsync(default));
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
            await _target.ReadSegmentAsync(77, 64, read, Memory<byte>.Empty, default));
        Assert.Equal(ErrorCode.NotFound, fault.Code);
    }

    [Fact]
    public async Task Tombstones_are_kept_with_their_segment()
    {
        await _target.WriteSegmentAsync(5, 0, new byte[100], default);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => _target.AppendTombstoneAsync(
            5, new SegmentTombstone((uint)i * 16, 16), default).AsTask()));
        await ReopenAsync();
        List<SegmentTombstone> dead = await _target.ReadTombstonesAsync(5, default);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => (uint)i * 16), dead.Select(tombstone => tombstone.OffsetBytes)
            .Order());
        Assert.Empty(await _target.ReadTombstonesAsync(6, default));
        await _target.DeleteSegmentAsync(5, default);
        Assert.Empty(await _target.ReadTombstonesAsync(5, default));
    }

    [Fact]
    public async Task A_cancelled_call_does_nothing()
    {
        await CreateAsync();
        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await _target.WriteAsync(_column, 0, 10, new StripeView(new byte[10], 0), cancelled.Token));
        Assert.Equal(0, await _target.GetChunkCountAsync(_column, default));
        Assert.Equal(0, _target.LoadCount);
    }

    [Fact]
    public void Space_and_state_are_known()
    {
        Assert.Equal(TargetState.Ok, _target.State);
        Assert.Null(_target.Fault);
        TargetSpace space = _target.GetSpace();
        Assert.InRange(space.FreeBytes, 1, space.CapacityBytes);
        Assert.True(_target.HasRoom(1_000));
        Assert.False(_target.HasRoom(space.CapacityBytes + 1));
        _target.SetDraining(true);
        Assert.Equal(TargetState.Draining, _target.State);
    }

    /// <summary>Makes or opens the target: an <see cref="ITarget"/>, which is internal.</summary>
    protected abstract Task<object> OpenAsync();

    private static byte[] Bytes(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private async Task ReopenAsync()
    {
        await _target.DisposeAsync();
        _target = (ITarget)await OpenAsync();
    }

    private ValueTask CreateAsync() => _target.PrepareWriteAsync(_column, 0, 0, create: true, default);

    private ValueTask WriteAsync(long offset, byte[] bytes) =>
        _target.WriteAsync(_column, offset, bytes.Length, new StripeView(bytes.AsMemory(), offset), default);

    private ValueTask ReadAsync(long offset, byte[] bytes) =>
        _target.ReadAsync(_column, offset, bytes.Length, new StripeView(bytes.AsMemory(), offset), default);
}
