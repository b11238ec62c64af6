using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// One rename (renameat2(2)): checks everything, moves the name, lets the objects of moved files follow. Used for one
/// change and thrown away.
/// </summary>
internal sealed class RenameChange
{
    private readonly TreeWriter _writer;
    private readonly TreeTables _tables;
    private readonly InodeRow _fromFolder;
    private readonly InodeRow _toFolder;
    private readonly DentryRow _from;
    private readonly DentryRow? _to;
    private readonly byte[] _toName;
    private readonly string _toText;
    private readonly RenameFlags _flags;

    private RenameChange(
        TreeWriter writer, (InodeId Folder, string Name) from, (InodeId Folder, string Name) to, RenameFlags flags)
    {
        _writer = writer;
        _tables = writer.Tables;
        _flags = flags;
        byte[] fromName = TreeName.Encode(from.Name);
        _toName = TreeName.Encode(to.Name);
        _toText = to.Name;
        _fromFolder = Folders.GetWritable(writer, from.Folder);
        _toFolder = from.Folder == to.Folder ? _fromFolder : Folders.GetWritable(writer, to.Folder);
        _from = _tables.Dentries.Find(from.Folder, fromName) ?? throw Folders.Missing(from.Folder, from.Name);
        _to = _tables.Dentries.Find(to.Folder, _toName);
    }

