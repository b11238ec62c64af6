using DataLayer.Core.Errors;

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
    private readonly Func<string, ITargetSite> _visit;
    private readonly Func<ITarget, ITarget> _decorate;
    private readonly Dictionary<string, ITargetSite> _sites = new(StringComparer.Ordinal);
    private TargetRoster _roster;
    private ITarget?[] _byNumber = [];

    private TargetSet(
        HotTierOptions options, Func<string, ITargetSite> visit, Func<ITarget, ITarget> decorate)
    {
        _options = options;
        _visit = visit;
        _decorate = decorate;
        _roster = FindRoster() ?? new TargetRoster { Deployment = Guid.NewGuid() };
    }

    /// <summary>Which opening of the hot tier this is; see <see cref="TargetRoster.Session"/>.</summary>
    internal long Session => Volatile.Read(ref _roster).Session;

    /// <summary>The targets by number; null where there is none.</summary>
    internal ReadOnlySpan<ITarget?> ByNumber => Volatile.Read(ref _byNumber);

    /// <summary>Finds all targets; new folders become targets, missing ones are kept as missing.</summary>
    /// <param name="options">Which there are to be.</param>
    /// <param name="visit">Makes the site of a place as it is configured.</param>
    /// <param name="decorate">May put something in front of each target.</param>
    /// <exception cref="DataLayerException">InvalidArgument: a folder belongs to another deployment, or is not
    /// empty.</exception>
    internal static TargetSet Open(
        HotTierOptions options, Func<string, ITargetSite> visit, Func<ITarget, ITarget> decorate)
    {
        TargetSet set = new(options, visit, decorate);
        List<RosterEntry> entries = [.. set._roster.Entries];
        int next = set._roster.NextTarget;
        foreach (PoolOptions pool in options.Pools)
        {
            foreach (string configured in pool.Locations)
            {
                ITargetSite site = set.Visit(configured);
                if (!entries.Exists(entry => entry.Location == site.Location))
                {
                    set.Adopt(site, pool.Name, entries, ref next);
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

    /// <summary>Adds a place to a pool; returns the target.</summary>
    internal ITarget Add(string pool, string location)
    {
        lock (_change)
        {
            List<RosterEntry> entries = [.. _roster.Entries];
            ITargetSite site = Visit(location);
            RosterEntry? known = entries.Find(entry => entry.Location == site.Location);
            int next = _roster.NextTarget;
            if (known is null)
            {
                try
                {
                    known = Adopt(site, pool, entries, ref next);
                }
                catch
                {
                    _sites.Remove(site.Location);
                    site.Dispose();
                    throw;
                }

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
            if (_sites.Remove(target.Location, out ITargetSite? site))
            {
                site.Delete(TargetIdentity.FileName, TargetRoster.FileName);
            }

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

    /// <summary>The site of a place, made once.</summary>
    private ITargetSite Visit(string location)
    {
        ITargetSite site = _visit(location);
        if (_sites.TryAdd(site.Location, site))
        {
            return site;
        }

        site.Dispose();
        return _sites[site.Location];
    }

    /// <summary>The state folder, which is no target.</summary>
    private DirectorySite? StateSite => _options.StateDirectory is { } state ? new DirectorySite(state) : null;

    private TargetRoster? FindRoster()
    {
        TargetRoster? best = null;
        DataLayerException? damaged = null;
        List<ITargetSite> sites = [];
        if (StateSite is { } state)
        {
            state.Prepare();
            sites.Add(state);
        }

        foreach (PoolOptions pool in _options.Pools)
        {
            foreach (string location in pool.Locations)
            {
                sites.Add(Visit(location));
            }
        }

        foreach (ITargetSite site in sites)
        {
            try
            {
                TargetRoster? found = TargetRoster.TryRead(site);
                if (found is not null && best is not null && found.Deployment != best.Deployment)
                {
                    throw new DataLayerException(ErrorCode.InvalidArgument,
                        $"'{site.Location}' belongs to deployment {found.Deployment}, others to {best.Deployment}. "
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

    private RosterEntry Adopt(ITargetSite site, string pool, List<RosterEntry> entries, ref int next)
    {
        _ = GetPool(pool);
        site.Prepare();
        TargetIdentity? identity = TargetIdentity.TryRead(site);
        if (identity is not null && identity.Deployment != _roster.Deployment)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument,
                $"'{site.Location}' is target {identity.Target} of another deployment ({identity.Deployment}). Use "
                    + $"another folder or namespace, or delete what is in it.");
        }

        int index = identity is null ? -1 : entries.FindIndex(entry => entry.Target == identity.Target);
        if (index >= 0)
        {
            // The same target under another path: it moved.
            return entries[index] = entries[index] with { Location = site.Location };
        }

        if (identity is not null && identity.Target < next)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument,
                $"'{site.Location}' was target {identity.Target} and was removed. Delete '{TargetIdentity.FileName}' "
                    + $"in it to add it anew.");
        }

        if (identity is null)
        {
            site.CheckEmpty();
            identity = new TargetIdentity(_roster.Deployment, next, pool);
            identity.Write(site);
        }

        next = Math.Max(next, identity.Target + 1);
        RosterEntry added = new(identity.Target, identity.Pool, site.Location, IsDraining: false);
        entries.Add(added);
        return added;
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
        ITarget target = _decorate(Visit(entry.Location).MakeTarget(
            new TargetIdentity(roster.Deployment, entry.Target, entry.Pool), GetPool(entry.Pool)));
        target.SetDraining(entry.IsDraining);
        return target;
    }

    private void WriteEverywhere(TargetRoster roster)
    {
        int written = 0;
        DataLayerException? failure = null;
        byte[] text = roster.Format();
        List<ITargetSite> sites = StateSite is { } state ? [state] : [];
        foreach (RosterEntry entry in roster.Entries)
        {
            sites.Add(Visit(entry.Location));
        }

        for (int i = 0; i < sites.Count; i++)
        {
            try
            {
                // One that lost its identity is a missing mount: nothing is written there.
                bool isState = i == 0 && _options.StateDirectory is not null;
                if (isState || sites[i].TryRead(TargetIdentity.FileName) is not null)
                {
                    sites[i].Write(TargetRoster.FileName, text, replace: true);
                    written++;
                }
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
