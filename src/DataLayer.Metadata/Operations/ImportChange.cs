using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// Brings one page of a listing into the tree. Folders met are remembered for the page, and written back once at its
/// end; in folders made by this page no name is looked up before it is added. So a new object costs two inserts.
/// </summary>
internal sealed partial class ImportChange
{
    private const int FolderMode = 0x1ED;
    private const int FileMode = 0x1A4;

    private readonly TreeWriter _writer;
    private readonly TreeTables _tables;
    private readonly Attachment _attachment;
    private readonly bool _hasPendingDeletes;
    private readonly List<(string Key, string Reason)> _refused = [];
    private readonly Dictionary<string, ImportFolder> _folders = new(StringComparer.Ordinal);
    private readonly ImportFolder _top;
    private long _added;
    private long _changed;
    private long _unchanged;
    private long _bytes;

    private ImportChange(TreeWriter writer, Attachment attachment)
    {
        _writer = writer;
        _tables = writer.Tables;
        _attachment = attachment;
        _hasPendingDeletes = _tables.Journal.HasPendingDelete(attachment.Id);
        _top = new ImportFolder(_tables.Inodes.Find(attachment.Folder)
            ?? throw Folders.Dangling(attachment.Folder), isNew: false);
    }

    /// <summary>Runs the import.</summary>
    public static ImportResult Run(
        TreeWriter writer, long attachmentId, IReadOnlyList<ImportedObject> objects, string? listingCursor)
    {
        ImportChange change = new(writer, AttachmentChanges.Get(writer, attachmentId));
        for (int i = 0; i < objects.Count; i++)
        {
            change.Import(objects[i]);
        }

        change.Finish(listingCursor);
        return new ImportResult(change._added, change._changed, change._unchanged, change._refused);
    }

    private void Import(ImportedObject found)
    {
        string path = found.RelativePath;
        bool isMarker = path.EndsWith('/');
        string trimmed = isMarker ? path[..^1] : path;
        if (FindFault(trimmed) is { } fault)
        {
            _refused.Add((found.Key, fault));
            return;
        }

        if (_hasPendingDeletes && IsBeingDeleted(found.Key))
        {
            _unchanged++;
            return;
        }

        int slash = trimmed.LastIndexOf('/');
        ImportFolder? folder = isMarker ? GetFolder(trimmed, found) : slash < 0 ? _top
            : GetFolder(trimmed[..slash], found);
        if (folder is null)
        {
            _refused.Add((found.Key, "A part of its path is a file here, so it has no folder to lie in."));
        }
        else if (isMarker)
        {
            ImportMarker(folder, found);
        }
        else
        {
            ImportFile(folder, TreeName.Encode(trimmed[(slash + 1)..]), found);
        }
    }

    private static string? FindFault(string path)
    {
        if (path.Length == 0)
        {
            return "Its name is empty.";
        }

        foreach (string part in path.Split('/'))
        {
            if (TreeName.Check(part, out _, out string? reason) is null)
            {
                return reason;
            }
        }

        int bytes = TreeName.TryEncode(path)!.Length;
        return bytes < TreeName.MaxPathBytes ? null : $"Its path is {bytes} bytes long, {TreeName.MaxPathBytes} are "
            + "allowed.";
    }

    private bool IsBeingDeleted(string key) =>
        _tables.Journal.ListOfKey(_attachment.Id,
            key).Exists(static entry => entry.Entry.Kind == JournalKind.DeleteObject);

    private ImportFolder? GetFolder(string path, in ImportedObject found)
    {
        if (_folders.TryGetValue(path, out ImportFolder? known))
        {
            return known;
        }

        int slash = path.LastIndexOf('/');
        ImportFolder? parent = slash < 0 ? _top : GetFolder(path[..slash], found);
        if (parent is null)
        {
            return null;
        }

        byte[] name = TreeName.Encode(path[(slash + 1)..]);
        ImportFolder? folder = null;
        if (!parent.IsNew && _tables.Dentries.Find(parent.Row.Inode, name) is { } dentry)
        {
            if (dentry.Kind == FileKind.Directory)
            {
                folder = new ImportFolder(_tables.Inodes.Find(dentry.Inode)
                    ?? throw Folders.Dangling(dentry.Inode), isNew: false);
            }
        }
        else
        {
            folder = MakeFolder(parent, name, found);
        }

        if (folder is not null)
        {
            _folders.Add(path, folder);
        }

        return folder;
    }

