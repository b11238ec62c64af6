using System.Runtime.InteropServices;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>
/// Remembers the hashes of blocks that left not long ago, in a fixed table of 8-byte slots, four to a set. A set
/// forgets its oldest; a hash counts as remembered only while fewer than the asked number of others came after it.
/// </summary>
internal sealed class GhostTable(int slots)
{
    /// <summary>A slot's size, bytes.</summary>
    public const int SlotBytes = 8;

    private const int Ways = 4;
    private readonly Slot[] _slots = new Slot[Math.Max(Ways, slots)];
    private uint _now = 1;

    /// <summary>Remembers a hash.</summary>
    public void Add(ulong hash)
    {
        int set = SetOf(hash);
        int oldest = set;
        uint oldestAge = 0;
        for (int i = set; i < set + Ways; i++)
        {
            uint age = _slots[i].Added == 0 ? uint.MaxValue : _now - _slots[i].Added;
            if (_slots[i].Print == (uint)hash || age >= oldestAge)
            {
                oldest = i;
                oldestAge = _slots[i].Print == (uint)hash ? uint.MaxValue : age;
            }
        }

        _slots[oldest] = new Slot((uint)hash, _now);
        _now = _now == uint.MaxValue ? 1 : _now + 1;
    }

    /// <summary>Whether a hash is among the newest <paramref name="reach"/>.</summary>
    public bool Contains(ulong hash, long reach)
    {
        int set = SetOf(hash);
        for (int i = set; i < set + Ways; i++)
        {
            if (_slots[i].Print == (uint)hash && _slots[i].Added != 0)
            {
                return _now - _slots[i].Added <= reach;
            }
        }

        return false;
    }

    /// <summary>Forgets a hash; true if it was among the newest <paramref name="reach"/>.</summary>
    public bool Take(ulong hash, long reach)
    {
        int set = SetOf(hash);
        for (int i = set; i < set + Ways; i++)
        {
            if (_slots[i].Print == (uint)hash && _slots[i].Added != 0)
            {
                bool recent = _now - _slots[i].Added <= reach;
                _slots[i] = default;
                return recent;
            }
        }

        return false;
    }

    private int SetOf(ulong hash) => (int)((hash >> 32) % ((uint)_slots.Length / Ways)) * Ways;

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Slot(uint Print, uint Added);
}
