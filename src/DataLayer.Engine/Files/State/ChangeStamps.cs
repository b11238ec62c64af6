using DataLayer.Core.Identity;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// Says whether something read from the tree may have changed since: a table of counters indexed by the hash of an
/// inode or of a name.
/// </summary>
/// <remarks>
/// Whoever changes the tree opens a <see cref="ChangeScope"/> before the transaction and disposes it after; each end
/// counts up. A reader takes the stamp, reads the tree, and keeps what it read with the stamp; it is good only while
/// the stamp is the same. So nothing read before the end of a change is served after it, and a hash collision costs
/// one needless read, never a stale answer.
/// </remarks>
internal sealed class ChangeStamps
{
    private const int TableLength = 1 << 16;
    private readonly long[] _table = new long[TableLength];
    private long _all;
    private long _changes;

    /// <summary>Who is told of changes.</summary>
    public ChangeFeed Feed { get; } = new();

    /// <summary>Counts every beginning and end of a change.</summary>
    public long Changes => Volatile.Read(ref _changes);

    public long Of(InodeId inode) => At(Slot(inode));

    public long Of(InodeId folder, string name) => At(Slot(folder, name));

    /// <summary>Everything may have changed (an import).</summary>
    public void BumpAll()
    {
        Interlocked.Increment(ref _all);
        Interlocked.Increment(ref _changes);
    }

    internal void Bump(int slot)
    {
        Interlocked.Increment(ref _table[slot]);
        Interlocked.Increment(ref _changes);
    }

    internal static int Slot(InodeId inode) => (int)((ulong)(inode.Value * unchecked((long)0x9E3779B97F4A7C15)) >> 48);

    internal static int Slot(InodeId folder, string name) =>
        (HashCode.Combine(folder.Value, name) & int.MaxValue) % TableLength;

    private long At(int slot) => Volatile.Read(ref _table[slot]) + Volatile.Read(ref _all);
}

/// <summary>
/// One change of the tree under way; see <see cref="ChangeStamps"/>. Disposed after the transaction, whatever came of
/// it.
/// </summary>
internal sealed class ChangeScope : IDisposable
{
    /// <summary>
    /// The origin of changes that no user sees: where a content lies, lengths that were told already.
    /// </summary>
    public static readonly object Unseen = new();

    private readonly ChangeStamps _stamps;
    private readonly List<int> _slots = new(6);
    private readonly bool _all;
    private readonly object? _origin;
    private readonly List<(InodeId Inode, string? Name)>? _told;
    private bool _ended;

    /// <summary>Begins a change.</summary>
    /// <param name="stamps">The engine's stamps.</param>
    /// <param name="all">Everything may change.</param>
    /// <param name="origin">
    /// Whose change it is: observers of the same origin are not told, and of <see cref="Unseen"/> none.
    /// </param>
    public ChangeScope(ChangeStamps stamps, bool all = false, object? origin = null)
    {
        _stamps = stamps;
        _all = all;
        _origin = origin;
        _told = stamps.Feed.HasObservers && origin != Unseen ? [] : null;
        if (all)
        {
            stamps.BumpAll();
        }
    }

    public ChangeScope Inode(InodeId inode)
    {
        _told?.Add((inode, null));
        return Bump(inode);
    }

    /// <summary>The name and the folder's listing.</summary>
    public ChangeScope Name(InodeId folder, string name)
    {
        int slot = ChangeStamps.Slot(folder, name);
        _slots.Add(slot);
        _stamps.Bump(slot);
        _told?.Add((folder, name));
        return Bump(folder);
    }

    public void Dispose()
    {
        if (_ended)
        {
            return;
        }

        _ended = true;
        foreach (int slot in _slots)
        {
            _stamps.Bump(slot);
        }

        if (_all)
        {
            _stamps.BumpAll();
        }

        if (_told is not null)
        {
            _stamps.Feed.Tell(_told, _all, _origin);
        }
    }

    private ChangeScope Bump(InodeId inode)
    {
        int slot = ChangeStamps.Slot(inode);
        _slots.Add(slot);
        _stamps.Bump(slot);
        return this;
    }
}
