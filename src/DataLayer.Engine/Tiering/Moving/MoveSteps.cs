using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Files.Writing;
using DataLayer.Engine.Tiering.Packs;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>
/// The single steps of a move, each by the engine's own way of doing it, each safe to repeat. A step that cannot be
/// done says why in words; what goes wrong is thrown.
/// </summary>
internal sealed class MoveSteps(FileEngine engine)
{
    private static readonly TimeSpan _keyWait = TimeSpan.FromMilliseconds(20);
    private readonly EngineContext _context = engine.Context;

    /// <summary>Waits for the upload that the journal owes, which ends verified and in the tree.</summary>
    /// <returns>Why there is no object of this content; null where there is.</returns>
    public async ValueTask<string?> UploadAsync(InodeId inode, long version, CancellationToken cancellationToken)
    {
        await engine.Uploads.WaitAsync(inode, retryFailures: false, cancellationToken).ConfigureAwait(false);
        FileContent? now = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        return now is null || now.Attributes.Version != version
            ? MoveReasons.Changed
            : now.Attributes.State == TierState.Hot ? MoveReasons.NoUpload : null;
    }

    /// <summary>
    /// Gives the object another storage class. Once begun it comes to its end, also where the job is cancelled: what
    /// the bucket has and what the tree says of it must not part.
    /// </summary>
    /// <returns>Why the class stays; null where it changed.</returns>
    public async ValueTask<string?> ReclassAsync(
        InodeId inode, long version, string storageClass, CancellationToken cancellationToken)
    {
        FileContent? file = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        if (file?.Object is not { } stored || file.Attributes.State == TierState.Hot)
        {
            return file is null ? MoveReasons.Gone : MoveReasons.NoObject;
        }

        using KeyHold hold = await HoldAsync(stored.AttachmentId, stored.Key, cancellationToken)
            .ConfigureAwait(false);
        file = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        if (file?.Object is not { } known || known.Key != stored.Key || file.Attributes.Version != version
            || file.Attributes.State == TierState.Hot)
        {
            return MoveReasons.Changed;
        }

        IObjectStore store = _context.Attachments.StoreOf(known.AttachmentId);
        try
        {
            if (known.IsPacked)
            {
                return MoveReasons.Packed;
            }

            ObjectProperties copied = await store.ChangeClassAsync(
                known.Key, known.ETag, storageClass, _context.Stopping).ConfigureAwait(false);
            _context.Step("reclass.copied");
            // Of a store that left the ETag as it was, no mark tells the copy from before: it counts as just made.
            ObjectProperties marked = copied with { CopiedFrom = known.ETag };
            return await engine.Freshness.RenewAsync(inode, known, marked, CancellationToken.None)
                .ConfigureAwait(false)
                ? null
                : MoveReasons.Changed;
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.Stale)
        {
            return MoveReasons.ObjectChanged;
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.NotSupported)
        {
            return MoveReasons.NoClasses;
        }
    }

    /// <summary>Gives a file in a pack an object of its own again.</summary>
    /// <returns>Why it has none; null where it has.</returns>
    public async ValueTask<string?> UnpackAsync(
        Packer packer, InodeId inode, long version, CancellationToken cancellationToken)
    {
        FileContent? before = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        if (before is null || before.Attributes.Version != version)
        {
            return before is null ? MoveReasons.Gone : MoveReasons.Changed;
        }

        await packer.UnpackAsync([inode], cancellationToken).ConfigureAwait(false);
        FileContent? now = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        return now is { Object.IsPacked: false } && now.Attributes.Version == version ? null : MoveReasons.Changed;
    }

