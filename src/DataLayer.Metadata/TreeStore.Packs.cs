using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Operations;

namespace DataLayer.Metadata;

/// <content>Packs: tar objects that hold the contents of many small files.</content>
public sealed partial class TreeStore
{
    /// <summary>Writes a pack down before its first byte goes to the bucket, and gives its key.</summary>
    /// <exception cref="DataLayerException">NotFound: no such attachment; ReadOnly.</exception>
    public ValueTask<PackRecord> BeginPackAsync(long attachmentId, CancellationToken cancellationToken) =>
        ChangeAsync(w => PackChanges.Begin(w, attachmentId), cancellationToken);

    /// <summary>
    /// Makes a pack that is stored and verified the place of its members' contents, in one transaction with the
    /// deletion of the objects they had. A member that is not as it was read any more stays as it is.
    /// </summary>
    /// <param name="pack">The pack, as it was begun.</param>
    /// <param name="stored">The tar as the store has it.</param>
    /// <param name="members">What lies in it.</param>
    /// <param name="cancellationToken">Gives up before the change.</param>
    /// <returns>Of each member, whether it lies in the pack now.</returns>
    /// <exception cref="DataLayerException">Stale: the pack was given up, or the bucket detached.</exception>
    public ValueTask<IReadOnlyList<bool>> CompletePackAsync(
        PackRecord pack, ObjectReference stored, IReadOnlyList<PackMember> members,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pack);
        ArgumentNullException.ThrowIfNull(stored);
        ArgumentNullException.ThrowIfNull(members);
        return ChangeAsync(w => PackChanges.Complete(w, pack, stored, members), cancellationToken);
    }

    /// <summary>Gives up a pack that was begun: what of it is in the bucket is deleted.</summary>
    /// <returns>False if it was completed, or given up before.</returns>
    public ValueTask<bool> AbandonPackAsync(long id, CancellationToken cancellationToken) =>
        ChangeAsync(w => PackChanges.Abandon(w, id), cancellationToken);

    /// <summary>Whether the tree knows a pack at a key, or is about to delete the object there.</summary>
    public ValueTask<bool> IsPackKnownAsync(long attachmentId, string key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _reads.RunAsync(
            t => t.Packs.FindByKey(attachmentId, key) is { State: not PackState.Importing }
                || t.Journal.ListOfKey(attachmentId, key).Count > 0,
            cancellationToken);
    }

    /// <summary>
    /// Brings some files of a pack into the tree that it does not know: one piece, one transaction. An object of its
    /// own beats a place in a pack, a newer pack an older one, and what was changed here and is not uploaded beats
    /// both. How far an import came is kept, so that the next one goes on there. A pack of the last day of which
    /// nothing is needed may be one that somebody is writing: it stays unknown.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound: no such attachment.</exception>
    public ValueTask<PackImportResult> ImportPackAsync(PackImport pack, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pack);
        return ChangeAsync(w => ImportChange.RunPack(w, pack), cancellationToken);
    }

    /// <summary>
    /// Has packs deleted that no file needs; with <paramref name="unfinished"/> also those that were begun, which is
    /// right only while nobody writes one.
    /// </summary>
    /// <returns>How many, a count.</returns>
    public async ValueTask<int> CollectPacksAsync(bool unfinished, CancellationToken cancellationToken)
    {
        int collected = 0;
        long after = 0;
        do
        {
            long from = after;
            (int count, after) = await ChangeAsync(
                w => PackChanges.Collect(w, from, unfinished), cancellationToken).ConfigureAwait(false);
            collected += count;
        }
        while (after != 0);
        return collected;
    }

    /// <summary>Has files in packs uploaded as objects of their own; files that are in none are left alone.</summary>
    /// <returns>How many lie in packs, a count.</returns>
    /// <exception cref="DataLayerException">ReadOnly: a bucket is not attached read-write any more.</exception>
    public ValueTask<int> UnpackAsync(IReadOnlyList<InodeId> inodes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(inodes);
        return ChangeAsync(
            w =>
            {
                int packed = 0;
                foreach (InodeId inode in inodes)
                {
                    packed += PackChanges.Unpack(w, inode) ? 1 : 0;
                }

                return packed;
            },
            cancellationToken);
    }

    /// <summary>What is to be written beside a pack, as the tree is now; null where nothing is.</summary>
    public ValueTask<PackNamesOwed?> GetPackNamesAsync(long id, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => PackChanges.ReadNames(t, id), cancellationToken);

    /// <summary>Notes that what became of a pack's members was written beside it.</summary>
    /// <param name="entryId">The journal's entry that is done.</param>
    /// <param name="id">The pack.</param>
    /// <param name="againAtNanoseconds">When to look at it again, since 1970 UTC; 0 for not.</param>
    /// <param name="cancellationToken">Gives up before the change.</param>
    public ValueTask<bool> CompletePackNamesAsync(
        long entryId, long id, long againAtNanoseconds, CancellationToken cancellationToken) =>
        ChangeAsync(w => PackChanges.NamesWritten(w, entryId, id, againAtNanoseconds), cancellationToken);

    /// <summary>Packs with numbers above <paramref name="after"/>, with what of them is in use.</summary>
    public ValueTask<IReadOnlyList<PackUse>> ListPacksAsync(long after, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<PackUse>>(t => t.Packs.ListUse(after, limit), cancellationToken);
    }

    /// <summary>One pack, or null.</summary>
    public ValueTask<PackRecord?> GetPackAsync(long id, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => t.Packs.Find(id), cancellationToken);

    /// <summary>The files whose contents lie in a pack, in the order of their bytes.</summary>
    public ValueTask<IReadOnlyList<InodeId>> ListPackFilesAsync(long id, CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<InodeId>>(t => t.Packs.ListLive(id), cancellationToken);

    /// <summary>The ETag of the last object of its own that a file in a pack had, or null.</summary>
    public ValueTask<string?> GetFormerETagAsync(InodeId inode, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => t.Packs.FindFormer(inode), cancellationToken);
}
