using System.Collections.Immutable;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>
/// Moves hot copies: off a target that is drained, and out of segments that are mostly dead. Copy, flush, commit the
/// new placement; the journal then owes the deletion of the old.
/// </summary>
internal sealed class Mover(EngineContext context)
{
    private const int PageContents = 500;

    /// <summary>
    /// Takes everything off a target. It gets no new content from the start on; removing it is the caller's next step.
    /// </summary>
    public async ValueTask DrainAsync(int target, IProgress<long>? movedBytes, CancellationToken cancellationToken)
    {
        context.Hot.SetDraining(target, true);
        long moved = 0;
        for (int pass = 0; ; pass++)
        {
            int found = 0;
            InodeId after = InodeId.None;
            while (true)
            {
                IReadOnlyList<FileContent> page = await context.Tree.ListPlacedAsync(
                    after, PageContents, cancellationToken).ConfigureAwait(false);
                foreach (FileContent file in page)
                {
                    after = file.Attributes.Inode;
                    if (!TargetsOf(file.Placement).Contains(target))
                    {
                        continue;
                    }

                    found++;
                    moved += await MoveAsync(file.Attributes.Inode, target, cancellationToken).ConfigureAwait(false);
                    movedBytes?.Report(moved);
                }

                if (page.Count < PageContents)
                {
                    break;
                }
            }

            context.JournalSignal?.Invoke();
            if (found == 0)
            {
                return;
            }

            if (pass >= 8)
            {
                throw new DataLayerException(
                    ErrorCode.Overloaded,
                    $"Target {target} still holds {found} contents after {pass} rounds. "
                        + "Try again when less is written.");
            }
        }
    }

    /// <summary>Re-appends the live records of mostly dead segments. Returns how many records moved.</summary>
    public async ValueTask<int> CompactAsync(CancellationToken cancellationToken)
    {
        HashSet<long> segments = [.. context.Hot.GetCompactableSegments()];
        int moved = 0;
        InodeId after = InodeId.None;
        while (segments.Count > 0)
        {
            IReadOnlyList<FileContent> page = await context.Tree.ListPlacedAsync(
                after, PageContents, cancellationToken).ConfigureAwait(false);
            foreach (FileContent file in page)
            {
                after = file.Attributes.Inode;
                if (file.Placement is SegmentPlacement record && segments.Contains(record.SegmentId))
                {
                    moved += await ReappendAsync(file.Attributes.Inode, segments, cancellationToken)
                        .ConfigureAwait(false);
                }
            }

            if (page.Count < PageContents)
            {
                break;
            }
        }

        if (moved > 0)
        {
            context.JournalSignal?.Invoke();
        }

        return moved;
    }

