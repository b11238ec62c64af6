namespace DataLayer.Storage.Stripes.Sealing;

/// <summary>
/// Buffers for the pages of one cell each, and turns of those who change a column. An operation holds one buffer at
/// most and asks for it last, so waiting for one always ends.
/// </summary>
internal sealed class SealedBuffers : IDisposable
{
    /// <summary>The most there are, a count: 17 MiB.</summary>
    internal const int Limit = 16;

    /// <summary>Where the bytes after the pages begin: room for nonces and two pages as they were.</summary>
    internal const int SpareAt = SealedPage.CellPages * SealedPage.Bytes;

    private const int TurnCount = 64;
    private readonly SemaphoreSlim _free = new(Limit);
    private readonly Stack<byte[]> _buffers = new(Limit);
    private readonly SemaphoreSlim[] _turns = new SemaphoreSlim[TurnCount];

    internal SealedBuffers()
    {
        for (int i = 0; i < TurnCount; i++)
        {
            _turns[i] = new SemaphoreSlim(1);
        }
    }

    /// <summary>What serialises changes of a column: part of a page is changed by reading all of it.</summary>
    internal SemaphoreSlim TurnOf(in ColumnId column) =>
        _turns[(uint)HashCode.Combine(column.Content, column.Column) % TurnCount];

    internal async ValueTask<byte[]> RentAsync(CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_buffers)
        {
            if (_buffers.TryPop(out byte[]? buffer))
            {
                return buffer;
            }
        }

        return GC.AllocateUninitializedArray<byte>(SpareAt + (3 * SealedPage.Bytes), pinned: true);
    }

    internal void Return(byte[] buffer)
    {
        lock (_buffers)
        {
            _buffers.Push(buffer);
        }

        _free.Release();
    }

    public void Dispose()
    {
        _free.Dispose();
        foreach (SemaphoreSlim turn in _turns)
        {
            turn.Dispose();
        }
    }
}
