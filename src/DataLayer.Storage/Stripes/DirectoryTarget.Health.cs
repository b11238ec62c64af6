using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <content>Identity, state, space.</content>
internal sealed partial class DirectoryTarget
{
    /// <summary>A file system with fewer free inodes than this counts as full.</summary>
    private const int SpareInodeCount = 8;

    private static readonly TimeSpan _spaceAge = TimeSpan.FromSeconds(1);
    private readonly Lock _health = new();
    private bool _isDraining;
    private string? _missing;
    private string? _fenced;
    private long _fencedAt;
    private FileSystemSpace _space;
    private long _spaceAt;
    private long _takenBytes;
    private ShareMap? _shares;
    private SpaceHold[] _holds = [];
    private bool _hasSpace;

    /// <inheritdoc/>
    public TargetState State
    {
        get
        {
            lock (_health)
            {
                return _missing is not null ? TargetState.Missing
                    : _fenced is not null ? TargetState.Fenced
                    : _isDraining ? TargetState.Draining : TargetState.Ok;
            }
        }
    }

    /// <inheritdoc/>
    public string? Fault
    {
        get
        {
            lock (_health)
            {
                return _missing ?? _fenced;
            }
        }
    }

    /// <inheritdoc/>
    public void SetDraining(bool draining)
    {
        lock (_health)
        {
            _isDraining = draining;
        }
    }

    /// <inheritdoc/>
    public TargetSpace GetSpace()
    {
        lock (_health)
        {
            RefreshSpaceLocked(force: false);
            long free = Math.Max(0, _space.AvailableBytes - _takenBytes - _options.ReserveBytes);
            return new TargetSpace(_space.CapacityBytes, free,
                Math.Max(0, _space.CapacityBytes - _space.AvailableBytes), _space.Id);
        }
    }

    /// <inheritdoc/>
    public bool HasRoom(long bytes, InodeId inode = default)
    {
        lock (_health)
        {
            long held = HeldFromLocked(inode, out _);
            RefreshSpaceLocked(force: false);
            if (!HasRoomLocked(bytes + held) || !HasInodesLocked())
            {
                RefreshSpaceLocked(force: true);
            }

            return HasRoomLocked(bytes + held) && HasInodesLocked();
        }
    }

    /// <inheritdoc/>
    public void SetHolds(ShareMap? shares, IReadOnlyList<SpaceHold> holds)
    {
        lock (_health)
        {
            _shares = holds.Count > 0 ? shares : null;
            _holds = [.. holds];
        }
    }

    /// <inheritdoc/>
    public async ValueTask CheckAsync(CancellationToken cancellationToken)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        cancellationToken.ThrowIfCancellationRequested();
        string? problem = FindIdentityProblem();
        bool isBack;
        lock (_health)
        {
            isBack = _missing is not null && problem is null;
            _missing = problem;
        }

        if (problem is not null || isBack || State == TargetState.Fenced)
        {
            // What is still open belongs to a mount that went away or must be let go for a repair.
            _columns.CloseAll();
            _segments.CloseAll();
        }

        if (problem is not null)
        {
            return;
        }

        lock (_health)
        {
            RefreshSpaceLocked(force: true);
            if (_fenced is null && _space.IsReadOnly)
            {
                FenceLocked($"The file system of '{Location}' is read-only. Check the kernel log, repair and "
                    + $"remount it.");
            }
        }