    private ImportFolder? MakeFolder(ImportFolder parent, byte[] name, in ImportedObject found)
    {
        InodeRow row = NameChanges.NewRow(
            _writer,
            _writer.NextInode(),
            FileKind.Directory,
            new NewInode(FolderMode, _top.Row.UserId, _top.Row.GroupId),
            _attachment.Id,
            target: null);
        row.ModifyTime = found.LastModifiedNanoseconds;
        row.CheckedTime = _writer.Now;
        row.QuotaFolder = _writer.Quotas.Below(parent.Row);
        _tables.Inodes.Add(row);
        if (!_tables.Dentries.TryAdd(new DentryRow(parent.Row.Inode, name, row.Inode, FileKind.Directory)))
        {
            // Only possible where the parent is new: this page put a file there. The inode stays unused.
            _tables.Inodes.Remove(row);
            return null;
        }

        parent.Row.LinkCount++;
        parent.IsChanged = true;
        return new ImportFolder(row, isNew: true);
    }

    private void ImportMarker(ImportFolder folder, in ImportedObject found)
    {
        if (folder.Row.Object is { } known && known.ETag == found.ETag)
        {
            _unchanged++;
        }
        else if (folder.Row.Object is null)
        {
            _added++;
        }
        else
        {
            _changed++;
        }

        folder.Row.Object = ReferenceTo(found);
        folder.Row.CheckedTime = _writer.Now;
        folder.IsChanged = true;
    }

    private void ImportFile(ImportFolder folder, byte[] name, in ImportedObject found)
    {
        if (!folder.IsNew && _tables.Dentries.Find(folder.Row.Inode, name) is { } dentry)
        {
            Refresh(dentry, found);
            return;
        }

        InodeRow row = NameChanges.NewRow(
            _writer,
            _writer.NextInode(),
            FileKind.Regular,
            new NewInode(FileMode, _top.Row.UserId, _top.Row.GroupId),
            _attachment.Id,
            target: null);
        row.SizeBytes = found.SizeBytes;
        row.ModifyTime = found.LastModifiedNanoseconds;
        row.State = TierState.Released;
        row.Object = ReferenceTo(found);
        row.CheckedTime = _writer.Now;
        row.QuotaFolder = _writer.Quotas.Below(folder.Row);
        _tables.Inodes.Add(row);
        if (_tables.Dentries.TryAdd(new DentryRow(folder.Row.Inode, name, row.Inode, FileKind.Regular)))
        {
            _added++;
            _bytes += found.SizeBytes;
            folder.IsChanged = true;
            _inode = row.Inode;
            return;
        }

        _tables.Inodes.Remove(row);
        DentryRow taken = _tables.Dentries.Find(folder.Row.Inode, name)!.Value;
        Refresh(taken, found);
    }

    private void Refresh(DentryRow dentry, in ImportedObject found)
    {
        if (dentry.Kind != FileKind.Regular)
        {
            _refused.Add((found.Key, dentry.Kind == FileKind.Directory ? "Its name is a folder here." : "Its name "
                + "is a symbolic link here."));
            return;
        }

        InodeRow row = _tables.Inodes.Find(dentry.Inode) ?? throw Folders.Dangling(dentry.Inode);
        if (_pack is not null)
        {
            RefreshFromPack(row, found);
            return;
        }

        if (row.State == TierState.Hot || ObjectJournal.PendingUploads(_tables.Journal, row.Inode).Count > 0)
        {
            // Local changes that the bucket does not have yet come first.
            _unchanged++;
            return;
        }

        if (row.Object is { IsPacked: true } packed)
        {
            RefreshPacked(row, packed, found);
            return;
        }

        if (row.Object is { } other && other.Key != found.Key)
        {
            _refused.Add((found.Key, $"Its name is another name of the file stored at '{other.Key}'."));
            return;
        }

        if (row.Object is { } known && known.ETag == found.ETag && known.SizeBytes == found.SizeBytes)
        {
            _unchanged++;
            row.Object = WithClass(known, found);
        }
        else if (row.Object is { } copied && found.SizeBytes == copied.SizeBytes && IsBeingMoved(row, copied.ETag))
        {
            // Our own copy of it into another class, perhaps: who moves it finds out.
            _unchanged++;
            return;
        }
        else
        {
            _changed++;
            _bytes += found.SizeBytes - row.SizeBytes;
            ReplaceContent(row, found);
        }

        row.CheckedTime = _writer.Now;
        _tables.Inodes.Save(row);
    }

