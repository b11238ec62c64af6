using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// The targets of a deployment: finds them at start from configuration and roster, refuses foreign folders, adds and
/// removes them while the service runs. Readers take an immutable snapshot.
/// </summary>
/// <remarks>Lock order: <c>_change</c> serialises changes and is held over file calls; snapshots are read without
/// it.</remarks>
internal sealed class TargetSet
{
    private readonly Lock _change = new();
    private readonly HotTierOptions _options;
    private readonly Func<TargetIdentity, string, PoolOptions, ITarget> _make;
    private TargetRoster _roster;
    private ITarget?[] _byNumber = [];

    private TargetSet(HotTierOptions options, Func<TargetIdentity, string, PoolOptions, ITarget> make,
        TargetRoster roster)
    {
        _options = options;
        _make = make;
        _roster = roster;
    }

    /// <summary>Which opening of the hot tier this is; see <see cref="TargetRoster.Session"/>.</summary>
    internal long Session => Volatile.Read(ref _roster).Session;

    /// <summary>The targets by number; null where there is none.</summary>
    internal ReadOnlySpan<ITarget?> ByNumber => Volatile.Read(ref _byNumber);

    /// <summary>Finds all targets; new folders become targets, missing ones are kept as missing.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: a folder belongs to another deployment, or is not
    /// empty.</exception>
    internal static TargetSet Open(HotTierOptions options, Func<TargetIdentity, string, PoolOptions, ITarget> make)
    {
        TargetRoster? roster = FindRoster(options);
        TargetSet set = new(options, make, roster ?? new TargetRoster { Deployment = Guid.NewGuid() });
        List<RosterEntry> entries = [.. set._roster.Entries];
        int next = set._roster.NextTarget;
        foreach (PoolOptions pool in options.Pools)
        {
            foreach (string configured in pool.Directories)
            {
                string directory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(configured));
                if (!entries.Exists(entry => entry.Directory == directory))
                {
                    set.Adopt(directory, pool.Name, entries, ref next);
                }
            }
        }

