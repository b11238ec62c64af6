using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <content>
/// A pack's members become files at their paths. Which content a path has where several claim it: what was changed here
/// and is not uploaded yet; else the object at the path's own key, since a file that is packed has none there any more;
/// else the newest pack, by the time in its key.
/// </content>
internal sealed partial class ImportChange
{
    private const long DayNanoseconds = 86_400_000_000_000;
    private readonly List<ObjectReference> _left = [];
    private PackImport? _pack;
    private long _offset;
    private long _superseded;

    /// <summary>Imports a pack, unless the tree knows it.</summary>
    public static PackImportResult RunPack(TreeWriter writer, PackImport pack)
    {
        Attachment attachment = AttachmentChanges.Get(writer, pack.AttachmentId);
        if (writer.Tables.Packs.FindByKey(attachment.Id, pack.Key) is not null
            || writer.Tables.Journal.ListOfKey(attachment.Id, pack.Key).Count > 0)
        {
            return new PackImportResult(0, 0, 0, IsKnown: true, []);
        }

        ImportChange change = new(writer, attachment) { _pack = pack };
        long bytes = 0;
        foreach (PackImportMember member in pack.Members)
        {
            bytes += member.SizeBytes;
            change.ImportMember(pack, member);
        }

        change.Finish(attachment.ListingCursor);
        bool isNeeded = change._added + change._changed > 0;
        bool isKnown = isNeeded || writer.Now - pack.CreatedTimeNanoseconds > DayNanoseconds;
        if (isKnown)
        {
            // One that nobody needs is known too: else its members came back when their newer contents are deleted.
            writer.Tables.Packs.Add(new PackRecord
            {
                Id = writer.Tables.Reserve("pack", 1),
                AttachmentId = attachment.Id,
                Key = pack.Key,
                ETag = pack.ETag,
                SizeBytes = pack.SizeBytes,
                MemberCount = pack.Members.Count,
                MemberBytes = bytes,
                State = PackState.Live,
                CreatedTimeNanoseconds = pack.CreatedTimeNanoseconds,
            });
        }

        foreach (ObjectReference packed in change._left)
        {
            PackChanges.MemberLeft(writer, packed);
        }

        return new PackImportResult(change._added, change._changed, change._superseded, isKnown, change._refused);
    }

    private void ImportMember(PackImport pack, in PackImportMember member)
    {
        if (PackKeys.IsPackPath(member.RelativePath) || member.RelativePath.EndsWith('/')
            || member.OffsetBytes <= 0 || member.SizeBytes < 0
            || member.OffsetBytes > pack.SizeBytes - member.SizeBytes)
        {
            _refused.Add((member.RelativePath, "It is no file of a pack."));
            return;
        }

        _offset = member.OffsetBytes;
        Import(new ImportedObject(
            member.RelativePath, pack.Key, pack.ETag, pack.VersionId, member.SizeBytes, member.ModifiedNanoseconds,
            pack.StorageClass));
    }

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
        if (other.Key != found.Key)
        {
            _left.Add(other);
        }
    }

    private static long TimeOf(string key) => PackKeys.TryGetTime(key, out long time) ? time : 0;
}