    /// <summary>Runs the rename.</summary>
    public static RenameResult Run(
        TreeWriter writer, (InodeId Folder, string Name) from, (InodeId Folder, string Name) to, RenameFlags flags)
    {
        if (flags is not (RenameFlags.None or RenameFlags.NoReplace or RenameFlags.Exchange))
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"Rename flags {(int)flags} cannot be combined "
                + "or are not known.");
        }

        RenameChange change = new(writer, from, to, flags);
        return flags == RenameFlags.Exchange ? change.Exchange() : change.Move();
    }

    private RenameResult Move()
    {
        InodeRow moved = Load(_from);
        if (_to is { } taken)
        {
            if (_flags == RenameFlags.NoReplace)
            {
                throw Folders.Taken(_toFolder.Inode, _toText);
            }

            if (taken.Inode == _from.Inode)
            {
                // Two names of one file (or one name twice): POSIX wants nothing done.
                return new RenameResult(moved.ToAttributes(), null);
            }
        }

        CheckMovable(moved, _toFolder.Inode);
        QuotaChanges.Move(_writer, moved, _writer.Quotas.Below(_toFolder));
        string? oldKey = KeyOf(_fromFolder, _from.Name);
        InodeAttributes? replaced = _to is { } victim ? Replace(moved, victim) : null;
        _tables.Dentries.Remove(_from.Parent, _from.Name);
        if (!_tables.Dentries.TryAdd(new DentryRow(_toFolder.Inode, _toName, moved.Inode, moved.Kind)))
        {
            throw Folders.Taken(_toFolder.Inode, _toText);
        }

        FollowObjects(moved, oldKey);
        moved.ChangeTime = _writer.Now;
        _tables.Inodes.SaveAttributes(moved);
        TouchFolders(moved.Kind, replaced?.Kind);
        _writer.Quotas.Enforce();
        return new RenameResult(moved.ToAttributes(), replaced);
    }

    private InodeAttributes Replace(InodeRow moved, DentryRow victim)
    {
        if (moved.Kind == FileKind.Directory && victim.Kind != FileKind.Directory)
        {
            throw new DataLayerException(ErrorCode.NotADirectory, $"A folder cannot replace the file '{_toText}'.");
        }

        if (moved.Kind != FileKind.Directory && victim.Kind == FileKind.Directory)
        {
            throw new DataLayerException(ErrorCode.IsADirectory, $"A file cannot replace the folder '{_toText}'.");
        }

        InodeRow row = Load(victim);
        if (victim.Kind != FileKind.Directory)
        {
            NameChanges.RemoveName(_writer, row, victim);
            return row.ToAttributes();
        }

        Folders.CheckNotAttached(_writer, row);
        _tables.Dentries.Remove(victim.Parent, victim.Name);
        NameChanges.RemoveEmptyFolder(_writer, row, _toText);
        row.LinkCount = 0;
        return row.ToAttributes();
    }

    private RenameResult Exchange()
    {
        DentryRow other = _to ?? throw Folders.Missing(_toFolder.Inode, _toText);
        InodeRow first = Load(_from);
        if (other.Inode == _from.Inode)
        {
            return new RenameResult(first.ToAttributes(), null);
        }

        InodeRow second = Load(other);
        CheckMovable(first, _toFolder.Inode);
        CheckMovable(second, _fromFolder.Inode);
        QuotaChanges.Move(_writer, first, _writer.Quotas.Below(_toFolder));
        QuotaChanges.Move(_writer, second, _writer.Quotas.Below(_fromFolder));
        Attachment? attachment = _writer.FindAttachment(_fromFolder.AttachmentId);
        if (_fromFolder.AttachmentId != _toFolder.AttachmentId || (attachment is not null && !(IsLocal(first)
            && IsLocal(second))))
        {
            throw new DataLayerException(
                ErrorCode.CrossAttachment,
                "Two names under an attachment are exchanged only while both are files whose bytes are hot. Rename "
                    + "in steps.");
        }

        string? firstKey = KeyOf(_fromFolder, _from.Name);
        string? secondKey = KeyOf(_toFolder, _toName);
        _tables.Dentries.Replace(_from with { Inode = second.Inode, Kind = second.Kind });
        _tables.Dentries.Replace(other with { Inode = first.Inode, Kind = first.Kind });
        if (firstKey is not null && secondKey is not null)
        {
            bool firstMoves = IsKeyedBy(first, firstKey);
            bool secondMoves = IsKeyedBy(second, secondKey);
            MoveHotObject(first, firstMoves, attachment!, secondKey);
            MoveHotObject(second, secondMoves, attachment!, firstKey);
        }

        first.ChangeTime = _writer.Now;
        second.ChangeTime = _writer.Now;
        _tables.Inodes.SaveAttributes(first);
        _tables.Inodes.SaveAttributes(second);
        int difference = (second.Kind == FileKind.Directory ? 1 : 0) - (first.Kind == FileKind.Directory ? 1 : 0);
        bool sameFolder = ReferenceEquals(_fromFolder, _toFolder);
        Folders.Touch(_writer, _fromFolder, sameFolder ? 0 : difference);
        if (!sameFolder)
        {
            Folders.Touch(_writer, _toFolder, -difference);
        }

        _writer.Quotas.Enforce();
        return new RenameResult(first.ToAttributes(), second.ToAttributes());
    }

    private InodeRow Load(DentryRow dentry) =>
        _tables.Inodes.Find(dentry.Inode) ?? throw Folders.Dangling(dentry.Inode);

    private void CheckMovable(InodeRow moved, InodeId intoFolder)
    {
        Folders.CheckNotAttached(_writer, moved);
        if (moved.Kind == FileKind.Directory && Folders.IsBelow(_tables, intoFolder, moved.Inode))
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "A folder cannot be moved into itself.");
        }
    }

    private string? KeyOf(InodeRow folder, byte[] name) => _writer.FindAttachment(folder.AttachmentId) is { } attachment
            ? ObjectKeys.Of(_tables, attachment, folder.Inode, name)
            : null;

    private void FollowObjects(InodeRow moved, string? oldKey)
    {
        Attachment? source = _writer.FindAttachment(_fromFolder.AttachmentId);
        Attachment? target = _writer.FindAttachment(_toFolder.AttachmentId);
        if (source?.Id != target?.Id)
        {
            MoveAcross(moved, target);
            return;
        }

        if (target is null || IsOfTreeOnly(moved))
        {
            return;
        }

        string newKey = ObjectKeys.ForUpload(_tables, target, _toFolder.Inode, _toName);
        if (moved.Kind == FileKind.Regular)
        {
            MoveObjectIfKeyedBy(moved, target, oldKey!, newKey);
            return;
        }

        List<(InodeId Inode, string RelativePath)>? files = SubtreeQuery.ListFiles(
            _tables, moved.Inode, _writer.Options.FolderRenameLimit);
        if (files is null)
        {
            throw new DataLayerException(
                ErrorCode.CrossAttachment,
                $"The folder holds more than {_writer.Options.FolderRenameLimit} files under a read-write "
                    + "attachment; each would be uploaded anew. Move it in parts.");
        }

        foreach ((InodeId inode, string path) in files)
        {
            InodeRow row = _tables.Inodes.Find(inode) ?? throw Folders.Dangling(inode);
            MoveObjectIfKeyedBy(row, target, $"{oldKey}/{path}", $"{newKey}/{path}");
        }
    }

    private void MoveObjectIfKeyedBy(InodeRow row, Attachment attachment, string oldKey, string newKey)
    {
        if (IsKeyedBy(row, oldKey))
        {
            ObjectJournal.FileMoved(_writer, row, attachment, newKey);
        }
    }

    private void MoveHotObject(InodeRow row, bool moves, Attachment attachment, string newKey)
    {
        if (moves)
        {
            KeepHot(row);
            ObjectJournal.FileMoved(_writer, row, attachment, newKey);
        }
    }

    // A file with several names has one object, at the key of one of them; the others move without it.
    private bool IsKeyedBy(InodeRow row, string key) =>
        row.Kind == FileKind.Regular && (row.LinkCount == 1 || ObjectKeys.OfFile(_tables, row) == key);

    private void MoveAcross(InodeRow moved, Attachment? target)
    {
        if (moved.Kind == FileKind.Directory || moved.LinkCount > 1)
        {
            throw new DataLayerException(
                ErrorCode.CrossAttachment, "Folders and files with several names do not move between attachments. "
                    + "Copy, then delete.");
        }

        if (moved.Kind == FileKind.Regular
            && (target is { IsEncrypted: true } || _writer.FindAttachment(moved.AttachmentId) is { IsEncrypted: true }))
        {
            // Its hot copy is under the key of where it is, and goes unreadable with that.
            throw new DataLayerException(
                ErrorCode.CrossAttachment, "Files do not move into or out of an encrypted attachment. Copy, then "
                    + "delete.");
        }

        moved.AttachmentId = target?.Id ?? 0;
        if (moved.Kind != FileKind.Regular)
        {
            return;
        }

        if (target is not null)
        {
            string newKey = ObjectKeys.ForUpload(_tables, target, _toFolder.Inode, _toName);
            ObjectJournal.FileMoved(_writer, moved, target, newKey);
            return;
        }

        if (!IsLocal(moved))
        {
            throw new DataLayerException(
                ErrorCode.CrossAttachment, "The file's bytes are only in the bucket it would leave. Copy it, or "
                    + "recall it first.");
        }

        KeepHot(moved);
        ObjectJournal.FileVanished(_writer, moved);
        moved.Object = null;
        moved.CheckedTime = 0;
        _tables.Inodes.Save(moved);
    }

    // Links and special files have no object.
    private static bool IsOfTreeOnly(InodeRow row) => row.Kind is not (FileKind.Regular or FileKind.Directory);

    private static bool IsLocal(InodeRow row) => IsOfTreeOnly(row)
        || (row.Kind == FileKind.Regular && (row.Object is null || row.ResidentBytes >= row.SizeBytes));

    // In state Hot no one drops the hot copy before the next verified upload.
    private void KeepHot(InodeRow row)
    {
        if (row.Kind == FileKind.Regular && row.State != TierState.Hot)
        {
            row.State = TierState.Hot;
            _tables.Inodes.SaveAttributes(row);
        }
    }

    private void TouchFolders(FileKind moved, FileKind? replaced)
    {
        int leaves = moved == FileKind.Directory ? -1 : 0;
        int arrives = (moved == FileKind.Directory ? 1 : 0) - (replaced == FileKind.Directory ? 1 : 0);
        if (ReferenceEquals(_fromFolder, _toFolder))
        {
            Folders.Touch(_writer, _fromFolder, leaves + arrives);
            return;
        }

        Folders.Touch(_writer, _fromFolder, leaves);
        Folders.Touch(_writer, _toFolder, arrives);
    }
}