        entries.Sort(static (a, b) => a.Target.CompareTo(b.Target));
        set.Publish(set._roster with { Entries = entries, NextTarget = next, Session = set._roster.Session + 1 });
        return set;
    }

    /// <summary>The target of a number.</summary>
    /// <exception cref="DataLayerException">TargetFailed: there is no such target.</exception>
    internal ITarget Get(int number)
    {
        ITarget?[] targets = Volatile.Read(ref _byNumber);
        return (uint)number < (uint)targets.Length && targets[number] is { } target ? target
            : throw new DataLayerException(ErrorCode.TargetFailed,
                $"Target {number} is not part of this deployment. Add it back, or restore the file.");
    }

    /// <summary>Adds a folder to a pool; returns the target.</summary>
    internal ITarget Add(string pool, string directory)
    {
        lock (_change)
        {
            List<RosterEntry> entries = [.. _roster.Entries];
            directory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
            RosterEntry? known = entries.Find(entry => entry.Directory == directory);
            int next = _roster.NextTarget;
            if (known is null)
            {
                known = Adopt(directory, pool, entries, ref next);
                Publish(_roster with { Entries = entries, NextTarget = next });
            }

            return Get(known.Target);
        }
    }

    /// <summary>Writes down whether a target drains.</summary>
    internal void SetDraining(int number, bool draining)
    {
        lock (_change)
        {
            ITarget target = Get(number);
            List<RosterEntry> entries = [.. _roster.Entries];
            int index = entries.FindIndex(entry => entry.Target == number);
            entries[index] = entries[index] with { IsDraining = draining };
            target.SetDraining(draining);
            Publish(_roster with { Entries = entries });
        }
    }

    /// <summary>Forgets a target and takes its identity away, so the folder can be a new target later.</summary>
    internal ITarget Remove(int number)
    {
        lock (_change)
        {
            ITarget target = Get(number);
            List<RosterEntry> entries = [.. _roster.Entries];
            entries.RemoveAll(entry => entry.Target == number);
            Publish(_roster with { Entries = entries });
            _ = DurableFile.Unlink(Path.Combine(target.Location, TargetIdentity.FileName));
            _ = DurableFile.Unlink(Path.Combine(target.Location, TargetRoster.FileName));
            DurableFile.FlushDirectory(target.Location);
            return target;
        }
    }

    /// <summary>The pool of a name.</summary>
    internal PoolOptions GetPool(string? name)
    {
        name ??= _options.DefaultPool;
        foreach (PoolOptions pool in _options.Pools)
        {
            if (pool.Name == name)
            {
                return pool;
            }
        }

        throw new DataLayerException(ErrorCode.InvalidArgument,
            $"There is no pool '{name}'. Configure it, or use another.");
    }

    private static TargetRoster? FindRoster(HotTierOptions options)
    {
        TargetRoster? best = null;
        DataLayerException? damaged = null;
        List<string> folders = [];
        if (options.StateDirectory is { } state)
        {
            Directory.CreateDirectory(state);
            folders.Add(state);
        }

        foreach (PoolOptions pool in options.Pools)
        {
            folders.AddRange(pool.Directories);
        }

        foreach (string folder in folders)
        {
            try
            {
                TargetRoster? found = TargetRoster.TryRead(folder);
                if (found is not null && best is not null && found.Deployment != best.Deployment)
                {
                    throw new DataLayerException(ErrorCode.InvalidArgument,
                        $"'{folder}' belongs to deployment {found.Deployment}, others to {best.Deployment}. "
                            + $"Configure targets of one deployment only.");
                }

                best = found is not null && (best is null || found.Version > best.Version) ? found : best;
            }
            catch (DataLayerException fault) when (fault.Code != ErrorCode.InvalidArgument)
            {
                damaged = fault;
            }
        }

        return best is null && damaged is not null ? throw damaged : best;
    }

    private RosterEntry Adopt(string directory, string pool, List<RosterEntry> entries, ref int next)
    {
        _ = GetPool(pool);
        Directory.CreateDirectory(directory);
        TargetIdentity? identity = TargetIdentity.TryRead(directory);
        if (identity is not null && identity.Deployment != _roster.Deployment)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument,
                $"'{directory}' is target {identity.Target} of another deployment ({identity.Deployment}). Use "
                    + $"another folder, or delete what is in it.");
        }

        int index = identity is null ? -1 : entries.FindIndex(entry => entry.Target == identity.Target);
        if (index >= 0)
        {
            // The same target under another path: it moved.
            return entries[index] = entries[index] with { Directory = directory };
        }

        if (identity is not null && identity.Target < next)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument,
                $"'{directory}' was target {identity.Target} and was removed. Delete '{TargetIdentity.FileName}' in "
                    + $"it to add it anew.");
        }

        if (identity is null)
        {
            CheckEmpty(directory);
            identity = new TargetIdentity(_roster.Deployment, next, pool);
            identity.Write(directory);
        }

        next = Math.Max(next, identity.Target + 1);
        RosterEntry added = new(identity.Target, identity.Pool, directory, IsDraining: false);
        entries.Add(added);
        return added;
    }

    private static void CheckEmpty(string directory)
    {
        foreach (string path in Directory.EnumerateFileSystemEntries(directory))
        {
            string name = Path.GetFileName(path);
            if (name is not ("lost+found" or TargetRoster.FileName) && !name.EndsWith(".tmp", StringComparison.Ordinal))
            {
                throw new DataLayerException(ErrorCode.InvalidArgument,
                    $"'{directory}' is not empty and has no '{TargetIdentity.FileName}'. Give an empty folder, or "
                        + $"mount the target that belongs there.");
            }
        }
    }

    private void Publish(TargetRoster roster)
    {
        roster = roster with { Version = roster.Version + 1 };
        int size = 0;
        foreach (RosterEntry entry in roster.Entries)
        {
            size = Math.Max(size, entry.Target + 1);
        }

        ITarget?[] targets = new ITarget?[size];
        foreach (RosterEntry entry in roster.Entries)
        {
            targets[entry.Target] = entry.Target < _byNumber.Length && _byNumber[entry.Target] is { } known ? known
                : Make(roster, entry);
        }

        WriteEverywhere(roster);
        Volatile.Write(ref _roster, roster);
        Volatile.Write(ref _byNumber, targets);
    }

    private ITarget Make(TargetRoster roster, RosterEntry entry)
    {
        ITarget target = _make(new TargetIdentity(roster.Deployment, entry.Target, entry.Pool), entry.Directory,
            GetPool(entry.Pool));
        target.SetDraining(entry.IsDraining);
        return target;
    }

    private void WriteEverywhere(TargetRoster roster)
    {
        int written = 0;
        DataLayerException? failure = null;
        List<string> folders = _options.StateDirectory is { } state ? [state] : [];
        foreach (RosterEntry entry in roster.Entries)
        {
            if (File.Exists(Path.Combine(entry.Directory, TargetIdentity.FileName)))
            {
                folders.Add(entry.Directory);
            }
        }

        foreach (string folder in folders)
        {
            try
            {
                roster.Write(folder);
                written++;
            }
            catch (DataLayerException fault)
            {
                failure = fault;
            }
        }

        if (written == 0 && failure is not null)
        {
            throw failure;
        }
    }
}
