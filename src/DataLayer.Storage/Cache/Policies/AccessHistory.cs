using System.Runtime.InteropServices;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>What is remembered of a block's uses.</summary>
/// <param name="LastAccess">When it was used last, ticks of its model.</param>
/// <param name="MeanLog">Mean of log2 of the intervals between its uses.</param>
/// <param name="Count">How many intervals that is the mean of, saturating.</param>
/// <param name="Model">Which model it belongs to.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct AccessRecord(uint LastAccess, float MeanLog, byte Count, byte Model)
{
    // The mean follows changes: no interval weighs less than an eighth.
    private const int MaxWeight = 8;

    /// <summary>The record after one more use.</summary>
    public AccessRecord Used(uint now)
    {
        float log = MathF.Log2(Math.Max(1, now - LastAccess));
        int count = Math.Min(Count + 1, byte.MaxValue);
        return new AccessRecord(now, MeanLog + ((log - MeanLog) / Math.Min(count, MaxWeight)), (byte)count, Model);
    }
}

/// <summary>
/// Remembers the uses of blocks that are not cached, in a fixed table of 12-byte slots, eight to a set; a set forgets
/// what was used longest ago. Not thread safe.
/// </summary>
internal sealed class AccessHistory(int slots)
{
    /// <summary>A slot's size, bytes.</summary>
    public const int SlotBytes = 12;

    private const int Ways = 8;
    private const float LogScale = 8;
    private readonly Slot[] _slots = new Slot[Math.Max(Ways, slots)];

    /// <summary>Slots, a count.</summary>
    public int SlotCount => _slots.Length;

    /// <summary>Remembers a block's uses, in place of what was remembered of it.</summary>
    public void Put(ulong hash, in AccessRecord record, uint age)
    {
        int set = SetOf(hash), chosen = set;
        uint print = PrintOf(hash), oldest = 0;
        for (int i = set; i < set + Ways; i++)
        {
            if (_slots[i].Print == print || _slots[i].Print == 0)
            {
                chosen = i;
                break;
            }

            uint slotAge = record.LastAccess + age - _slots[i].LastAccess;
            if (slotAge >= oldest)
            {
                oldest = slotAge;
                chosen = i;
            }
        }

        byte log = (byte)Math.Clamp(record.MeanLog * LogScale, 0, byte.MaxValue);
        _slots[chosen] = new Slot(print, record.LastAccess, log, record.Count, record.Model);
    }

    /// <summary>What is remembered of a block.</summary>
    public bool TryGet(ulong hash, out AccessRecord record)
    {
        int set = SetOf(hash);
        for (int i = set; i < set + Ways; i++)
        {
            if (_slots[i].Print == PrintOf(hash))
            {
                return TryGetSlot(i, out record);
            }
        }

        record = default;
        return false;
    }

    /// <summary>What a slot holds.</summary>
    public bool TryGetSlot(int slot, out AccessRecord record)
    {
        ref Slot s = ref _slots[slot];
        record = new AccessRecord(s.LastAccess, s.MeanLog / LogScale, s.Count, s.Model);
        return s.Print != 0;
    }

    /// <summary>Forgets a block.</summary>
    public void Remove(ulong hash)
    {
        int set = SetOf(hash);
        for (int i = set; i < set + Ways; i++)
        {
            if (_slots[i].Print == PrintOf(hash))
            {
                _slots[i] = default;
                return;
            }
        }
    }

    private static uint PrintOf(ulong hash) => (uint)hash | 1;

    private int SetOf(ulong hash) => (int)((hash >> 32) % ((uint)_slots.Length / Ways)) * Ways;

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Slot(uint Print, uint LastAccess, byte MeanLog, byte Count, byte Model);
}
