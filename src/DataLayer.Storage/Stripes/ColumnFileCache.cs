using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// The open column files of one target, at most as many as the limit allows plus those in use. Least recently used
/// first out; one with unflushed writes is flushed before it goes. If that fails the loss is remembered here, without
/// the file.
/// </summary>
/// <remarks>Lock order: <c>_gate</c> is a leaf; no file call is made under it.</remarks>
internal sealed class ColumnFileCache
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ColumnId, Slot> _slots = [];
    private readonly Dictionary<ColumnId, ColumnLoss> _losses = [];
    private readonly LinkedList<Slot> _order = new();
    private readonly ScratchPool _scratch;
    private readonly string _root;
    private readonly int _limitCount;
    private readonly Action<string>? _step;

    internal ColumnFileCache(string root, int limitCount, ScratchPool scratch, Action<string>? step = null)
    {
        _step = step;
        _root = root;
        _limitCount = limitCount;
        _scratch = scratch;
    }

    /// <summary>How many column files are open, a count; each has two descriptors.</summary>
    internal int Count
    {
        get
        {
            lock (_gate)
            {
                return _slots.Count;
            }
        }
    }

    /// <summary>The folder of a column's files.</summary>
    internal string FolderOf(in ColumnId id)
    {
        // Neighbouring inodes go to different folders; 1,024 of them keep ten million files listable.
        ulong hash = (ulong)id.Content.Inode.Value * 0x9E3779B97F4A7C15UL;
        return Path.Combine(_root, "files", (hash >> 54).ToString("x3", CultureInfo.InvariantCulture));
    }

    /// <summary>A right to use a column file; opens it if needed. Dispose it soon.</summary>
    /// <exception cref="DataLayerException">NotFound, Corrupt, NoSpace, TargetFailed.</exception>
    internal Lease Rent(in ColumnId id, bool create)
    {
        Slot? slot;
        lock (_gate)
        {
            if (!_slots.TryGetValue(id, out slot))
            {
                _losses.Remove(id, out ColumnLoss? loss);
                slot = new Slot(new ColumnFile(id, Path.Combine(FolderOf(id), id.FileName), _scratch, loss,
                    _step));
                _slots.Add(id, slot);
                _order.AddFirst(slot.Node);
            }
            else if (slot.Node != _order.First)
            {
                _order.Remove(slot.Node);
                _order.AddFirst(slot.Node);
            }

            slot.LeaseCount++;
        }

        try
        {
            slot.File.EnsureOpen(create);
            return new Lease(this, slot);
        }
        catch
        {
            Drop(slot);
            throw;
        }
    }

    /// <summary>The open column file, or none; never opens one.</summary>
    internal bool TryRentOpen(in ColumnId id, out Lease lease)
    {
        lock (_gate)
        {
            if (_slots.TryGetValue(id, out Slot? slot))
            {
                slot.LeaseCount++;
                lease = new Lease(this, slot);
                return true;
            }
        }

        lease = default;
        return false;
    }

    /// <summary>Closes least recently used files past the limit. Called where file calls may be made.</summary>
    internal void Trim(int limitCount)
    {
        int tries = 8;
        while (tries-- > 0 && TryTakeOldest(limitCount, out Slot? slot))
        {
            bool isClean = slot.File.TryPrepareClose();
            lock (_gate)
            {
                slot.LeaseCount--;
                if (slot.LeaseCount == 0 && slot.IsListed && (slot.File.Loss is not null
                    || (isClean && !slot.File.IsDirty)))
                {
                    RemoveLocked(slot);
                }
                else if (slot.IsListed)
                {
                    _order.Remove(slot.Node);
                    _order.AddFirst(slot.Node);
                    continue;
                }
            }

            slot.File.Dispose();
        }
    }

    /// <summary>A column that is deleted has no loss.</summary>
    internal void ForgetLoss(in ColumnId id)
    {
        lock (_gate)
        {
            _losses.Remove(id);
        }
    }

    /// <summary>Closes one column file that nobody else uses, flushed.</summary>
    /// <exception cref="DataLayerException">Internal if it cannot be closed clean.</exception>
    internal void Close(in ColumnId id)
    {
        if (!TryRentOpen(id, out Lease lease))
        {
            return;
        }

        bool isClean = lease.File.TryPrepareClose();
        Forget(lease);
        lease.Dispose();
        if (!isClean)
        {
            throw new DataLayerException(ErrorCode.TargetFailed, $"Column {id} could not be flushed.");
        }
    }

    /// <summary>Closes everything that is not in use; flushes what is dirty.</summary>
    internal void CloseAll()
    {
        int count = Count;
        while (count-- > 0)
        {
            Trim(0);
        }
    }

    /// <summary>Forgets a deleted column file; it is closed when its last lease ends.</summary>
    internal void Forget(in Lease lease)
    {
        lock (_gate)
        {
            if (lease.Slot.IsListed)
            {
                RemoveLocked(lease.Slot);
            }
        }
    }

    private bool TryTakeOldest(int limitCount, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Slot? slot)
    {
        lock (_gate)
        {
            slot = null;
            if (_slots.Count <= limitCount)
            {
                return false;
            }

            for (LinkedListNode<Slot>? node = _order.Last; node is not null; node = node.Previous)
            {
                if (node.Value.LeaseCount == 0)
                {
                    slot = node.Value;
                    slot.LeaseCount++;
                    return true;
                }
            }

            return false;
        }
    }

    private void Drop(Slot slot)
    {
        bool close;
        lock (_gate)
        {
            slot.LeaseCount--;
            close = slot.LeaseCount == 0;
            if (close && slot.IsListed)
            {
                RemoveLocked(slot);
            }
        }

        if (close)
        {
            slot.File.Dispose();
        }
    }

    private void Return(Slot slot)
    {
        bool close;
        bool trim;
        lock (_gate)
        {
            slot.LeaseCount--;
            close = slot.LeaseCount == 0 && !slot.IsListed;
            trim = _slots.Count > _limitCount;
        }

        if (close)
        {
            slot.File.Dispose();
        }

        if (trim)
        {
            Trim(_limitCount);
        }
    }

    private void RemoveLocked(Slot slot)
    {
        if (slot.File.Loss is { } loss)
        {
            _losses[slot.File.Id] = loss;
        }

        _slots.Remove(slot.File.Id);
        _order.Remove(slot.Node);
        slot.IsListed = false;
    }

    /// <summary>One column file with its place in the order and its users.</summary>
    internal sealed class Slot
    {
        internal Slot(ColumnFile file)
        {
            File = file;
            Node = new LinkedListNode<Slot>(this);
        }

        internal ColumnFile File { get; }

        internal LinkedListNode<Slot> Node { get; }

        internal int LeaseCount { get; set; }

        internal bool IsListed { get; set; } = true;
    }

    /// <summary>The use of one column file.</summary>
    internal readonly struct Lease(ColumnFileCache cache, Slot slot) : IDisposable
    {
        internal Slot Slot => slot;

        internal ColumnFile File => slot.File;

        public void Dispose() => cache.Return(slot);
    }
}
