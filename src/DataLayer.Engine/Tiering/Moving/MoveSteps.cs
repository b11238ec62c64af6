using DataLayer.Core.Identity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Files.Writing;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>
/// The single steps of a move, each by the engine's own way of doing it, each safe to repeat. A step that cannot be
/// done says why in words; what goes wrong is thrown.
/// </summary>
internal sealed class MoveSteps(FileEngine engine, ForegroundYield yields)
{
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
                ? await engine.Recaller.RecallAsync(content, cancellationToken, yields).ConfigureAwait(false)
                : await engine.Recaller.RecallBlocksAsync(content, blocks, cancellationToken, yields)
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
}
