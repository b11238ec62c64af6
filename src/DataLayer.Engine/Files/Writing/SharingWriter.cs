using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Writing;

/// <summary>Gives an empty file that is open the content of another without copying it (copy_file_range(2) of a
/// whole file).</summary>
/// <remarks>
/// Two write gates are held: the source's is waited for, the target's only tried for while it is held, so that nothing
/// can wait in a circle.
/// </remarks>
internal sealed class SharingWriter(EngineContext context, FileWriter writer)
{
    /// <summary>
    /// What of a content can be shared under its write gate: its stripes, if it is flushed, hot as a whole, not
    /// encrypted and too large for a segment record; else null, and its bytes are to be copied.
    /// </summary>
    public static StripedPlacement? FindShareable(EngineContext context, ContentState source)
    {
        FileContent known = source.Content;
        long size = known.Attributes.SizeBytes;
        bool isHot = known.Attributes.State == TierState.Hot
            || known.Residency.ResidentCount == known.Residency.BlockCount;
        return isHot && !source.IsDirty && !source.IsSuperseded && size > 0 && size == source.SizeBytes
            && !context.UsesSegment(source, size)
            && known.Placement is StripedPlacement { KeyId: 0 } stripes
            ? stripes
            : null;
    }

    /// <summary>Shares the whole of one with the other, which is empty.</summary>
    /// <returns>The length; 0 where the bytes are to be copied.</returns>
    /// <exception cref="DataLayerException">QuotaExceeded, NoSpace, TargetFailed: the other stayed empty.</exception>
    public async ValueTask<long> TryShareAsync(
        ContentState source, ContentState target, bool relaxed, CancellationToken cancellationToken)
    {
        if (source == target || context.UsesSegment(source, source.SizeBytes) || !IsEmpty(target)
            || context.Attachments.KeyOf(target.Content.Attributes.AttachmentId) != 0)
        {
            return 0;
        }

        if (source.IsDirty)
        {
            await writer.FlushAsync(source, relaxed, cancellationToken).ConfigureAwait(false);
        }

        await source.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (FindShareable(context, source) is not { } stripes
                || !await target.WriteGate.WaitAsync(0, cancellationToken).ConfigureAwait(false))
            {
                return 0;
            }

            try
            {
                return IsEmpty(target)
                    ? await ShareLockedAsync(source, target, stripes, relaxed, cancellationToken).ConfigureAwait(false)
                    : 0;
            }
            finally
            {
                target.WriteGate.Release();
            }
        }
        finally
        {
            source.WriteGate.Release();
        }
    }

    private static bool IsEmpty(ContentState target)
    {
        FileContent known = target.Content;
        return !target.IsDirty && !target.IsSuperseded && target.Staged is null && target.SizeBytes == 0
            && known.Placement is null && known.Object is null && known.Attributes.SizeBytes == 0;
    }

    private async ValueTask<long> ShareLockedAsync(
        ContentState source, ContentState target, StripedPlacement stripes, bool relaxed,
        CancellationToken cancellationToken)
    {
        long size = source.SizeBytes;
        context.Quotas.ClaimLocked(target, size);
        try
        {
            if (await context.Hot.HasColumnsAsync(target.Id, stripes, cancellationToken).ConfigureAwait(false))
            {
                return 0; // Of stripes that it had, and that wait for their deletion.
            }

            long journal = await BeginAsync(target, stripes, relaxed, cancellationToken).ConfigureAwait(false);
            bool isShared = false;
            try
            {
                context.Step("copy.begun");
                isShared = await context.Hot.TryShareAsync(source.Id, stripes, size, target.Id, cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (DataLayerException error) when (error.Code is ErrorCode.Corrupt or ErrorCode.NotFound)
            {
                // Whether its bytes can be had, their reading will tell.
            }
            finally
            {
                if (!isShared)
                {
                    await context.Hot.DeleteAsync(target.Id, stripes, CancellationToken.None).ConfigureAwait(false);
                    await context.Tree.CompleteJournalAsync(journal, CancellationToken.None).ConfigureAwait(false);
                }
            }

            if (!isShared)
            {
                return 0;
            }

            context.Step("copy.shared");
            await InstallAsync(target, stripes, size, journal, relaxed).ConfigureAwait(false);
            context.Step("copy.committed");
            return size;
        }
        finally
        {
            context.Quotas.SettleLocked(target);
        }
    }

    private ValueTask<long> BeginAsync(
        ContentState target, StripedPlacement stripes, bool relaxed, CancellationToken cancellationToken)
    {
        JournalEntry pending = new()
        {
            Kind = JournalKind.PendingWrite,
            Content = target.Id,
            Placement = stripes.ToText(),
        };
        return relaxed
            ? context.Tree.Relaxed.AddJournalAsync(pending, cancellationToken)
            : context.Tree.AddJournalAsync(pending, cancellationToken);
    }

    private async ValueTask InstallAsync(
        ContentState target, StripedPlacement stripes, long size, long journal, bool relaxed)
    {
        uint last = BlockLayout.BlockIndex(size - 1);
        target.InvalidateBlocks(context.Cache, 0, last);
        ContentUpdate update = new()
        {
            Content = target.Id,
            SizeBytes = size,
            Placement = stripes,
            ContentChanges = true,
            CompletesJournalId = journal,
        };
        await context.UpdateAsync(target, update, CancellationToken.None, relaxed).ConfigureAwait(false);
        target.InvalidateBlocks(context.Cache, 0, last);
        context.JournalSignal?.Invoke();
    }
}
