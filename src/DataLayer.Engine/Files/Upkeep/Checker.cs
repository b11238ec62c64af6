using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>
/// fsck: the tree against itself, the targets against the tree (copies and records nobody knows), the tree against the
/// targets (copies and records that are gone). Runs while the service serves.
/// </summary>
/// <remarks>
/// Targets are listed first, then the journal, then the tree: a content that is written or deleted meanwhile is found
/// in one of them, or is looked at once more before it counts. Repair mends the tree where it knows better itself,
/// deletes stray copies, and forgets the residency of lost ones where an object holds the content; a lost only copy is
/// reported and left. Segment records are compared by <see cref="RecordComparison"/>.
/// </remarks>
internal sealed class Checker(EngineContext context)
{
    private const int Page = 1000;

    public async ValueTask<CheckReport> RunAsync(bool repair, CancellationToken cancellationToken)
    {
        TreeCheckReport tree = await CheckTreeAsync(repair, cancellationToken).ConfigureAwait(false);
        List<TreeProblem> problems = [.. tree.Problems];
        HashSet<ContentId> found = await ListFoundAsync(cancellationToken).ConfigureAwait(false);
        RecordComparison records = new(context);
        await records.ListAsync(cancellationToken).ConfigureAwait(false);
        HashSet<ContentId> owed = await ListOwedAsync(cancellationToken).ConfigureAwait(false);
        HashSet<ContentId> stray = [.. found];
        stray.ExceptWith(owed);
        long contents = 0;
        long repaired = tree.RepairedCount;
        InodeId after = InodeId.None;
        while (true)
        {
            IReadOnlyList<FileContent> page = await context.Tree.ListPlacedAsync(after, Page, cancellationToken)
                .ConfigureAwait(false);
            foreach (FileContent file in page)
            {
                after = file.Attributes.Inode;
                contents++;
                stray.Remove(file.Attributes.Content);
                bool isSuspect = file.Placement is SegmentPlacement record
                    ? !records.Remove(file.Attributes.Content, record) && IsHot(file)
                    : IsSuspect(file, found);
                if (isSuspect && await CheckLostAsync(file.Attributes.Inode, repair, problems, cancellationToken)
                        .ConfigureAwait(false))
                {
                    repaired++;
                }
            }

            if (page.Count < Page)
            {
                break;
            }
        }

        owed = await ListOwedAsync(cancellationToken).ConfigureAwait(false);
        stray.ExceptWith(owed);
        if (stray.Count > 0)
        {
            // A deletion that ended between the listing of the targets and that of the journal is in neither any more.
            stray.IntersectWith(await ListFoundAsync(cancellationToken).ConfigureAwait(false));
        }

        foreach (ContentId content in stray)
        {
            repaired += await CheckStrayAsync(content, repair, problems, cancellationToken)
                .ConfigureAwait(false) ? 1 : 0;
        }

        repaired += await records.CheckStraysAsync(repair, problems, cancellationToken).ConfigureAwait(false);
        return new CheckReport(tree.InodeCount, contents, repaired, problems);
    }

