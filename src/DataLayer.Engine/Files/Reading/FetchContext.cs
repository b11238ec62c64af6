using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>The buffers of fetches, the budget of those fetched ahead, and a count of the work under way.</summary>
internal sealed class FetchContext(TransferBufferPool buffers, long readaheadMemoryBytes)
{
    private readonly WorkCount _all = new();
    private readonly WorkCount _cold = new();
    private long _readaheadBytes;
    private int _readers;
    private long _streamReadAt = long.MinValue / 2;

    public TransferBufferPool Buffers { get; } = buffers;

    /// <summary>Bytes that readahead holds.</summary>
    public long ReadaheadBytes => Volatile.Read(ref _readaheadBytes);

    /// <summary>
    /// Takes room for a readahead of <paramref name="lengthBytes"/>; false when the budget is used up.
    /// </summary>
    public bool TryReserve(int lengthBytes)
    {
        if (Interlocked.Add(ref _readaheadBytes, lengthBytes) <= readaheadMemoryBytes)
        {
            return true;
        }

        Interlocked.Add(ref _readaheadBytes, -lengthBytes);
        return false;
    }

    /// <summary>A fetch starts to run, or a recall waits to be written.</summary>
    public void Begin() => _all.Begin();

    /// <summary>It has ended.</summary>
    public void End() => _all.End();

    /// <summary>A fetch from an object starts.</summary>
    public void BeginCold() => _cold.Begin();

    /// <summary>It has ended.</summary>
    public void EndCold() => _cold.End();

    /// <summary>A reader (who is none in the background) waits for more than memory has.</summary>
    public void BeginRead(bool isForeground) => Interlocked.Add(ref _readers, isForeground ? 1 : 0);

    /// <summary>It has its bytes.</summary>
    public void EndRead(bool isForeground) => Interlocked.Add(ref _readers, isForeground ? -1 : 0);

    /// <summary>Whether readers wait now, or objects are being read for them.</summary>
    public bool IsRead => Volatile.Read(ref _readers) > 0 || !_cold.IsIdle;

    /// <summary>
    /// When a proven sequential reader last read what is not hot, milliseconds of the engine's clock. It may be busy
    /// with what objects brought long after the last of it came.
    /// </summary>
    public long StreamReadAt
    {
        get => Volatile.Read(ref _streamReadAt);
        set => Volatile.Write(ref _streamReadAt, value);
    }

    /// <summary>Ends when no fetch from an object runs.</summary>
    public Task WhenColdIdleAsync() => _cold.WhenIdleAsync();

    /// <summary>Ends when no fetch runs and no recall waits.</summary>
    public Task WhenIdleAsync() => _all.WhenIdleAsync();

    public void Return(BlockFetch fetch)
    {
        if (fetch.IsReserved)
        {
            Interlocked.Add(ref _readaheadBytes, -fetch.LengthBytes);
        }

        Buffers.Return(fetch.Buffer);
    }
}
