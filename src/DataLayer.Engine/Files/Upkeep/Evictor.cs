using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>
/// Drops memory copies, and releases hot copies of contents that a verified object holds. The tree commits the
/// release before the first byte goes; the journal owes the deletion from then on.
/// </summary>
internal sealed class Evictor(EngineContext context)
{
    public async ValueTask<EvictResult> EvictAsync(string path, bool hotToo, CancellationToken cancellationToken)
    {
        EvictResult result = default;
        await foreach (FileContent file in TreeWalk.FilesAsync(context, path, cancellationToken).ConfigureAwait(false))
        {
            EvictResult one = await EvictFileAsync(file, hotToo, cancellationToken).ConfigureAwait(false);
            result = new EvictResult
            {
                Blocks = result.Blocks + one.Blocks,
                ReleasedFiles = result.ReleasedFiles + one.ReleasedFiles,
                ReleasedBytes = result.ReleasedBytes + one.ReleasedBytes,
                KeptFiles = result.KeptFiles + one.KeptFiles,
            };
        }

        if (result.ReleasedFiles > 0)
        {
            context.JournalSignal?.Invoke();
        }

        return result;
    }

    /// <summary>Evicts one file; nothing of one that is gone. The caller has the journal looked at.</summary>
    public async ValueTask<EvictResult> EvictFileAsync(
        FileContent file, bool hotToo, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(file.Attributes.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (content is null)
        {
            return default;
        }

        try
        {
            if (await context.Shares.KeeperOfAsync(content.Id.Inode, cancellationToken).ConfigureAwait(false)
                is not null)
            {
                return new EvictResult { KeptFiles = 1 };
            }

            content.Streams.ReleaseAll();
            EvictResult result = default;
            result = result with
            {
                Blocks = context.Cache.RemoveContent(content.Id, BlockLayout.BlockCount(content.SizeBytes)),
            };
            if (!hotToo || content.Content.Placement is null)
            {
                return result;
            }

            return await ReleaseAsync(content, cancellationToken).ConfigureAwait(false)
                ? result with { ReleasedFiles = 1, ReleasedBytes = content.SizeBytes }
                : result with { KeptFiles = 1 };
        }
        finally
        {
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Releases one content's hot copy; false where it is the only current copy, or is being written.
    /// </summary>
    public async ValueTask<bool> ReleaseAsync(ContentState content, CancellationToken cancellationToken) =>
        await ReleaseAsync(content, static (_, _) => default, cancellationToken).ConfigureAwait(false) is null;

    /// <summary>As above, once the object was looked at; no write and no other release comes in between.</summary>
    /// <param name="content">The content.</param>
    /// <param name="verify">Says what is wrong with the object, or null.</param>
    /// <param name="cancellationToken">Gives up before the release.</param>
    /// <returns>Why the hot copy stays; null where it was released.</returns>
    public async ValueTask<string?> ReleaseAsync(
        ContentState content, Func<FileContent, CancellationToken, ValueTask<string?>> verify,
        CancellationToken cancellationToken)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            FileContent known = content.Content;
            if (await WhyNotLockedAsync(content, known, cancellationToken).ConfigureAwait(false) is { } reason)
            {
                return reason;
            }

            if (await verify(known, cancellationToken).ConfigureAwait(false) is { } fault)
            {
                return fault;
            }

            context.Step("evict.checked");
            await CommitLockedAsync(content, known, cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.Stale or ErrorCode.NotFound)
        {
            return "It was replaced or written meanwhile.";
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    /// <summary>
    /// Releases a content's hot copy for somebody who needs its room, and deletes it at once: what the journal owes
    /// from the commit on is done twice then. Waits for no other that works on the content.
    /// </summary>
    /// <returns>Whether the hot copy is gone; null where somebody works on the content now.</returns>
    public async ValueTask<bool?> TryReleaseNowAsync(ContentState content, CancellationToken cancellationToken)
    {
        if (!await content.WriteGate.WaitAsync(0, cancellationToken).ConfigureAwait(false))
        {
            return null;
        }

        try
        {
            FileContent known = content.Content;
            if (await WhyNotLockedAsync(content, known, cancellationToken).ConfigureAwait(false) is not null)
            {
                return false;
            }

            await CommitLockedAsync(content, known, cancellationToken).ConfigureAwait(false);
            await context.Hot.DeleteAsync(content.Id, known.Placement!, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (DataLayerException error) when (
            error.Code is ErrorCode.Stale or ErrorCode.NotFound or ErrorCode.TargetFailed)
        {
            return false; // Replaced meanwhile; or the journal deletes it when its target is back.
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    private async ValueTask<string?> WhyNotLockedAsync(
        ContentState content, FileContent known, CancellationToken cancellationToken) =>
        content.IsDirty
            ? "It is being written."
            : await context.Shares.KeeperOfAsync(content.Id.Inode, cancellationToken).ConfigureAwait(false)
                is { } keeper
                ? keeper
                : known.Object is null || known.Attributes.State == TierState.Hot || known.Placement is null
                    ? "No object holds its current content."
                    : context.DatasetPins.Contains(content.Id.Inode)
                        ? "A pinned dataset needs it."
                        : context.RulePins is { } rules
                            ? await rules.KeeperOfAsync(content.Id.Inode, cancellationToken).ConfigureAwait(false)
                            : null;

    /// <summary>The tree says durably that the hot copy is none any more; the journal owes its deletion.</summary>
    private async ValueTask CommitLockedAsync(
        ContentState content, FileContent known, CancellationToken cancellationToken)
    {
        await context.UpdateAsync(
            content,
            new ContentUpdate
            {
                Content = content.Id,
                IfVersion = known.Attributes.Version,
                State = TierState.Released,
                ClearPlacement = true,
            },
            cancellationToken).ConfigureAwait(false);
        context.Step("evict.committed");
    }
}
