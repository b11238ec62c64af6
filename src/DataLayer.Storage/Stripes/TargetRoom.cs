using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// What a target has room for: the last known space of what it lies on, less what was taken since, less the reserve,
/// less what is held for shares of others.
/// </summary>
/// <remarks>
/// The space is read by a call that is quick (<c>statvfs</c>), at most once a second but where it runs low; or, where
/// asking takes a while, whoever asks in the background says what came out (<see cref="Set"/>). Safe from any thread;
/// its lock is a leaf.
/// </remarks>
internal sealed class TargetRoom
{
    /// <summary>A file system with fewer free inodes than this counts as full.</summary>
    private const int SpareInodeCount = 8;

    private static readonly TimeSpan _spaceAge = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private readonly string _location;
    private readonly long _reserveBytes;
    private readonly TimeProvider _time;
    private readonly Func<FileSystemSpace>? _read;
    private FileSystemSpace _space;
    private long _spaceAt;
    private long _takenBytes;
    private ShareMap? _shares;
    private SpaceHold[] _holds = [];
    private bool _hasSpace;

    /// <summary>Makes one that knows nothing yet.</summary>
    /// <param name="location">The target, for people.</param>
    /// <param name="reserveBytes">Bytes that stay free.</param>
    /// <param name="time">The clock.</param>
    /// <param name="read">Reads the space at once; null where <see cref="Set"/> is told.</param>
    internal TargetRoom(string location, long reserveBytes, TimeProvider time, Func<FileSystemSpace>? read)
    {
        _location = location;
        _reserveBytes = reserveBytes;
        _time = time;
        _read = read;
    }

    /// <summary>The space as it is known.</summary>
    internal TargetSpace Get()
    {
        lock (_gate)
        {
            RefreshLocked(force: false);
            long free = Math.Max(0, _space.AvailableBytes - _takenBytes - _reserveBytes);
            return new TargetSpace(_space.CapacityBytes, free,
                Math.Max(0, _space.CapacityBytes - _space.AvailableBytes), _space.Id);
        }
    }

    /// <summary>See <see cref="ITarget.HasRoom"/>.</summary>
    internal bool Has(long bytes, InodeId inode)
    {
        lock (_gate)
        {
            long held = HeldFromLocked(inode, out _);
            RefreshLocked(force: false);
            if (!HasLocked(bytes + held) || !HasInodesLocked())
            {
                RefreshLocked(force: true);
            }

            return HasLocked(bytes + held) && HasInodesLocked();
        }
    }

    /// <summary>See <see cref="ITarget.SetHolds"/>.</summary>
    internal void SetHolds(ShareMap? shares, IReadOnlyList<SpaceHold> holds)
    {
        lock (_gate)
        {
            _shares = holds.Count > 0 ? shares : null;
            _holds = [.. holds];
        }
    }

    /// <summary>
    /// Keeps the reserve free: fails before anything was written. Takes from the last reading; asks again when that
    /// runs low.
    /// </summary>
    /// <param name="bytes">How many.</param>
    /// <param name="inode">Whose they are: its share's hold shrinks by them.</param>
    /// <param name="spareHolds">Whether those of other shares are left alone.</param>
    internal void Take(long bytes, InodeId inode, bool spareHolds = true)
    {
        lock (_gate)
        {
            long held = HeldFromLocked(inode, out int own);
            held = spareHolds ? held : 0;
            RefreshLocked(force: false);
            if (!HasLocked(bytes + held))
            {
                RefreshLocked(force: true);
            }

            if (!HasLocked(bytes + held))
            {
                string shares = held > 0 ? $" and {held} for headrooms ('datalayer headroom list')" : string.Empty;
                throw new DataLayerException(ErrorCode.NoSpace,
                    $"'{_location}' has {_space.AvailableBytes} bytes free and keeps {_reserveBytes} in "
                        + $"reserve{shares}. Free space or add a target.");
            }

            _takenBytes += bytes;
            if (own >= 0)
            {
                _holds[own] = _holds[own] with { Bytes = Math.Max(0, _holds[own].Bytes - bytes) };
            }
        }
    }

    /// <summary>Reads the space now; the last known values where that fails.</summary>
    internal FileSystemSpace Refresh()
    {
        lock (_gate)
        {
            RefreshLocked(force: true);
            return _space;
        }
    }

    /// <summary>Says what the space is.</summary>
    internal void Set(in FileSystemSpace space)
    {
        lock (_gate)
        {
            SetLocked(space);
        }
    }

    /// <summary>The bytes that an inode may not take, since they are held for others' shares.</summary>
    /// <param name="inode">The inode.</param>
    /// <param name="own">Where its own hold is; below 0 for none.</param>
    private long HeldFromLocked(InodeId inode, out int own)
    {
        own = -1;
        if (_shares is null || inode == default)
        {
            return 0;
        }

        int share = _shares.ShareOf(inode);
        long held = 0;
        for (int i = 0; i < _holds.Length; i++)
        {
            if (_holds[i].Share == share)
            {
                own = i;
            }
            else
            {
                held += _holds[i].Bytes;
            }
        }

        return held;
    }

    private bool HasInodesLocked() => _space.InodeCount == 0 || _space.AvailableInodes >= SpareInodeCount;

    private bool HasLocked(long bytes) => _space.AvailableBytes - _takenBytes - _reserveBytes >= bytes;

    private void RefreshLocked(bool force)
    {
        if (_read is null || (!force && _hasSpace && _time.GetElapsedTime(_spaceAt) < _spaceAge))
        {
            return;
        }

        try
        {
            SetLocked(_read());
        }
        catch (DataLayerException)
        {
            // The last known values stay; the check that follows says what is wrong.
        }
    }

    private void SetLocked(in FileSystemSpace space)
    {
        _space = space;
        _spaceAt = _time.GetTimestamp();
        _takenBytes = 0;
        _hasSpace = true;
    }
}
