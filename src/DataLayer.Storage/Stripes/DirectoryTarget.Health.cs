using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <content>Identity, state, space.</content>
internal sealed partial class DirectoryTarget
{
    private readonly TargetCondition _condition;
    private readonly TargetRoom _room;

    /// <inheritdoc/>
    public TargetState State => _condition.State;

    /// <inheritdoc/>
    public string? Fault => _condition.Fault;

    /// <inheritdoc/>
    public void SetDraining(bool draining) => _condition.SetDraining(draining);

    /// <inheritdoc/>
    public TargetSpace GetSpace() => _room.Get();

    /// <inheritdoc/>
    public bool HasRoom(long bytes, InodeId inode = default) => _room.Has(bytes, inode);

    /// <inheritdoc/>
    public void SetHolds(ShareMap? shares, IReadOnlyList<SpaceHold> holds) => _room.SetHolds(shares, holds);

    /// <inheritdoc/>
    public async ValueTask CheckAsync(CancellationToken cancellationToken)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        cancellationToken.ThrowIfCancellationRequested();
        string? problem = FindIdentityProblem();
        bool isBack = _condition.SetMissing(problem);
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

        if (_room.Refresh().IsReadOnly)
        {
            _condition.Fence(
                $"The file system of '{Location}' is read-only. Check the kernel log, repair and remount it.",
                renew: false);
        }

        TryEndFence();
    }

    private void TryEndFence()
    {
        if (!_condition.IsFenceOver)
        {
            return;
        }

        try
        {
            Probe();
            _condition.EndFence();
        }
        catch (DataLayerException fault)
        {
            _condition.Fence(fault.Message, renew: true);
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
            TargetIdentity? found = TargetIdentity.TryRead(_site);
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
        _condition.SetMissing(problem);
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
            _ = _room.Refresh(); // What was known of it was wrong: others write there too.
        }

        if (isWrite && fault.Code == ErrorCode.TargetFailed && !fault.Data.Contains(ColumnFile.RememberedKey))
        {
            _condition.Fence(fault.Message, renew: false);
        }

        return new DataLayerException(fault.Code, $"Target {Number} ({Location}): {fault.Message}", fault);
    }
}
