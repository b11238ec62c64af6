using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>
/// A doubly linked list through the entries themselves: newest at the head, oldest at the tail. An entry is on at most
/// one list. Not thread safe.
/// </summary>
internal sealed class EntryList(EntryTable entries)
{
    /// <summary>The newest entry, or 0.</summary>
    public uint Head { get; private set; }

    /// <summary>The oldest entry, or 0.</summary>
    public uint Tail { get; private set; }

    /// <summary>How many entries are on the list.</summary>
    public int Count { get; private set; }

    /// <summary>The sum of their lengths, bytes.</summary>
    public long Bytes { get; private set; }

    /// <summary>Puts an entry that is on no list at the head.</summary>
    public void AddHead(uint entry)
    {
        ref CacheEntry node = ref entries[entry];
        node.Previous = 0;
        node.Next = Head;
        if (Head != 0)
        {
            entries[Head].Previous = entry;
        }
        else
        {
            Tail = entry;
        }

        Head = entry;
        Count++;
        Bytes += node.Length;
    }

    /// <summary>Takes an entry off the list.</summary>
    public void Remove(uint entry)
    {
        ref CacheEntry node = ref entries[entry];
        if (node.Previous != 0)
        {
            entries[node.Previous].Next = node.Next;
        }
        else
        {
            Head = node.Next;
        }

        if (node.Next != 0)
        {
            entries[node.Next].Previous = node.Previous;
        }
        else
        {
            Tail = node.Previous;
        }

        node.Previous = node.Next = 0;
        Count--;
        Bytes -= node.Length;
    }

    /// <summary>Moves an entry of the list to the head.</summary>
    public void MoveToHead(uint entry)
    {
        if (Head != entry)
        {
            Remove(entry);
            AddHead(entry);
        }
    }
}
