namespace DataLayer.Storage.Cache.Memory;

/// <summary>
/// What sweeps of the index found: blocks whose records were copied on, which wait here to be compared with their
/// checksums, and blocks whose records are damaged. Under the cache's lock, but for <see cref="HasSurvivors"/>.
/// </summary>
/// <remarks>
/// Survivors wait in a ring of fixed size. When it is full the newest are not noted: the scrubber comes by them on its
/// round. That happens when many blocks are removed at once and sweeps follow each other without fills between them.
/// </remarks>
internal sealed class SweepReport(int capacity)
{
    private readonly (uint Entry, uint Version)[] _survivors = new (uint, uint)[capacity];
    private readonly Stack<BlockLocation> _damaged = new();
    private int _first;
    private int _count;

    /// <summary>Size of a noted survivor, bytes.</summary>
    public const int SlotBytes = 8;

    /// <summary>Whether survivors wait; from any thread.</summary>
    public bool HasSurvivors => Volatile.Read(ref _count) > 0;

    /// <summary>Notes a block that goes on.</summary>
    public void AddSurvivor(uint entry, uint version)
    {
        if (_count < _survivors.Length)
        {
            _survivors[(_first + _count) % _survivors.Length] = (entry, version);
            _count++;
        }
    }

    /// <summary>Takes the survivor that waits longest.</summary>
    public bool TryTakeSurvivor(out uint entry, out uint version)
    {
        (entry, version) = _survivors[_first];
        if (_count == 0)
        {
            return false;
        }

        _first = (_first + 1) % _survivors.Length;
        _count--;
        return true;
    }

    /// <summary>Notes a damaged record; entry 0 if it does not even lead to one.</summary>
    public void AddDamaged(in BlockLocation location) => _damaged.Push(location);

    /// <summary>Takes a damaged record.</summary>
    public bool TryTakeDamaged(out BlockLocation location) => _damaged.TryPop(out location);
}
