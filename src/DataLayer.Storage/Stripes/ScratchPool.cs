using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// Chunk-sized pinned buffers for reads and writes that do not cover whole chunks. Each operation holds at most two at
/// a time and operations are bounded by the target's gate, which bounds the pool.
/// </summary>
internal sealed class ScratchPool(int limitCount)
{
    private readonly Lock _gate = new();
    private readonly Stack<byte[]> _free = new();
    private int _rentedCount;

    /// <summary>A buffer of 64 KiB with any content.</summary>
    internal byte[] Rent()
    {
        lock (_gate)
        {
            if (_rentedCount >= limitCount)
            {
                throw new DataLayerException(ErrorCode.Internal,
                    $"{_rentedCount} scratch buffers are in use: a bound was broken. Report it.");
            }

            _rentedCount++;
            if (_free.TryPop(out byte[]? buffer))
            {
                return buffer;
            }
        }

        return GC.AllocateUninitializedArray<byte>(ChunkEntry.ChunkBytes, pinned: true);
    }

    /// <summary>Takes a buffer back.</summary>
    internal void Return(byte[] buffer)
    {
        lock (_gate)
        {
            _rentedCount--;
            _free.Push(buffer);
        }
    }
}