    private async ValueTask<TreeCheckReport> CheckTreeAsync(bool repair, CancellationToken cancellationToken)
    {
        if (!repair)
        {
            return await context.Tree.CheckAsync(repair: false, cancellationToken).ConfigureAwait(false);
        }

        using (new ChangeScope(context.Stamps, all: true))
        {
            return await context.Tree.CheckAsync(repair: true, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<HashSet<ContentId>> ListFoundAsync(CancellationToken cancellationToken)
    {
        HashSet<ContentId> found = [];
        await foreach (ContentId content in context.Hot.EnumerateContentsAsync(cancellationToken).ConfigureAwait(false))
        {
            found.Add(content);
        }

        return found;
    }

    /// <summary>Contents that the journal knows of: being written, or about to be deleted.</summary>
    private async ValueTask<HashSet<ContentId>> ListOwedAsync(CancellationToken cancellationToken)
    {
        HashSet<ContentId> owed = [];
        foreach (JournalKind kind in (JournalKind[])[JournalKind.PendingWrite, JournalKind.DeleteHotCopy])
        {
            long after = 0;
            while (true)
            {
                IReadOnlyList<JournalEntry> entries = await context.Tree.ListJournalAsync(
                    kind, after, Page, cancellationToken).ConfigureAwait(false);
                foreach (JournalEntry entry in entries)
                {
                    after = entry.Id;
                    owed.Add(entry.Content);
                }

                if (entries.Count < Page)
                {
                    break;
                }
            }
        }

        return owed;
    }

    private static bool IsSuspect(FileContent file, HashSet<ContentId> found) =>
        file.Placement is StripedPlacement && file.Attributes.SizeBytes > 0 && !found.Contains(file.Attributes.Content)
        && IsHot(file);

    private static bool IsHot(FileContent file) =>
        file.Attributes.State == TierState.Hot || file.Residency.ResidentCount > 0;

    private async ValueTask<bool> CheckStrayAsync(
        ContentId content, bool repair, List<TreeProblem> problems, CancellationToken cancellationToken)
    {
        FileContent? current = await context.Tree.GetContentAsync(content.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (context.Contents.IsInUse(content) || (current?.Attributes.Content == content
            && current.Placement is StripedPlacement))
        {
            return false; // Known by now, or an older content that a reader has open.
        }

        problems.Add(new TreeProblem(
            "stray-hot-copy", content.Inode,
            $"The targets hold content {content}, which the tree does not know. Repair deletes it."));
        if (!repair)
        {
            return false;
        }

        await context.Hot.DeleteStrayAsync(content, null, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Whether a content's hot copy is gone; true if that was repaired.</summary>
    private async ValueTask<bool> CheckLostAsync(
        InodeId inode, bool repair, List<TreeProblem> problems, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return false;
        }

        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!await IsLostLockedAsync(content, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }

            FileContent known = content.Content;
            bool hasObject = known.Object is not null && known.Attributes.State != TierState.Hot;
            problems.Add(new TreeProblem(
                "lost-hot-copy",
                inode,
                $"The targets hold nothing of content {content.Id}. "
                + (hasObject ? "Repair reads it from its object again."
                    : "It has no other copy: bring its target back, or remove the file.")));
            if (!repair || !hasObject)
            {
                return false;
            }

            await context.UpdateAsync(
                content,
                new ContentUpdate { Content = content.Id, State = TierState.Released, ClearPlacement = true },
                cancellationToken).ConfigureAwait(false);
            return true;
        }
        finally
        {
            content.WriteGate.Release();
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> IsLostLockedAsync(ContentState content, CancellationToken cancellationToken)
    {
        FileContent known = content.Content;
        if (known.Placement is null || content.IsDirty)
        {
            return false;
        }

        if (known.Placement is SegmentPlacement record)
        {
            return content.IsResident(0)
                && !await HasRecordAsync(content.Id, record, cancellationToken).ConfigureAwait(false);
        }

        byte[] one = new byte[1];
        for (uint block = 0; block < BlockLayout.BlockCount(content.SizeBytes); block++)
        {
            if (!content.IsResident(block))
            {
                continue;
            }

            try
            {
                await context.Hot.ReadAsync(
                    content.Id, known.Placement, content.SizeBytes, BlockLayout.BlockOffset(
                        block), one, cancellationToken).ConfigureAwait(false);
                return false;
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
            {
                return true;
            }
            catch (DataLayerException error) when (error.Code is ErrorCode.Corrupt or ErrorCode.TargetFailed)
            {
                return false; // There, but bad or out of reach: scrub's business.
            }
        }

        return false;
    }

    private async ValueTask<bool> HasRecordAsync(
        ContentId content, SegmentPlacement record, CancellationToken cancellationToken)
    {
        try
        {
            return await context.Hot.HasRecordAsync(content, record, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.TargetFailed or ErrorCode.TimedOut)
        {
            return true; // Out of reach is not lost.
        }
    }
}
