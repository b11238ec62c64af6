using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <content>
/// A pack's members become files at their paths, some at a time: the pack's row says how far it is, so that a crash
/// between two pieces costs nothing. Which content a path has where several claim it: what was changed here and is not
/// uploaded yet; else the object at the path's own key, since a file that is packed has none there any more; else the
/// newest pack, by the time in its key.
/// </content>
internal sealed partial class ImportChange
{
    private const long DayNanoseconds = 86_400_000_000_000;
    private readonly List<(InodeId Inode, ObjectReference Packed)> _left = [];
    private PackImport? _pack;
    private long _offset;
    private long _superseded;
    private InodeId _inode;

    /// <summary>Imports a piece of a pack, unless the tree has it already.</summary>
    public static PackImportResult RunPack(TreeWriter writer, PackImport pack)
    {
        Attachment attachment = AttachmentChanges.Get(writer, pack.AttachmentId);
        PackRecord? known = writer.Tables.Packs.FindByKey(attachment.Id, pack.Key);
        if (known is { State: not PackState.Importing }
            || (known is null && writer.Tables.Journal.ListOfKey(attachment.Id, pack.Key).Count > 0))
        {
            return new PackImportResult(pack.TotalCount, 0, 0, 0, IsKnown: true, []);
        }

        known ??= Add(writer, attachment, pack);
        if (known.MemberCount != pack.First)
        {
            return new PackImportResult(known.MemberCount, 0, 0, 0, IsKnown: false, []);
        }

        ImportChange change = new(writer, attachment) { _pack = pack };
        long bytes = 0;
        foreach (PackImportMember member in pack.Members)
        {
            bytes += member.SizeBytes;
            change.ImportMember(known.Id, pack, member);
        }

        change.Finish(attachment.ListingCursor);
        known = known with
        {
            MemberCount = known.MemberCount + pack.Members.Count,
            MemberBytes = known.MemberBytes + bytes,
        };
        bool isKnown = known.MemberCount < pack.TotalCount ? Save(writer, known) : EndImport(writer, known);
        foreach ((InodeId inode, ObjectReference packed) in change._left)
        {
            PackChanges.MemberLeft(writer, inode, packed);
        }

        return new PackImportResult(
            known.MemberCount, change._added, change._changed, change._superseded, isKnown, change._refused);
    }

    private static PackRecord Add(TreeWriter writer, Attachment attachment, PackImport pack)
    {
        PackRecord made = new()
        {
            Id = writer.Tables.Reserve("pack", 1),
            AttachmentId = attachment.Id,
            Key = pack.Key,
            ETag = pack.ETag,
            SizeBytes = pack.SizeBytes,
            State = PackState.Importing,
            CreatedTimeNanoseconds = pack.CreatedTimeNanoseconds,
        };
        writer.Tables.Packs.Add(made);
        return made;
    }

    private static bool Save(TreeWriter writer, PackRecord pack)
    {
        writer.Tables.Packs.Save(pack);
        return false;
    }

    // One that nobody needs is known too: else its members came back when their newer contents are deleted. Only a
    // young one may be one that somebody is about to need.
    private static bool EndImport(TreeWriter writer, PackRecord pack)
    {
        if (!writer.Tables.Packs.IsLive(pack.Id) && writer.Now - pack.CreatedTimeNanoseconds <= DayNanoseconds)
        {
            writer.Tables.Packs.Remove(pack.Id);
            return false;
        }

        writer.Tables.Packs.Save(pack with { State = PackState.Live });
        return true;
    }

    private void ImportMember(long number, PackImport pack, in PackImportMember member)
    {
        if (PackKeys.IsPackPath(member.RelativePath) || member.RelativePath.EndsWith('/')
            || member.OffsetBytes <= 0 || member.SizeBytes < 0
            || member.OffsetBytes > pack.SizeBytes - member.SizeBytes)
        {
            _refused.Add((member.RelativePath, "It is no file of a pack."));
            return;
        }

        bool isWritten = _attachment.Mode == AttachmentMode.ReadWrite;
        if (member.IsGone)
        {
            if (isWritten)
            {
                _tables.Packs.NoteChange(new PackChangeRow(number, member.OffsetBytes, InodeId.None, IsGone: true));
            }

            return;
        }

        _offset = member.OffsetBytes;
        long superseded = _superseded;
        _inode = InodeId.None;
        Import(AsObject(pack, member, member.RelativePath));
        if (member.FormerPath is not { } former)
        {
            return;
        }

        if (_inode == InodeId.None && _superseded > superseded)
        {
            // Somebody else has its new name, who is not known to have come later: under the old one it is not lost.
            _superseded = superseded;
            Import(AsObject(pack, member, former));
        }
        else if (isWritten && _inode != InodeId.None)
        {
            _tables.Packs.NoteChange(new PackChangeRow(number, member.OffsetBytes, _inode, IsGone: false));
        }
    }

    private static ImportedObject AsObject(PackImport pack, in PackImportMember member, string path) => new(
        path, pack.Key, pack.ETag, pack.VersionId, member.SizeBytes, member.ModifiedNanoseconds, pack.StorageClass);

    private void RefreshFromPack(InodeRow row, in ImportedObject found)
    {
        bool isLocal = row.State == TierState.Hot
            || ObjectJournal.PendingUploads(_tables.Journal, row.Inode).Count > 0;
        if (isLocal || row.Object is not { IsPacked: true } other || other.AttachmentId != _attachment.Id
            || TimeOf(other.Key) > TimeOf(found.Key))
        {
            _superseded++;
            return;
        }

        Replace(row, found);
        _inode = row.Inode;
        if (other.Key != found.Key)
        {
            _left.Add((row.Inode, other));
        }
    }

    private static long TimeOf(string key) => PackKeys.TryGetTime(key, out long time) ? time : 0;
}
