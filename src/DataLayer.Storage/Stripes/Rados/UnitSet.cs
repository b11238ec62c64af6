using System.Buffers.Binary;
using System.Numerics;

namespace DataLayer.Storage.Stripes.Rados;

/// <summary>A set of units of a column, by their numbers: one bit each. Not safe for concurrent use.</summary>
internal sealed class UnitSet
{
    private ulong[] _words;

    internal UnitSet() => _words = [];

    private UnitSet(ulong[] words) => _words = words;

    /// <summary>The largest unit; −1 for none.</summary>
    internal int Last
    {
        get
        {
            for (int i = _words.Length - 1; i >= 0; i--)
            {
                if (_words[i] != 0)
                {
                    return (i * 64) + 63 - BitOperations.LeadingZeroCount(_words[i]);
                }
            }

            return -1;
        }
    }

    /// <summary>Bytes of <see cref="Encode"/>.</summary>
    internal int EncodedBytes => (Last + 64) / 64 * 8;

    internal bool Has(int unit) => unit / 64 < _words.Length && (_words[unit / 64] & (1UL << (unit % 64))) != 0;

    internal void Add(int unit)
    {
        if (unit / 64 >= _words.Length)
        {
            Array.Resize(ref _words, Math.Max((unit / 64) + 1, _words.Length * 2));
        }

        _words[unit / 64] |= 1UL << (unit % 64);
    }

    internal void AddAll(UnitSet others)
    {
        for (int unit = others.Last; unit >= 0; unit--)
        {
            if (others.Has(unit))
            {
                Add(unit);
            }
        }
    }

    /// <summary>Takes out a unit and all that follow.</summary>
    internal void RemoveFrom(int first)
    {
        for (int unit = Last; unit >= first; unit--)
        {
            _words[unit / 64] &= ~(1UL << (unit % 64));
        }
    }

    internal bool IsSame(UnitSet other)
    {
        int last = Last;
        return last == other.Last
            && _words.AsSpan(0, (last + 64) / 64).SequenceEqual(other._words.AsSpan(0, (last + 64) / 64));
    }

    internal UnitSet Clone() => new((ulong[])_words.Clone());

    internal void Encode(Span<byte> destination)
    {
        for (int i = 0; i < destination.Length / 8; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(destination[(i * 8)..], _words[i]);
        }
    }

    internal static UnitSet Decode(ReadOnlySpan<byte> source)
    {
        ulong[] words = new ulong[source.Length / 8];
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt64LittleEndian(source[(i * 8)..]);
        }

        return new UnitSet(words);
    }
}