        TryEndFence();
    }

    private void TryEndFence()
    {
        lock (_health)
        {
            if (_fenced is null || _options.Time.GetElapsedTime(_fencedAt) < _options.FenceTime)
            {
                return;
            }
        }

        try
        {
            Probe();
            lock (_health)
            {
                _fenced = null;
            }
        }
        catch (DataLayerException fault)
        {
            lock (_health)
            {
                FenceLocked(fault.Message);
            }
        }
    }

    /// <summary>Writes, flushes and reads back a file of the target, and flushes its folder.</summary>
    private void Probe()
    {
        string path = Path.Combine(Location, ".probe");
        byte[] bytes = new byte[4096];
        byte[] back = new byte[4096];
        Array.Fill(bytes, (byte)0xA5);
        using (SafeFileHandle file = DurableFile.Open(path, write: true, create: true))
        {
            DurableFile.Write(file, path, bytes, 0);
            DurableFile.Flush(file, path);
            DurableFile.Advise(file, 0, 0, Libc.AdviseDontNeed);
            if (DurableFile.Read(file, path, back, 0) != back.Length || !back.AsSpan().SequenceEqual(bytes))
            {
                throw new DataLayerException(ErrorCode.TargetFailed,
                    $"'{path}' reads back other bytes than were written. Replace the disk.");
            }
        }

        _ = DurableFile.Unlink(path);
        DurableFile.FlushDirectory(Location);
    }

    private string? FindIdentityProblem()
    {
        try
        {
            TargetIdentity? found = TargetIdentity.TryRead(Location);
            return found == _identity ? null
                : found is null ? $"'{Location}' has no identity file: its file system is not mounted, or the "
                    + $"folder was emptied. Mount it."
                : $"'{Location}' is target {found.Target} of pool '{found.Pool}' of deployment {found.Deployment}, "
                    + $"not target "
                    + $"{_identity.Target} of pool '{_identity.Pool}' of {_identity.Deployment}. Mount the right "
                        + $"file system there.";
        }
        catch (DataLayerException fault)
        {
            return fault.Message;
        }
    }

    /// <summary>A missing name may mean a missing mount: then the target is missing, not the file.</summary>
    private void CheckIdentity()
    {
        if (File.Exists(Path.Combine(Location, TargetIdentity.FileName)))
        {
            return;
        }

        string problem = FindIdentityProblem() ?? $"'{Location}' went away for a moment. Try again.";
        lock (_health)
        {
            _missing = problem;
        }

        throw new DataLayerException(ErrorCode.TargetFailed, problem);
    }

    private void MakeFolder(string folder)
    {
        if (Directory.Exists(folder))
        {
            return;
        }

        CheckIdentity();
        string files = Path.Combine(Location, "files");
        if (DurableFile.MakeDirectory(files))
        {
            DurableFile.FlushDirectory(Location);
        }

        if (DurableFile.MakeDirectory(folder))
        {
            DurableFile.FlushDirectory(files);
        }
    }

    private void ThrowUnlessUsable(bool isWrite)
    {
        lock (_health)
        {
            if (_missing is not null)
            {
                throw new DataLayerException(ErrorCode.TargetFailed, $"Target {Number} is missing: {_missing}");
            }

            if (isWrite && _fenced is not null)
            {
                throw new DataLayerException(ErrorCode.TargetFailed,
                    $"Target {Number} ({Location}) takes no writes after a failure: {_fenced}");
            }
        }
    }

    /// <summary>Keeps the reserve free: fails before anything was written. Takes from the last statvfs; asks again when
    /// that runs low.</summary>
    /// <param name="bytes">How many.</param>
    /// <param name="inode">Whose they are: its share's hold shrinks by them.</param>
    /// <param name="spareHolds">Whether those of other shares are left alone.</param>
    private void TakeRoom(long bytes, InodeId inode, bool spareHolds = true)
    {
        lock (_health)
        {
            long held = HeldFromLocked(inode, out int own);
            held = spareHolds ? held : 0;
            RefreshSpaceLocked(force: false);
            if (!HasRoomLocked(bytes + held))
            {
                RefreshSpaceLocked(force: true);
            }

            if (!HasRoomLocked(bytes + held))
            {
                string shares = held > 0 ? $" and {held} for headrooms ('datalayer headroom list')" : string.Empty;
                throw new DataLayerException(ErrorCode.NoSpace,
                    $"'{Location}' has {_space.AvailableBytes} bytes free and keeps {_options.ReserveBytes} in "
                        + $"reserve{shares}. Free space or add a target.");
            }

            _takenBytes += bytes;
            if (own >= 0)
            {
                _holds[own] = _holds[own] with { Bytes = Math.Max(0, _holds[own].Bytes - bytes) };
            }
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

    private bool HasRoomLocked(long bytes) => _space.AvailableBytes - _takenBytes - _options.ReserveBytes >= bytes;

    private void RefreshSpaceLocked(bool force)
    {
        if (!force && _hasSpace && _options.Time.GetElapsedTime(_spaceAt) < _spaceAge)
        {
            return;
        }

        try
        {
            _space = DurableFile.GetSpace(Location);
            _spaceAt = _options.Time.GetTimestamp();
            _takenBytes = 0;
            _hasSpace = true;
        }
        catch (DataLayerException)
        {
            // The last known values stay; the check that follows says what is wrong.
        }
    }

    private void FenceLocked(string reason)
    {
        _fenced = reason;
        _fencedAt = _options.Time.GetTimestamp();
    }

    /// <summary>The fault with the target's name; a failing write fences the target, a missing identity makes it
    /// missing.</summary>
    private DataLayerException Explain(DataLayerException fault, bool isWrite)
    {
        if (fault.Code is ErrorCode.NotFound or ErrorCode.TargetFailed or ErrorCode.NotADirectory)
        {
            try
            {
                CheckIdentity();
            }
            catch (DataLayerException missing)
            {
                return new DataLayerException(ErrorCode.TargetFailed, $"Target {Number} is missing: {missing.Message}",
                    fault);
            }
        }

        if (isWrite && fault.Code == ErrorCode.NoSpace)
        {
            lock (_health)
            {
                RefreshSpaceLocked(force: true); // What was known of it was wrong: others write there too.
            }
        }

        if (isWrite && fault.Code == ErrorCode.TargetFailed && !fault.Data.Contains(ColumnFile.RememberedKey))
        {
            lock (_health)
            {
                if (_fenced is null)
                {
                    FenceLocked(fault.Message);
                }
            }
        }

        return new DataLayerException(fault.Code, $"Target {Number} ({Location}): {fault.Message}", fault);
    }
}