    // An object at the key of a file that lies in a pack: the one it had before, seen by a listing that was under way
    // when it was deleted, or one that somebody wrote since.
    private void RefreshPacked(InodeRow row, ObjectReference packed, in ImportedObject found)
    {
        if (ObjectKeys.OfFile(_tables, row) != found.Key)
        {
            _refused.Add((found.Key, $"Its name is another name of a file stored in '{packed.Key}'."));
            return;
        }

        if (_tables.Packs.FindFormer(row.Inode) == found.ETag)
        {
            _unchanged++;
            return;
        }

        Replace(row, found);
        PackChanges.MemberLeft(_writer, row.Inode, packed);
    }

    private bool IsBeingMoved(InodeRow row, string etag) =>
        _tables.Moves.ListOpenOf(row.Inode).Exists(move => move.FromETag == etag);

    private void Replace(InodeRow row, in ImportedObject found)
    {
        _changed++;
        _bytes += found.SizeBytes - row.SizeBytes;
        ReplaceContent(row, found);
        row.CheckedTime = _writer.Now;
        _tables.Inodes.Save(row);
    }

    private void ReplaceContent(InodeRow row, in ImportedObject found)
    {
        ObjectJournal.ScheduleHotCopyDelete(_writer, new ContentId(row.Inode, row.Generation), row.Placement);
        row.LastGeneration = checked(row.LastGeneration + 1);
        row.Generation = row.LastGeneration;
        row.Version++;
        row.SizeBytes = found.SizeBytes;
        row.Placement = null;
        row.SetResidency(new ResidencyBitmap(BlockLayout.BlockCount(found.SizeBytes)));
        row.State = TierState.Released;
        row.Object = ReferenceTo(found);
        row.ModifyTime = found.LastModifiedNanoseconds;
        row.ChangeTime = _writer.Now;
    }

    private ObjectReference ReferenceTo(in ImportedObject found) =>
        new(
            _attachment.Id, found.Key, found.ETag, found.VersionId, found.SizeBytes, _offset, found.StorageClass,
            _pack?.StoredTimeNanoseconds ?? found.LastModifiedNanoseconds);

    // The same bytes, perhaps moved to another class: by a copy onto itself, which is a new write, or by a rule of the
    // bucket, which leaves the time of the write as it was.
    private ObjectReference WithClass(ObjectReference known, in ImportedObject found)
    {
        if (found.StorageClass is null || found.StorageClass == known.StorageClass)
        {
            return known.StoredTimeNanoseconds == 0
                ? known with { StoredTimeNanoseconds = found.LastModifiedNanoseconds }
                : known;
        }

        bool moved = known.StorageClass is not null
            && found.LastModifiedNanoseconds <= known.StoredTimeNanoseconds;
        return known with
        {
            StorageClass = found.StorageClass,
            StoredTimeNanoseconds = moved ? _writer.Now : found.LastModifiedNanoseconds,
        };
    }

    private void Finish(string? listingCursor)
    {
        foreach (ImportFolder folder in _folders.Values)
        {
            Save(folder);
        }

        Save(_top);
        AttachmentChanges.CountObjects(_writer, _attachment with { ListingCursor = listingCursor }, _added, _bytes);
    }

    private void Save(ImportFolder folder)
    {
        if (folder.IsChanged)
        {
            folder.Row.ChangeTime = _writer.Now;
            _tables.Inodes.Save(folder.Row);
        }
    }

    /// <summary>A folder met on this page.</summary>
    private sealed class ImportFolder(InodeRow row, bool isNew)
    {
        public InodeRow Row { get; } = row;

        public bool IsNew { get; } = isNew;

        public bool IsChanged { get; set; }
    }
}
