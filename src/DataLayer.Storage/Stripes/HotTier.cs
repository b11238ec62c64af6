using System.Collections.Immutable;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes.Rados;
using Microsoft.Extensions.Logging;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// The hot tier: contents striped over the targets of pools with checksums and copies, and small contents as records of
/// segments.
/// </summary>
/// <remarks>
/// Invariants: bytes that reach a caller passed their checksum, which binds who they are; bytes of an acknowledged
/// flush survive a crash and the loss of all copies but one; a failed flush is repeated to every later one until the
/// data was written again. All calls are safe from any thread. Buffers belong to the caller and are free when the call
/// has ended, cancelled or not. A write goes to every copy or fails; after a failure bytes of its range may be old or
/// new, and the next flush says so. Life: opened, used, <see cref="DisposeAsync"/>, which flushes what is open. A
/// killed process loses nothing it wrote.
/// </remarks>
public sealed partial class HotTier : IAsyncDisposable
{
    private const int LockCount = 64;
    private readonly HotTierOptions _options;
    private readonly ILogger<HotTier> _log;
    private readonly TargetSet _targets;
    private readonly SegmentStore _segments;
    private readonly SemaphoreSlim[] _contentLocks = new SemaphoreSlim[LockCount];
    private readonly CancellationTokenSource _stop = new();
    private readonly HotTierMeter _meter = new();
    private Task _checks = Task.CompletedTask;

    private HotTier(HotTierOptions options, TargetSet targets, ILogger<HotTier> log)
    {
        _options = options;
        _targets = targets;
        _log = log;
        _segments = new SegmentStore(options, targets, _meter, log);
        for (int i = 0; i < LockCount; i++)
        {
            _contentLocks[i] = new SemaphoreSlim(1);
        }
    }

    /// <summary>Opens the hot tier: finds its targets and segments; folders that are new become targets.</summary>
    /// <param name="options">Pools and bounds; validated.</param>
    /// <param name="time">The clock of checks, fences and space readings.</param>
    /// <param name="log">Gets one message for each change of a target's state and each repair, none for a
    /// block.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument: bad options, or a folder that is not ours. A missing
    /// target is no error.</exception>
    public static ValueTask<HotTier> OpenAsync(
        HotTierOptions options, TimeProvider time, ILogger<HotTier> log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(log);
        return OpenAsync(
            options, time, log, options.DecorateTarget ?? (static target => target), cancellationToken);
    }

    /// <summary>As the public one; <paramref name="decorate"/> may put a faulty target of a test in front of
    /// each.</summary>
    internal static async ValueTask<HotTier> OpenAsync(HotTierOptions options, TimeProvider time, ILogger<HotTier> log,
        Func<ITarget, ITarget> decorate, CancellationToken cancellationToken)
    {
        options.Validate();
        int targetCount = 0;
        foreach (PoolOptions pool in options.Pools)
        {
            targetCount += pool.Locations.Count;
        }

        DirectoryTargetOptions folders = new()
        {
            ConcurrencyCount = options.TargetConcurrencyCount,
            WaitLimit = options.WaitLimit,
            OpenColumnCount = Math.Max(4, options.OpenFileCount / 2 / targetCount),
            FenceTime = options.FenceTime,
            Step = options.StepHook,
            Time = time,
        };
        RadosTargetOptions clusters = new()
        {
            ConcurrencyCount = options.TargetConcurrencyCount,
            WaitLimit = options.WaitLimit,
            FenceTime = options.FenceTime,
            Step = options.StepHook,
            Time = time,
        };
        TargetSet targets = TargetSet.Open(options, location => RadosAddress.IsOne(location)
            ? new RadosSite(RadosAddress.Parse(location), clusters) : new DirectorySite(location, folders), decorate);
        HotTier tier = new(options, targets, log);
        await tier.CheckTargetsAsync(cancellationToken).ConfigureAwait(false);
        await tier._segments.LoadAsync(cancellationToken).ConfigureAwait(false);
        tier._checks = tier.CheckPeriodicallyAsync(time);
        return tier;
    }

    /// <summary>The pool that takes contents of which none is named.</summary>
    public string DefaultPool => _options.DefaultPool;

