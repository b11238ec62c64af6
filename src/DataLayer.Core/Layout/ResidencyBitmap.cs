using System.Numerics;

namespace DataLayer.Core.Layout;

/// <summary>
/// Which blocks of one content are hot: one bit a block, lowest bit first. Not thread-safe; the owner serialises
/// changes.
/// </summary>
public sealed class ResidencyBitmap
{
    private byte[] _bits;

    /// <summary>An empty bitmap for <paramref name="blockCount"/> blocks.</summary>
    public ResidencyBitmap(uint blockCount)
    {
        BlockCount = blockCount;
        _bits = new byte[(blockCount + 7) / 8];
    }

    /// <summary>Reads the stored form; missing bytes at the end are clear bits.</summary>
    public ResidencyBitmap(uint blockCount, ReadOnlySpan<byte> bits)
        : this(blockCount)
    {
        bits[..Math.Min(bits.Length, _bits.Length)].CopyTo(_bits);
        ClearTail();
    }

    /// <summary>How many blocks the bitmap covers, a count.</summary>
    public uint BlockCount { get; private set; }

    /// <summary>How many blocks are hot, a count.</summary>
    public uint ResidentCount
    {
        get
        {
            uint count = 0;
            foreach (byte b in _bits)
            {
                count += (uint)BitOperations.PopCount(b);
            }

            return count;
        }
    }

    /// <summary>Whether every block is hot; true for an empty file.</summary>
    public bool IsFull => ResidentCount == BlockCount;

    /// <summary>Reads or sets one block's bit.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The index is at or past <see cref="BlockCount"/>.</exception>
    public bool this[uint blockIndex]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(blockIndex, BlockCount);
            return (_bits[blockIndex >> 3] & (1 << (int)(blockIndex & 7))) != 0;
        }

        set
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(blockIndex, BlockCount);
            byte mask = (byte)(1 << (int)(blockIndex & 7));
            _bits[blockIndex >> 3] = (byte)(value ? _bits[blockIndex >> 3] | mask : _bits[blockIndex >> 3] & ~mask);
        }
    }

    /// <summary>A bitmap with every block hot.</summary>
    public static ResidencyBitmap Full(uint blockCount)
    {
        ResidencyBitmap full = new(blockCount);
        Array.Fill(full._bits, (byte)0xFF);
        full.ClearTail();
        return full;
    }

    /// <summary>Changes the number of blocks; new blocks are not hot.</summary>
    public void Resize(uint blockCount)
    {
        Array.Resize(ref _bits, (int)((blockCount + 7) / 8));
        BlockCount = blockCount;
        ClearTail();
    }

    /// <summary>The stored form.</summary>
    public byte[] ToBytes() => (byte[])_bits.Clone();

    /// <summary>A copy that changes on its own.</summary>
    public ResidencyBitmap Clone() => new(BlockCount, _bits);

    private void ClearTail()
    {
        if ((BlockCount & 7) != 0)
        {
            _bits[^1] &= (byte)((1 << (int)(BlockCount & 7)) - 1);
        }
    }
}
