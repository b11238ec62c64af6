namespace DataLayer.Storage.Stripes.Rados;

/// <summary>
/// One column as this process knows it: the head as it is in the cluster, and which units were written since.
/// </summary>
/// <remarks>
/// <see cref="Turn"/> serialises changes of the head and is held over calls; <see cref="Gate"/> is a leaf and guards
/// the rest. Forgetting a column that has nothing unflushed is always safe: changes in the cluster demand that it is
/// as they think.
/// </remarks>
internal sealed class RadosColumn(ColumnId id)
{
    private const int RecentCount = 8;
    private readonly (int Unit, UnitHead Head)[] _recent = new (int, UnitHead)[RecentCount];
    private readonly List<(int First, int Last)> _underWay = [];
    private int _recentCount;
    private int _nextRecent;
    private ColumnHead? _head;

    internal ColumnId Id => id;

    /// <summary>One change of the head at a time.</summary>
    internal SemaphoreSlim Turn { get; } = new(1);

    internal Lock Gate { get; } = new();

    /// <summary>Whether the head is known.</summary>
    internal bool IsLoaded => Volatile.Read(ref _head) is not null;

    /// <summary>The head in the cluster. Changed under <see cref="Turn"/>.</summary>
    internal ColumnHead Head => Volatile.Read(ref _head)
        ?? throw new InvalidOperationException("The column is not loaded.");

    /// <summary>The units there are. Under <see cref="Gate"/>.</summary>
    internal UnitSet Units { get; private set; } = new();

    /// <summary>Units from here on, before <see cref="To"/>, may be made without a change of the head. Under the
    /// gate.</summary>
    internal int From { get; private set; }

    internal int To { get; private set; }

    /// <summary>The set that the column belongs to is known to be complete: it may be written.</summary>
    internal volatile bool IsAdopted;

    /// <summary>Whether it was made and never written or flushed.</summary>
    internal bool IsEmptyAndFresh
    {
        get
        {
            lock (Gate)
            {
                return Head.IsFresh && Units.Last < 0;
            }
        }
    }

    /// <summary>Whether something in it waits for a flush.</summary>
    internal bool IsDirty
    {
        get
        {
            lock (Gate)
            {
                return IsLoaded && (_underWay.Count > 0 || !Units.IsSame(Head.Units));
            }
        }
    }

    /// <summary>Takes over what the cluster has.</summary>
    internal void Load(ColumnHead head, UnitSet units)
    {
        lock (Gate)
        {
            Units = units;
            From = head.From;
            To = head.To;
            Volatile.Write(ref _head, head);
        }
    }

    /// <summary>Whether a unit is there.</summary>
    internal bool Has(int unit)
    {
        lock (Gate)
        {
            return Units.Has(unit);
        }
    }

    /// <summary>Notes that units are about to be written, if the head allows that they are made.</summary>
    internal bool TryBegin(int first, int last)
    {
        lock (Gate)
        {
            for (int unit = first; unit <= last; unit++)
            {
                if (!Units.Has(unit) && (unit < From || unit >= To))
                {
                    return false;
                }
            }

            _underWay.Add((first, last));
            return true;
        }
    }

    internal void End(int first, int last)
    {
        lock (Gate)
        {
            _underWay.Remove((first, last));
        }
    }

    /// <summary>What a flush that starts now is to write down. From here on others may not make units that it leaves
    /// out.</summary>
    /// <returns>Null where nothing is to be flushed.</returns>
    internal UnitSet? BeginFlush(out int from, out int to)
    {
        lock (Gate)
        {
            from = int.MaxValue;
            to = 0;
            foreach ((int first, int last) in _underWay)
            {
                from = Math.Min(from, first);
                to = Math.Max(to, last + 1);
            }

            from = Math.Min(from, to);
            if (!Head.IsFresh && From >= To && Units.IsSame(Head.Units))
            {
                return null;
            }

            From = from;
            To = to;
            return Units.Clone();
        }
    }

    /// <summary>Sets what units may be made.</summary>
    internal void SetRange(int from, int to)
    {
        lock (Gate)
        {
            From = from;
            To = to;
        }
    }

    /// <summary>The head as it is now in the cluster.</summary>
    internal void SetHead(ColumnHead head) => Volatile.Write(ref _head, head);

    internal void Forget()
    {
        lock (Gate)
        {
            Volatile.Write(ref _head, null);
            _recentCount = 0;
            IsAdopted = false;
        }
    }

    /// <summary>A unit was written: it is there, with this head.</summary>
    internal void Written(int unit, UnitHead head)
    {
        lock (Gate)
        {
            Units.Add(unit);
            RememberLocked(unit, head);
        }
    }

    /// <summary>Units from one on are gone.</summary>
    internal void Cut(int first)
    {
        lock (Gate)
        {
            Units.RemoveFrom(first);
            _recentCount = 0;
        }
    }

    /// <summary>The head that a unit had last, or null. It may have another by now.</summary>
    internal UnitHead? FindHead(int unit)
    {
        lock (Gate)
        {
            for (int i = 0; i < _recentCount; i++)
            {
                if (_recent[i].Unit == unit)
                {
                    return _recent[i].Head;
                }
            }

            return null;
        }
    }

    private void RememberLocked(int unit, UnitHead head)
    {
        for (int i = 0; i < _recentCount; i++)
        {
            if (_recent[i].Unit == unit)
            {
                _recent[i].Head = head;
                return;
            }
        }

        _nextRecent = (_nextRecent + 1) % RecentCount;
        int at = _recentCount < RecentCount ? _recentCount++ : _nextRecent;
        _recent[at] = (unit, head);
    }
}
