using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Upkeep;

namespace DataLayer.Engine.Files;

/// <content>Attachments, tiers, upkeep.</content>
public sealed partial class FileEngine
{
    /// <summary>How long a detach waits until it is written what became of packed files.</summary>
    private static readonly TimeSpan _detachPatience = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Binds a tree folder to a bucket prefix and lists it: metadata only. An interrupted attach goes on where it was
    /// when asked again.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// InvalidArgument, NotEmpty, AlreadyExists; PermissionDenied, OriginUnavailable, TimedOut from the listing.
    /// </exception>
    public ValueTask<Attachment> AttachAsync(
        AttachRequest request, IProgress<AttachProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        Context.CheckNode();
        return _attaching.AttachAsync(request, progress, cancellationToken);
    }

    /// <summary>
    /// Lists an attachment's bucket again: new objects appear, changed ones are new generations, vanished ones go.
    /// </summary>
    public ValueTask<AttachProgress> RefreshAsync(
        string path, IProgress<AttachProgress>? progress, CancellationToken cancellationToken)
    {
        Context.CheckNode();
        return _attaching.RefreshAsync(path, progress, cancellationToken);
    }

    /// <summary>Removes an attachment with all names below; never an object.</summary>
    /// <exception cref="DataLayerException">
    /// InvalidArgument while uploads are pending, unless forced: then what was not uploaded is lost.
    /// </exception>
    public async ValueTask DetachAsync(string path, bool force, CancellationToken cancellationToken)
    {
        if (!force)
        {
            Attachment attachment = await _attaching.FindAsync(path, cancellationToken).ConfigureAwait(false);
            using CancellationTokenSource patience =
                CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(_detachPatience);
            try
            {
                await _uploads.WaitForNamesAsync(attachment.Id, patience.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // What is owed still is counted, and refused, by the removal.
            }
        }

        await _attaching.DetachAsync(path, force, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>All attachments.</summary>
    public ValueTask<IReadOnlyList<Attachment>> ListAttachmentsAsync(CancellationToken cancellationToken) =>
        Context.Tree.ListAttachmentsAsync(cancellationToken);

    /// <summary>Opens the buckets of a store anew, after its keys have changed.</summary>
    public void ReopenStore(string storeName) => Context.Attachments.Reopen(storeName);

    /// <summary>
    /// Brings everything below a path into the hot tier (and memory where asked), verified; ends with what is resident.
    /// </summary>
    public ValueTask<WarmResult> WarmAsync(
        string path, bool intoMemory, IProgress<WarmResult>? progress, CancellationToken cancellationToken)
    {
        Context.CheckNode();
        return _warmer.WarmAsync(path, intoMemory, progress, cancellationToken);
    }

    /// <summary>
    /// Drops memory copies below a path, and with <paramref name="hotToo"/> the hot copies of premigrated contents
    /// (release).
    /// </summary>
    public ValueTask<EvictResult> EvictAsync(string path, bool hotToo, CancellationToken cancellationToken)
    {
        if (hotToo)
        {
            Context.CheckNode();
        }

        return _evictor.EvictAsync(path, hotToo, cancellationToken);
    }

    /// <summary>Drops all copies of one file that an object holds, and has what they took freed.</summary>
    internal async ValueTask<EvictResult> EvictFileAsync(FileContent file, CancellationToken cancellationToken)
    {
        EvictResult result = await _evictor.EvictFileAsync(file, hotToo: true, cancellationToken).ConfigureAwait(false);
        if (result.ReleasedFiles > 0)
        {
            Context.JournalSignal?.Invoke();
        }

        return result;
    }

    /// <summary>
    /// Waits until all pending uploads below a path were verified, and until it is written beside the packs of what is
    /// attached there which of their files are gone or renamed; through failures that pass.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// Stale: an object was changed by somebody else; the local content is kept and not uploaded.
    /// </exception>
    public async ValueTask FlushUploadsAsync(string path, CancellationToken cancellationToken)
    {
        await foreach (FileContent file in TreeWalk.FilesAsync(Context, path, cancellationToken).ConfigureAwait(false))
        {
            if (Context.Attachments.Find(file.Attributes.AttachmentId) is { Mode: AttachmentMode.ReadWrite })
            {
                await _uploads.WaitAsync(file.Attributes.Inode, retryFailures: true, cancellationToken)
                    .ConfigureAwait(false);
            }
        }

        InodeAttributes root = await Context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        string top = path.TrimEnd('/') + "/";
        foreach (Attachment attachment in await Context.Tree.ListAttachmentsAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            if (attachment.Mode == AttachmentMode.ReadWrite && (attachment.Id == root.AttachmentId
                || attachment.Path.StartsWith(top, StringComparison.Ordinal)))
            {
                await _uploads.WaitForNamesAsync(attachment.Id, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Moves everything off a target; it gets no new content from the start on. Removing it is the next step.
    /// </summary>
    public ValueTask DrainTargetAsync(int target, IProgress<long>? movedBytes, CancellationToken cancellationToken)
    {
        Context.CheckNode();
        return _mover.DrainAsync(target, movedBytes, cancellationToken);
    }

    /// <summary>
    /// Checks the tree against itself and against the targets, both ways; with <paramref name="repair"/> mends what can
    /// be mended.
    /// </summary>
    public ValueTask<CheckReport> FsckAsync(bool repair, CancellationToken cancellationToken)
    {
        Context.CheckNode();
        return _checker.RunAsync(repair, cancellationToken);
    }

    /// <summary>
    /// Reads and checks all hot copies below a path; repairs from the other copy, else from the object.
    /// </summary>
    public ValueTask<ScrubReport> ScrubAsync(
        string path, IProgress<ScrubReport>? progress, CancellationToken cancellationToken)
    {
        Context.CheckNode();
        return _scrubber.ScrubAsync(path, progress, cancellationToken);
    }

    /// <summary>
    /// Re-appends live records of mostly dead segments now, rather than at the next interval. Returns how many moved.
    /// </summary>
    public ValueTask<int> CompactAsync(CancellationToken cancellationToken)
    {
        Context.CheckNode();
        return _mover.CompactAsync(cancellationToken);
    }
}
