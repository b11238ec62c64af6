using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using Microsoft.Extensions.Logging;

namespace DataLayer.Metadata;

/// <summary>CONTRACT SKETCH, replaced by the owner of Metadata. Every change is durable when its task completes (group commit).</summary>
public sealed class TreeStore : IAsyncDisposable
{
    public static ValueTask<TreeStore> OpenAsync(TreeStoreOptions options, TimeProvider time, ILogger<TreeStore> log, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- reads -------------------------------------------------------------------------------------------------
    public ValueTask<InodeAttributes?> GetAsync(InodeId inode, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<FileContent?> GetContentAsync(InodeId inode, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<InodeAttributes?> LookupAsync(InodeId folder, string name, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Walks an absolute path ('/'-separated, "." and ".." understood), following symbolic links (40 at most). NotFound, NotADirectory, TooManyLinks, NameTooLong.</summary>
    public ValueTask<InodeAttributes> ResolveAsync(string path, bool followLast, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Entries in name order (UTF-8 bytes) after the given name, at most <paramref name="limit"/>.</summary>
    public ValueTask<IReadOnlyList<DirectoryEntry>> ListAsync(InodeId folder, string? after, int limit, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>One path that leads to the inode, for messages and object keys; null for an orphan.</summary>
    public ValueTask<string?> GetPathAsync(InodeId inode, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Files below a folder, depth first, in pages; cursor null at first, null when done.</summary>
    public ValueTask<(IReadOnlyList<FileContent> Files, string? Cursor)> WalkFilesAsync(InodeId folder, string? cursor, int limit, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Files, folders and bytes below a folder (du).</summary>
    public ValueTask<TreeUsage> GetUsageAsync(InodeId folder, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- names -------------------------------------------------------------------------------------------------
    public ValueTask<InodeAttributes> MakeDirectoryAsync(InodeId folder, string name, NewInode attributes, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Makes an empty file (state Hot, no placement). AlreadyExists if the name is taken.</summary>
    public ValueTask<InodeAttributes> CreateFileAsync(InodeId folder, string name, NewInode attributes, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<InodeAttributes> MakeSymbolicLinkAsync(InodeId folder, string name, string target, NewInode attributes, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<InodeAttributes> LinkAsync(InodeId inode, InodeId folder, string name, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Removes a file's or link's name. With no name left the inode becomes an orphan: its content stays readable until <see cref="ReleaseOrphanAsync"/>.</summary>
    public ValueTask<InodeAttributes> UnlinkAsync(InodeId folder, string name, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask RemoveDirectoryAsync(InodeId folder, string name, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>One transaction; a replaced file becomes an orphan like an unlinked one and is returned as Replaced.</summary>
    public ValueTask<RenameResult> RenameAsync(InodeId fromFolder, string fromName, InodeId toFolder, string toName, RenameFlags flags, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<InodeAttributes> SetAttributesAsync(InodeId inode, AttributeChanges changes, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- orphans -----------------------------------------------------------------------------------------------
    /// <summary>Forgets an inode without names and journals the deletion of its hot copy. No effect if it has a name.</summary>
    public ValueTask ReleaseOrphanAsync(InodeId inode, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<IReadOnlyList<InodeId>> ListOrphansAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- content -----------------------------------------------------------------------------------------------
    /// <summary>
    /// Reserves the identity of a content to be written: the next generation of the file at folder/name, or generation 1 of a new inode.
    /// With a placement, journals a PendingWrite durably, so a crash leaves nothing behind.
    /// </summary>
    public ValueTask<PendingContent> BeginReplaceAsync(InodeId folder, string name, Func<ContentId, Placement?> place, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>
    /// Makes a fully written and flushed content current under its name, in one transaction: name, inode, generation, size, placement,
    /// residency full, state Hot, PendingWrite removed, DeleteHotCopy journalled for what it replaced, UploadObject journalled
    /// under a read-write attachment. Conditions: <see cref="PublishRequest"/>; a failed one is Stale or AlreadyExists.
    /// </summary>
    public ValueTask<InodeAttributes> PublishAsync(PublishRequest request, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Gives up a content that was begun: journals the deletion of what was written.</summary>
    public ValueTask AbandonAsync(PendingContent pending, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>
    /// Changes the current content in place: size, placement, residency, state, object, check time; as one transaction, only if the generation
    /// (and version, where given) still holds, else Stale. <see cref="ContentUpdate"/> says what changes.
    /// </summary>
    public ValueTask<FileContent> UpdateContentAsync(ContentUpdate update, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- extended attributes -----------------------------------------------------------------------------------
    public ValueTask<byte[]?> GetXattrAsync(InodeId inode, string name, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<IReadOnlyList<string>> ListXattrsAsync(InodeId inode, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask SetXattrAsync(InodeId inode, string name, ReadOnlyMemory<byte> value, XattrCondition condition, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask RemoveXattrAsync(InodeId inode, string name, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- attachments -------------------------------------------------------------------------------------------
    public ValueTask<Attachment> AddAttachmentAsync(Attachment attachment, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask UpdateAttachmentAsync(Attachment attachment, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Removes the attachment and all names below its folder, never an object. Refused (InvalidArgument) while uploads are pending unless forced.</summary>
    public ValueTask RemoveAttachmentAsync(long attachmentId, bool force, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<IReadOnlyList<Attachment>> ListAttachmentsAsync(CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>
    /// Brings listed objects into the tree in one transaction: makes folders and inodes (state Released), refreshes changed ETags as a new
    /// generation (old hot copy journalled away), leaves files alone that have unflushed changes. Paths are relative to the attachment's folder.
    /// </summary>
    public ValueTask<ImportResult> ImportAsync(long attachmentId, IReadOnlyList<ImportedObject> objects, string? listingCursor, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Removes names of objects that a complete refresh did not see (imported before <paramref name="refreshStartNanoseconds"/>, unchanged since).</summary>
    public ValueTask<long> RemoveUnseenAsync(long attachmentId, long refreshStartNanoseconds, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- journal -----------------------------------------------------------------------------------------------
    public ValueTask<IReadOnlyList<JournalEntry>> ListJournalAsync(JournalKind? kind, long afterId, int limit, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<long> AddJournalAsync(JournalEntry entry, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask CompleteJournalAsync(long entryId, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask PostponeJournalAsync(long entryId, long dueTimeNanoseconds, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>The upload of a content was verified: in one transaction sets object and state Premigrated if generation and version still hold (else leaves state Hot, keeps the object for If-Match) and completes the entry.</summary>
    public ValueTask<bool> CompleteUploadAsync(long entryId, ContentId content, long version, ObjectReference uploaded, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- settings and checks -----------------------------------------------------------------------------------
    public ValueTask<string?> GetSettingAsync(string key, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask SetSettingAsync(string key, string value, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Checks the tree against itself: database integrity, link counts, dangling dentries, unreachable inodes, bad placements, journal without inode.</summary>
    public ValueTask<IReadOnlyList<TreeProblem>> CheckAsync(CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>All contents that have a hot copy, for comparison with the targets, in pages by inode.</summary>
    public ValueTask<IReadOnlyList<FileContent>> ListPlacedAsync(InodeId after, int limit, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