    /// <summary>Asks that the file's object come out of its archive; no effect where that was asked lately.</summary>
    public async ValueTask AskRestoreAsync(InodeId inode, CancellationToken cancellationToken)
    {
        FileContent? file = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        if (file?.Object is { } stored)
        {
            await _context.Archives.AskAsync(stored, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Whether the file's object is still on its way out of its archive.</summary>
    public async ValueTask<bool> IsRestoringAsync(InodeId inode, CancellationToken cancellationToken)
    {
        FileContent? file = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        return file?.Object is { } stored
            && await _context.Archives.IsRestoringAsync(stored, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Takes over the copy that an interrupted change of class may have made, so that it is not taken for somebody
    /// else's object.
    /// </summary>
    public async ValueTask SettleClassAsync(InodeId inode, CancellationToken cancellationToken)
    {
        FileContent? file = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        if (file?.Object is { } known && _context.Attachments.Find(known.AttachmentId) is not null
            && await _context.Attachments.StoreOf(known.AttachmentId).HeadAsync(known.Key, cancellationToken)
                .ConfigureAwait(false) is { } seen)
        {
            await engine.Freshness.RenewAsync(inode, known, seen, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Drops the hot copy after the object was verified.</summary>
    /// <returns>Why the hot copy stays; null where it was dropped.</returns>
    public async ValueTask<string?> ReleaseAsync(
        InodeId inode, long version, MoveVerification verify, CancellationToken cancellationToken)
    {
        ContentState? content = await _context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return MoveReasons.Gone;
        }

        try
        {
            // The upload that was waited for may have ended a moment ago.
            await _context.ReloadAsync(content, cancellationToken).ConfigureAwait(false);
            return await engine.Evictor.ReleaseAsync(
                content,
                (known, token) => known.Attributes.Version != version
                    ? new ValueTask<string?>(MoveReasons.Changed)
                    : VerifyAsync(content, known, verify, token),
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await _context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>Reads back what the hot copy lacks, or some blocks, and compares it with its checksums.</summary>
    /// <returns>Why it is not hot; null where it is.</returns>
    public async ValueTask<string?> RecallAsync(
        InodeId inode, long version, IReadOnlyList<uint>? blocks, CancellationToken cancellationToken)
    {
        ContentState? content = await _context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return MoveReasons.Gone;
        }

        try
        {
            if (content.Content.Attributes.Version != version)
            {
                return MoveReasons.Changed;
            }

            _ = blocks is null
                ? await engine.Recaller.RecallAsync(content, cancellationToken).ConfigureAwait(false)
                : await engine.Recaller.RecallBlocksAsync(content, blocks, cancellationToken)
                    .ConfigureAwait(false);
        }
        finally
        {
            await _context.ReleaseAsync(content).ConfigureAwait(false);
        }

        FileContent? now = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        if (now is null)
        {
            return MoveReasons.Gone;
        }

        ScrubReport scrub = await engine.Scrubber.ScrubFileAsync(now, cancellationToken).ConfigureAwait(false);
        return scrub.BadFiles == 0 ? null : MoveReasons.BadHotCopy;
    }

    /// <summary>Changes the number of hot copies, and compares all of them with their checksums.</summary>
    /// <returns>Why it has as many as before; null where it has those it is to have.</returns>
    public async ValueTask<string?> ChangeCopiesAsync(
        InodeId inode, long version, int copies, CancellationToken cancellationToken)
    {
        if (!await engine.Mover.ChangeCopiesAsync(inode, version, copies, cancellationToken).ConfigureAwait(false))
        {
            return MoveReasons.Changed;
        }

        FileContent? now = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        if (now is null)
        {
            return MoveReasons.Gone;
        }

        ScrubReport scrub = await engine.Scrubber.ScrubFileAsync(now, cancellationToken).ConfigureAwait(false);
        return scrub.BadFiles == 0 ? null : MoveReasons.BadHotCopy;
    }

    /// <summary>Waits until no upload or delete is under way at a key, and keeps others off it.</summary>
    private async ValueTask<KeyHold> HoldAsync(long attachmentId, string key, CancellationToken cancellationToken)
    {
        while (!_context.KeysInUse.TryAdd((attachmentId, key), 0))
        {
            await Task.Delay(_keyWait, _context.Time, cancellationToken).ConfigureAwait(false);
        }

        return new KeyHold(_context, (attachmentId, key));
    }

    private async ValueTask<string?> VerifyAsync(
        ContentState content, FileContent known, MoveVerification verify, CancellationToken cancellationToken)
    {
        ObjectReference stored = known.Object!;
        IObjectStore store = _context.Attachments.StoreOf(stored.AttachmentId);
        ObjectProperties? seen = await store.HeadAsync(stored.Key, cancellationToken).ConfigureAwait(false);
        if (seen is not { } found)
        {
            return MoveReasons.ObjectGone;
        }

        if (found.ETag != stored.ETag || found.SizeBytes < stored.PackOffsetBytes + stored.SizeBytes
            || (stored.PackOffsetBytes == 0 && found.SizeBytes != stored.SizeBytes))
        {
            return MoveReasons.ObjectChanged;
        }

        if (verify == MoveVerification.Checksum)
        {
            return null;
        }

        UploadContent hot = new(_context, engine.Runner, content);
        return await hot.EqualsObjectAsync(store, found, cancellationToken, stored.PackOffsetBytes)
            .ConfigureAwait(false)
            ? null
            : MoveReasons.ObjectDiffers;
    }

    private sealed class KeyHold(EngineContext context, (long AttachmentId, string Key) key) : IDisposable
    {
        public void Dispose() => context.KeysInUse.TryRemove(key, out _);
    }
}
