using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Operations;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata;

/// <content>Reads.</content>
public sealed partial class TreeStore
{
    /// <summary>An inode's attributes, or null if there is none.</summary>
    public ValueTask<InodeAttributes?> GetAsync(InodeId inode, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => t.Inodes.FindAttributes(inode)?.ToAttributes(), cancellationToken);

    /// <summary>A file's attributes with where its content lies, or null if there is no such inode.</summary>
    public ValueTask<FileContent?> GetContentAsync(InodeId inode, CancellationToken cancellationToken) =>
        _writer.Options.IsReader
            ? _reads.RunAsync(t => WithoutHotCopy(t.Inodes.Find(inode)?.ToContent()), cancellationToken)
            : _reads.RunAsync(t => t.Inodes.Find(inode)?.ToContent(), cancellationToken);

    /// <summary>What a name in a folder leads to, or null if the name is free (or the folder is none).</summary>
    /// <exception cref="DataLayerException">InvalidArgument, NameTooLong.</exception>
    public ValueTask<InodeAttributes?> LookupAsync(InodeId folder, string name, CancellationToken cancellationToken)
    {
        byte[] bytes = TreeName.Encode(name);
        return _reads.RunAsync(t => t.Dentries.Lookup(folder, bytes)?.ToAttributes(), cancellationToken);
    }

    /// <summary>
    /// Walks an absolute path ('/'-separated, "." and ".." understood), following symbolic links, 40 at most; the
    /// last one only with
    /// <paramref name="followLast"/> or where the path ends in '/'.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory, TooManyLinks, NameTooLong,
    /// InvalidArgument.</exception>
    public ValueTask<InodeAttributes> ResolveAsync(
        string path, bool followLast, CancellationToken cancellationToken) =>
        ResolveAsync(path, followLast, scope: null, cancellationToken);

    /// <summary>As above; where <paramref name="scope"/> is given, no link leads out of it.</summary>
    /// <exception cref="DataLayerException">As above; PermissionDenied where a link leads out.</exception>
    public ValueTask<InodeAttributes> ResolveAsync(
        string path, bool followLast, TreeScope? scope, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        return _reads.RunAsync(t => TreeReads.Resolve(t, path, followLast, scope), cancellationToken);
    }

    /// <summary>Entries in name order (UTF-8 bytes) after the given name, at most <paramref name="limit"/>.</summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory.</exception>
    public ValueTask<IReadOnlyList<DirectoryEntry>> ListAsync(
        InodeId folder, string? after, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync(t => TreeReads.List(t, folder, after, limit), cancellationToken);
    }

    /// <summary>The folder that holds a folder; the root's is itself.</summary>
    /// <exception cref="DataLayerException">NotFound: it has no name.</exception>
    public ValueTask<InodeId> GetParentAsync(InodeId folder, CancellationToken cancellationToken) =>
        folder == InodeId.Root
            ? ValueTask.FromResult(folder)
            : _reads.RunAsync(
                t => t.Dentries.FirstOf(folder)?.Parent
                    ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no folder with inode {folder}."),
                cancellationToken);

    /// <summary>One path that leads to the inode, for messages and object keys; null for an orphan.</summary>
    public ValueTask<string?> GetPathAsync(InodeId inode, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => TreeReads.GetPath(t, inode), cancellationToken);

    /// <summary>
    /// The key of the object that holds or will hold a file's content: the attachment's key prefix and the path below
    /// its folder. Null for an orphan, and where nothing is attached. A file with several names has one object, at
    /// the key of one of them.
    /// </summary>
    public ValueTask<string?> GetObjectKeyAsync(InodeId inode, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => t.Inodes.Find(inode) is { } row ? ObjectKeys.OfFile(t, row) : null, cancellationToken);

    /// <summary>
    /// Files below a folder, depth first, in pages; cursor null at first, null when done. Files that stay while
    /// others come and go are given exactly once for each of their names.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory.</exception>
    public ValueTask<(IReadOnlyList<FileContent> Files, string? Cursor)> WalkFilesAsync(
        InodeId folder, string? cursor, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync(t => TreeReads.WalkFiles(t, folder, cursor, limit), cancellationToken);
    }

    /// <summary>
    /// Files, folders and bytes below a folder (du). Symbolic links count as files; a file with several names counts
    /// once.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory.</exception>
    public ValueTask<TreeUsage> GetUsageAsync(InodeId folder, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => SubtreeQuery.GetUsage(t, folder), cancellationToken);

    /// <summary>The inodes without a name. At start none is open, so each is to be released.</summary>
    public ValueTask<IReadOnlyList<InodeId>> ListOrphansAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<InodeId>>(static t => t.Inodes.ListOrphans(), cancellationToken);

    /// <summary>All contents that have a hot copy, for comparison with the targets, in pages by inode.</summary>
    public ValueTask<IReadOnlyList<FileContent>> ListPlacedAsync(
        InodeId after, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<FileContent>>(
            t => t.Inodes.ListPlaced(after, limit).ConvertAll(static row => row.ToContent()), cancellationToken);
    }

    /// <summary>One extended attribute's value, or null.</summary>
    public ValueTask<byte[]?> GetXattrAsync(InodeId inode, string name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _reads.RunAsync(t => t.Xattrs.Find(inode, name), cancellationToken);
    }

    /// <summary>All inodes that have an extended attribute, with its value, by number.</summary>
    public ValueTask<IReadOnlyList<(InodeId Inode, byte[] Value)>> FindXattrsAsync(
        string name, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _reads.RunAsync<IReadOnlyList<(InodeId, byte[])>>(t => t.Xattrs.FindAll(name), cancellationToken);
    }

    /// <summary>The names of an inode's extended attributes, in order.</summary>
    public ValueTask<IReadOnlyList<string>> ListXattrsAsync(InodeId inode, CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<string>>(t => t.Xattrs.ListNames(inode, out _), cancellationToken);

    /// <summary>All attachments by number.</summary>
    public ValueTask<IReadOnlyList<Attachment>> ListAttachmentsAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<Attachment>>(static t => t.Attachments.List(removing: false), cancellationToken);

    /// <summary>Journal entries after a number, of one kind or all, oldest first.</summary>
    public ValueTask<IReadOnlyList<JournalEntry>> ListJournalAsync(
        JournalKind? kind, long afterId, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<JournalEntry>>(
            t => t.Journal.ListPage(kind, afterId, limit).ConvertAll(static row => row.Entry), cancellationToken);
    }

    /// <summary>
    /// An inode's journal entries, oldest first: whether an upload is pending, which hot copies are still to be
    /// deleted.
    /// </summary>
    public ValueTask<IReadOnlyList<JournalEntry>> ListJournalOfAsync(
        InodeId inode, CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<JournalEntry>>(
            t => t.Journal.ListOfInode(inode).ConvertAll(static row => row.Entry), cancellationToken);

    /// <summary>How many journal entries of a kind there are, a count.</summary>
    public ValueTask<long> CountJournalAsync(JournalKind kind, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => t.Journal.Count(kind), cancellationToken);

    /// <summary>One setting of the service that lives with the tree, or null.</summary>
    public ValueTask<string?> GetSettingAsync(string key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _reads.RunAsync(t => t.FindSetting(key), cancellationToken);
    }
}
