using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// The open segment files of one target, bounded; least recently used first out. One written since its last flush stays
/// open, because only its own descriptor is sure to see a write-back error.
/// </summary>
/// <remarks>Lock order: <c>_gate</c> is a leaf; files are opened outside it.</remarks>
internal sealed class SegmentHandles(string folder, int limitCount)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, Slot> _slots = [];
    private readonly Dictionary<long, string> _losses = [];
    private readonly LinkedList<Slot> _order = new();

    internal string PathOf(long segment) => Path.Combine(folder, segment.ToString("x16", CultureInfo.InvariantCulture)
        + ".seg");

    /// <summary>An open segment file; dispose the lease, not the handle.</summary>
    internal Lease Rent(long segment, bool create)
    {
        lock (_gate)
        {
            if (_slots.TryGetValue(segment, out Slot? open))
            {
                return LeaseLocked(open);
            }
        }

        string path = PathOf(segment);
        SafeFileHandle? file = DurableFile.TryOpen(path, write: true, create: false, exclusive: false, out int errno);
        bool isNew = false;
        if (file is null && create && errno == Errno.NoEntry)
        {
            _ = DurableFile.MakeDirectory(folder);
            file = DurableFile.Open(path, write: true, create: true);
            isNew = true;
        }

        if (file is null)
        {
            throw LinuxError.Create(errno, "open", path);
        }

        lock (_gate)
        {
            if (_slots.TryGetValue(segment, out Slot? other))
            {
                file.Dispose();
                other.IsNameDurable = other.IsNameDurable && !isNew;
                return LeaseLocked(other);
            }

            Slot slot = new(segment, file, path) { IsNameDurable = !isNew };
            _slots.Add(segment, slot);
            _order.AddFirst(slot.Node);
            TrimLocked();
            return LeaseLocked(slot);
        }
    }

    /// <summary>Closes a segment that is deleted; readers that still have it end first.</summary>
    internal void Forget(long segment)
    {
        lock (_gate)
        {
            _losses.Remove(segment);
            if (_slots.Remove(segment, out Slot? slot))
            {
                _order.Remove(slot.Node);
                slot.IsListed = false;
                if (slot.LeaseCount == 0)
                {
                    slot.File.Dispose();
                }
            }
        }
    }

    /// <summary>Closes what is not in use. One that was written is flushed first; if that fails the loss is
    /// remembered.</summary>
    internal void CloseAll()
    {
        List<Slot> unused = [];
        lock (_gate)
        {
            foreach (Slot slot in _slots.Values)
            {
                if (slot.LeaseCount == 0)
                {
                    slot.LeaseCount++;
                    unused.Add(slot);
                }
            }
        }

        foreach (Slot slot in unused)
        {
            string? failure = TryFlush(slot);
            lock (_gate)
            {
                if (failure is not null)
                {
                    _losses[slot.Segment] = failure;
                }

                if (slot.LeaseCount == 1 && slot.IsListed)
                {
                    _slots.Remove(slot.Segment);
                    _order.Remove(slot.Node);
                    slot.IsListed = false;
                }
            }

            Return(slot);
        }
    }

    /// <summary>Why records of a segment that no flush had covered may be lost, or null.</summary>
    internal string? FindLoss(long segment)
    {
        lock (_gate)
        {
            return _losses.GetValueOrDefault(segment);
        }
    }

    private string? TryFlush(Slot slot)
    {
        try
        {
            if (slot.IsUnflushed)
            {
                DurableFile.Flush(slot.File, PathOf(slot.Segment));
                slot.IsUnflushed = false;
            }

            return null;
        }
        catch (DataLayer.Core.Errors.DataLayerException fault)
        {
            return fault.Message;
        }
    }

    private Lease LeaseLocked(Slot slot)
    {
        slot.LeaseCount++;
        _order.Remove(slot.Node);
        _order.AddFirst(slot.Node);
        return new Lease(this, slot);
    }

    private void TrimLocked()
    {
        for (LinkedListNode<Slot>? node = _order.Last; node is not null && _slots.Count > limitCount;)
        {
            Slot slot = node.Value;
            node = node.Previous;
            if (slot.LeaseCount == 0 && !slot.IsUnflushed && slot.Node != _order.First)
            {
                _slots.Remove(slot.Segment);
                _order.Remove(slot.Node);
                slot.IsListed = false;
                slot.File.Dispose();
            }
        }
    }

    private void Return(Slot slot)
    {
        lock (_gate)
        {
            if (--slot.LeaseCount == 0 && !slot.IsListed)
            {
                slot.File.Dispose();
            }
        }
    }

    /// <summary>One open segment.</summary>
    internal sealed class Slot
    {
        internal Slot(long segment, SafeFileHandle file, string path)
        {
            FilePath = path;
            Segment = segment;
            File = file;
            Node = new LinkedListNode<Slot>(this);
        }

        internal long Segment { get; }

        internal string FilePath { get; }

        internal SafeFileHandle File { get; }

        internal LinkedListNode<Slot> Node { get; }

        internal SegmentReadahead Readahead { get; } = new();

        internal int LeaseCount { get; set; }

        internal bool IsListed { get; set; } = true;

        /// <summary>Whether it was written since its last flush.</summary>
        internal volatile bool IsUnflushed;

        /// <summary>Whether its name is durable.</summary>
        internal volatile bool IsNameDurable;
    }

    /// <summary>The use of an open segment.</summary>
    internal readonly struct Lease(SegmentHandles handles, Slot slot) : IDisposable
    {
        internal Slot Slot => slot;

        internal SafeFileHandle File => slot.File;

        public void Dispose() => handles.Return(slot);
    }
}