    /// <summary>Whether a content of this size goes to a segment (≤ the pool's small-file limit) rather than to
    /// stripes.</summary>
    /// <param name="pool">The pool, or null for the default.</param>
    /// <param name="sizeBytes">The content's size, bytes.</param>
    public bool UsesSegment(string? pool, long sizeBytes) => sizeBytes <= _targets.GetPool(pool).SegmentLimitBytes
        && _targets.GetPool(pool).SegmentLimitBytes > 0;

    /// <summary>
    /// Chooses targets for a striped content: width and unit of the pool (width 1 up to one unit), the start derived
    /// from the inode, only targets that are well and have room. Nothing is written.
    /// </summary>
    /// <param name="pool">The pool, or null for the default.</param>
    /// <param name="content">The content.</param>
    /// <param name="expectedSizeBytes">Its size if known, else 0.</param>
    /// <param name="keyId">Under which of <see cref="Keys"/> its bytes are encrypted; 0 where they are not.</param>
    /// <exception cref="DataLayerException">NoSpace: fewer targets than copies have room.</exception>
    public StripedPlacement PlaceStriped(string? pool, ContentId content, long expectedSizeBytes, long keyId = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(expectedSizeBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(keyId);
        StripedPlacement chosen = TargetChoice.Place(
            _targets.GetPool(pool), _targets.ByNumber, content, expectedSizeBytes);
        return chosen with { KeyId = keyId };
    }

    /// <summary>What a striped content takes on each of its targets at the pool's full width, bytes.</summary>
    /// <param name="pool">The pool, or null for the default.</param>
    /// <param name="sizeBytes">The content's size, bytes.</param>
    public long ShareOf(string? pool, long sizeBytes)
    {
        PoolOptions options = _targets.GetPool(pool);
        return sizeBytes <= options.UnitBytes
            ? sizeBytes
            : (sizeBytes / Math.Min(options.Width, options.Locations.Count)) + 1;
    }

    /// <summary>The targets on which what is freed is room for these: themselves, and those on the same file
    /// systems.</summary>
    public ImmutableArray<int> SharingSpace(ImmutableArray<int> targets)
    {
        HashSet<ulong> systems = [];
        foreach (int number in targets)
        {
            systems.Add(_targets.Get(number).GetSpace().FileSystemId);
        }

        systems.Remove(0);
        List<int> sharing = [.. targets];
        foreach (ITarget? target in _targets.ByNumber)
        {
            if (target is not null && !sharing.Contains(target.Number)
                && systems.Contains(target.GetSpace().FileSystemId))
            {
                sharing.Add(target.Number);
            }
        }

        return [.. sharing];
    }

    /// <summary>Whether a write would find room now.</summary>
    /// <param name="pool">The pool, or null for the default.</param>
    /// <param name="targets">The targets it goes to, each; none for any of the pool, one for each copy.</param>
    /// <param name="bytes">How much on each target, bytes.</param>
    /// <param name="inode">Whose they are: what is held for others' shares is not room for it.</param>
    public bool HasRoom(string? pool, ImmutableArray<int> targets, long bytes, InodeId inode)
    {
        if (targets.IsDefaultOrEmpty)
        {
            PoolOptions options = _targets.GetPool(pool);
            return TargetChoice.FindEligible(options, _targets.ByNumber, bytes, excluded: [], inode).Count
                >= options.CopyCount;
        }

        foreach (int target in targets)
        {
            if (!_targets.Get(target).HasRoom(bytes, inode))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Adds a target to a pool while the service runs; returns its persistent number.</summary>
    /// <param name="pool">The pool's name.</param>
    /// <param name="location">An empty folder, or the address of an empty namespace of a RADOS pool
    /// (docs/CONFIGURATION.md); or one that is a target of this deployment already.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument: no such pool, or a place that is not empty or not ours.
    /// TargetFailed, TimedOut, PermissionDenied: it cannot be used.</exception>
    public async ValueTask<int> AddTargetAsync(string pool, string location, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(location);
        if (!RadosAddress.IsOne(location)
            && (!Path.IsPathFullyQualified(location) || location.Contains('\n', StringComparison.Ordinal)))
        {
            throw new DataLayerException(ErrorCode.InvalidArgument,
                $"'{location}' is neither an absolute path on the service's machine nor a rados:// address.");
        }

        // Places are looked at by calls that block.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        ITarget target = _targets.Add(pool, location);
        await target.CheckAsync(cancellationToken).ConfigureAwait(false);
        return target.Number;
    }

    /// <summary>A draining target gets no new content. Remembered over restarts.</summary>
    /// <exception cref="DataLayerException">TargetFailed: there is no such target.</exception>
    public void SetDraining(int target, bool draining) => _targets.SetDraining(target, draining);

    /// <summary>Removes an empty, drained target and its identity; take its folder out of the configuration
    /// too.</summary>
    /// <exception cref="DataLayerException">NotEmpty: contents or segments are on it. InvalidArgument: it does not
    /// drain.</exception>
    public async ValueTask RemoveTargetAsync(int target, CancellationToken cancellationToken)
    {
        ITarget leaving = _targets.Get(target);
        if (leaving.State != TargetState.Draining)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument,
                $"Target {target} is not draining. Drain it first.");
        }

        await foreach (ColumnId column in leaving.EnumerateColumnsAsync(cancellationToken).ConfigureAwait(false))
        {
            throw new DataLayerException(ErrorCode.NotEmpty,
                $"Target {target} still holds content {column.Content}. Drain it first.");
        }

        await _segments.RemoveEmptyOnAsync(target, cancellationToken).ConfigureAwait(false);
        if ((await leaving.ListSegmentsAsync(cancellationToken).ConfigureAwait(false)).Count > 0)
        {
            throw new DataLayerException(ErrorCode.NotEmpty, $"Target {target} still holds segments. Drain it first.");
        }

        await _targets.Remove(target).DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// All targets as they are now. Those on one file system have equal parts of its space, so that sums are right.
    /// </summary>
    public IReadOnlyList<TargetStatus> GetTargets()
    {
        List<TargetStatus> list = [];
        List<(ITarget Target, TargetSpace Space)> spaces = [];
        Dictionary<ulong, int> sharing = [];
        foreach (ITarget? target in _targets.ByNumber)
        {
            if (target is not null)
            {
                TargetSpace space = target.GetSpace();
                spaces.Add((target, space));
                sharing[space.FileSystemId] = sharing.GetValueOrDefault(space.FileSystemId) + 1;
            }
        }

        foreach ((ITarget target, TargetSpace space) in spaces)
        {
            int shares = space.FileSystemId == 0 ? 1 : sharing[space.FileSystemId];
            string state = target.State switch
            {
                TargetState.Ok => "ok",
                TargetState.Draining => "draining",
                TargetState.Fenced => "fenced",
                _ => "missing",
            };
            list.Add(new TargetStatus(
                target.Number, target.Pool, target.Location, state, space.CapacityBytes / shares,
                space.FreeBytes / shares, space.UsedBytes / shares, target.Fault));
        }

        return list;
    }

    /// <summary>Looks at every target now instead of at the next interval: missing ones may be back, fences may
    /// end.</summary>
    public async ValueTask CheckTargetsAsync(CancellationToken cancellationToken)
    {
        // Side by side: one that takes long to answer does not keep the others from coming back.
        List<Task> checks = [];
        foreach (ITarget? target in _targets.ByNumber)
        {
            if (target is not null)
            {
                checks.Add(CheckTargetAsync(target, cancellationToken));
            }
        }

        await Gather.AllAsync(checks.ToArray()).ConfigureAwait(false);
    }

    private async Task CheckTargetAsync(ITarget target, CancellationToken cancellationToken)
    {
        TargetState before = target.State;
        await target.CheckAsync(cancellationToken).ConfigureAwait(false);
        if (target.State != before)
        {
            HotTierLog.TargetChanged(
                _log, target.Number, target.Location, before, target.State, target.Fault ?? "well");
        }
    }

    /// <summary>Stops the checks, flushes and closes everything that is open.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _checks.ConfigureAwait(false);
        foreach (ITarget? target in _targets.ByNumber.ToArray())
        {
            if (target is not null)
            {
                await target.DisposeAsync().ConfigureAwait(false);
            }
        }

        foreach (SemaphoreSlim contentLock in _contentLocks)
        {
            contentLock.Dispose();
        }

        _segments.Dispose();
        _sealed.Dispose();
        _meter.Dispose();
        _stop.Dispose();
    }

    private SemaphoreSlim LockOf(ContentId content) => _contentLocks[(uint)content.GetHashCode() % LockCount];

    private async Task CheckPeriodicallyAsync(TimeProvider time)
    {
        using PeriodicTimer timer = new(_options.CheckInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                await CheckTargetsAsync(_stop.Token).ConfigureAwait(false);
                await _segments.LoadAsync(_stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }
}
