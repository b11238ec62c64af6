using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Writes beside a pack what became of its members. What is written is what the tree says at that time, added to what
/// is there; a newer change of the tree makes a newer entry of the journal.
/// </summary>
internal sealed class PackNamesTask(EngineContext context)
{
    /// <summary>When a member that could not be named as gone yet is looked at again.</summary>
    private static readonly TimeSpan _again = TimeSpan.FromSeconds(10);

    /// <summary>Does the entry. The caller keeps others off the key.</summary>
    /// <exception cref="Core.Errors.DataLayerException">It failed, or somebody else wrote there meanwhile: to be tried
    /// again.</exception>
    public async ValueTask RunAsync(JournalEntry entry, CancellationToken cancellationToken)
    {
        long id = -entry.Content.Inode.Value;
        PackNamesOwed? owed = await context.Tree.GetPackNamesAsync(id, cancellationToken).ConfigureAwait(false);
        if (owed is not null && owed.Gone.Count + owed.Renamed.Count > 0
            && context.Attachments.Find(entry.AttachmentId) is not null)
        {
            IObjectStore store = context.Attachments.StoreOf(entry.AttachmentId);
            (PackNames? there, string? etag) = await PackNames.ReadAsync(store, entry.Key, cancellationToken)
                .ConfigureAwait(false);
            there = there?.IsOf(owed.Pack.Key, owed.Pack.SizeBytes) == true ? there : null;
            PackNames names = PackNames.Merge(owed, there);
            if (!names.SaysAs(there))
            {
                await names.WriteAsync(store, entry.Key, etag, cancellationToken).ConfigureAwait(false);
                context.Step("names.stored");
            }
        }

        long again = owed is { IsDeferred: true } ? context.NowNanoseconds() + (_again.Ticks * 100) : 0;
        await context.Tree.CompletePackNamesAsync(entry.Id, id, again, cancellationToken).ConfigureAwait(false);
        context.Step("names.completed");
    }
}