    /// <summary>Gives a hot content another number of copies; one in a segment record becomes stripes.</summary>
    /// <param name="inode">The file.</param>
    /// <param name="version">The content.</param>
    /// <param name="copies">The copies it is to have, a count.</param>
    /// <param name="cancellationToken">Gives up; the content has the copies it had then.</param>
    /// <returns>False where the content is another, is not hot, or is being written.</returns>
    public async ValueTask<bool> ChangeCopiesAsync(
        InodeId inode, long version, int copies, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return false;
        }

        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        FileContent known = content.Content;
        Placement? changed = known.Placement;
        long journal = 0;
        try
        {
            if (content.IsDirty || content.Staged is not null || known.Attributes.Version != version)
            {
                return false;
            }

            (changed, journal) = known.Placement switch
            {
                StripedPlacement striped => await CopyStripesAsync(content, striped, copies, cancellationToken)
                    .ConfigureAwait(false),
                SegmentPlacement record when record.Targets.Length != copies =>
                    await StripeRecordAsync(content, record, copies, cancellationToken).ConfigureAwait(false),
                _ => (known.Placement, 0),
            };
            if (changed is null || changed.Equals(known.Placement))
            {
                return changed is not null;
            }

            await context.Hot.FlushAsync(content.Id, changed, cancellationToken).ConfigureAwait(false);
            context.Step("copies.copied");
            ContentUpdate update = new() { Content = content.Id, IfVersion = version, Placement = changed };
            await context.UpdateAsync(
                content, journal == 0 ? update : update with { CompletesJournalId = journal }, cancellationToken)
                .ConfigureAwait(false);
            context.Step("copies.committed");
            return true;
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.Stale)
        {
            if (journal != 0)
            {
                await context.Hot.DeleteMovedAsync(content.Id, changed!, known.Placement!, CancellationToken.None)
                    .ConfigureAwait(false);
                await context.Tree.CompleteJournalAsync(journal, CancellationToken.None).ConfigureAwait(false);
            }

            return false;
        }
        finally
        {
            content.WriteGate.Release();
            await context.ReleaseAsync(content).ConfigureAwait(false);
            context.JournalSignal?.Invoke();
        }
    }

    /// <summary>Writes a segment record's content into stripes with so many copies, journalled till it is
    /// committed.</summary>
    private async ValueTask<(Placement? Placement, long JournalId)> StripeRecordAsync(
        ContentState content, SegmentPlacement record, int copies, CancellationToken cancellationToken)
    {
        StripedPlacement stripes = await context
            .PlaceStripesAsync(content, content.SizeBytes, makesRoom: false, cancellationToken)
            .ConfigureAwait(false);
        if (stripes.CopyCount > copies)
        {
            stripes = context.Hot.ChooseCopies(content.Id, stripes, content.SizeBytes, copies);
        }

        StripedPlacement wanted = context.Hot.ChooseCopies(content.Id, stripes, content.SizeBytes, copies);
        long journal = await OweAsync(content, wanted, cancellationToken).ConfigureAwait(false);
        TransferBuffer buffer = context.Buffers.Rent(Math.Max(1, record.LengthBytes));
        try
        {
            Memory<byte> bytes = buffer.Memory[..record.LengthBytes];
            await context.Hot.ReadAsync(content.Id, record, content.SizeBytes, 0, bytes, cancellationToken)
                .ConfigureAwait(false);
            await context.Hot.WriteAsync(content.Id, stripes, 0, bytes, cancellationToken).ConfigureAwait(false);
            await context.Hot.FlushAsync(content.Id, stripes, cancellationToken).ConfigureAwait(false);
            context.Step("copies.striped");
            await context.Hot.AddCopiesAsync(content.Id, stripes, wanted, content.SizeBytes, cancellationToken)
                .ConfigureAwait(false);
            return (wanted, journal);
        }
        catch
        {
            await context.Hot.DeleteAsync(content.Id, stripes, CancellationToken.None).ConfigureAwait(false);
            await context.Tree.CompleteJournalAsync(journal, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
        finally
        {
            context.Buffers.Return(buffer);
        }
    }

    /// <summary>Makes the copies of a striped content that are missing, journalled till they are committed.</summary>
    private async ValueTask<(Placement? Placement, long JournalId)> CopyStripesAsync(
        ContentState content, StripedPlacement striped, int copies, CancellationToken cancellationToken)
    {
        StripedPlacement wanted = context.Hot.ChooseCopies(content.Id, striped, content.SizeBytes, copies);
        if (copies <= striped.CopyCount)
        {
            return (wanted, 0); // The commit owes the deletion of those that are too many.
        }

        long journal = await OweAsync(content, wanted, cancellationToken).ConfigureAwait(false);
        try
        {
            await context.Hot.AddCopiesAsync(content.Id, striped, wanted, content.SizeBytes, cancellationToken)
                .ConfigureAwait(false);
        }
        catch
        {
            await context.Tree.CompleteJournalAsync(journal, CancellationToken.None).ConfigureAwait(false);
            throw;
        }

        return (wanted, journal);
    }

    /// <summary>
    /// Notes what is about to be written: where it is never committed, the next start deletes what of it the content
    /// does not use.
    /// </summary>
    private async ValueTask<long> OweAsync(
        ContentState content, StripedPlacement wanted, CancellationToken cancellationToken)
    {
        JournalEntry pending = new()
        {
            Kind = JournalKind.PendingWrite,
            Content = content.Id,
            Placement = wanted.ToText(),
        };
        long journal = await context.Tree.Relaxed.AddJournalAsync(pending, cancellationToken).ConfigureAwait(false);
        context.Step("copies.owed");
        return journal;
    }

    private static ImmutableArray<int> TargetsOf(Placement? placement) => placement switch
    {
        StripedPlacement striped => striped.Targets,
        SegmentPlacement record => record.Targets,
        _ => [],
    };

    private async ValueTask<long> MoveAsync(InodeId inode, int target, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return 0;
        }

        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            FileContent known = content.Content;
            if (known.Placement is null || !TargetsOf(known.Placement).Contains(target))
            {
                return 0;
            }

            // A staged content's own length is that of bytes which are not in the hot tier yet.
            long size = content.Staged is null ? content.SizeBytes : known.Attributes.SizeBytes;
            Placement moved = await context.Hot.MoveAsync(
                content.Id, known.Placement, size, target, cancellationToken).ConfigureAwait(false);
            await context.Hot.FlushAsync(content.Id, moved, cancellationToken).ConfigureAwait(false);
            context.Step("move.copied");
            await context.UpdateAsync(
                content, new ContentUpdate { Content = content.Id, Placement = moved }, cancellationToken)
                    .ConfigureAwait(false);
            context.Step("move.committed");
            return size;
        }
        finally
        {
            content.WriteGate.Release();
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    private async ValueTask<int> ReappendAsync(
        InodeId inode, HashSet<long> segments, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return 0;
        }

        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        TransferBuffer? buffer = null;
        SegmentPlacement? moved = null;
        try
        {
            FileContent known = content.Content;
            if (content.IsDirty || known.Placement is not SegmentPlacement record
                || !segments.Contains(record.SegmentId))
            {
                return 0;
            }

            buffer = context.Buffers.Rent(Math.Max(1, record.LengthBytes));
            Memory<byte> bytes = buffer.Memory[..record.LengthBytes];
            await context.Hot.ReadAsync(content.Id, record, content.SizeBytes, 0, bytes, cancellationToken)
                .ConfigureAwait(false);
            moved = await context.Hot.AppendSmallAsync(
                content.Id, record.Pool, bytes, cancellationToken, isMove: true).ConfigureAwait(false);
            await context.Hot.FlushAsync(content.Id, moved, cancellationToken).ConfigureAwait(false);
            context.Step("compact.copied");
            await context.UpdateAsync(
                content,
                new ContentUpdate { Content = content.Id, IfVersion = known.Attributes.Version, Placement = moved },
                cancellationToken).ConfigureAwait(false);
            return 1;
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.Stale or ErrorCode.NotFound or ErrorCode.Corrupt)
        {
            if (moved is not null)
            {
                await context.Hot.DeleteAsync(content.Id, moved, CancellationToken.None).ConfigureAwait(false);
            }

            return 0; // Changed meanwhile; or bad, which scrub reports.
        }
        finally
        {
            if (buffer is not null)
            {
                context.Buffers.Return(buffer);
            }

            content.WriteGate.Release();
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }
}
