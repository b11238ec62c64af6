using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// Contents into packs and out of them. A pack is written down before its first byte goes to the bucket, so that a
/// crash leaves no object that nobody knows; it is deleted, with its index, once no file needs it.
/// </summary>
internal static class PackChanges
{
    private const int CollectPage = 500;

    /// <summary>Gives a pack its number and key.</summary>
    public static PackRecord Begin(TreeWriter writer, long attachmentId)
    {
        Attachment attachment = AttachmentChanges.Get(writer, attachmentId);
        if (attachment.Mode != AttachmentMode.ReadWrite)
        {
            throw new DataLayerException(
                ErrorCode.ReadOnly, $"'{attachment.Path}' is attached read-only: nothing is packed there.");
        }

        long id = writer.Tables.Reserve("pack", 1);
        PackRecord pack = new()
        {
            Id = id,
            AttachmentId = attachmentId,
            // With the time, since another tree over the same bucket counts from 1 too.
            Key = string.Create(
                CultureInfo.InvariantCulture, $"{attachment.KeyPrefix}{PackKeys.Folder}{id:D8}-{writer.Now:x}.tar"),
            CreatedTimeNanoseconds = writer.Now,
        };
        writer.Tables.Packs.Add(pack);
        return pack;
    }

    /// <summary>
    /// Points the members that are still as they were read to the pack, and has the objects they had deleted. The pack
    /// goes again where none is.
    /// </summary>
    /// <returns>Of each member, whether it is in the pack.</returns>
    public static IReadOnlyList<bool> Complete(
        TreeWriter writer, PackRecord built, ObjectReference stored, IReadOnlyList<PackMember> members)
    {
        PackRecord? known = writer.Tables.Packs.Find(built.Id);
        if (known is not { State: PackState.Building }
            || writer.FindAttachment(built.AttachmentId)?.Mode != AttachmentMode.ReadWrite)
        {
            throw new DataLayerException(
                ErrorCode.Stale, $"Pack {built.Id} was given up, or its bucket detached, while it was written.");
        }

        bool[] joined = new bool[members.Count];
        List<(InodeId Inode, ObjectReference Packed)> left = [];
        long bytes = 0;
        for (int i = 0; i < joined.Length; i++)
        {
            joined[i] = TryJoin(writer, known, stored, members[i], left);
            bytes += members[i].From.SizeBytes;
        }

        known = known with
        {
            ETag = stored.ETag,
            SizeBytes = stored.SizeBytes,
            MemberCount = joined.Length,
            MemberBytes = bytes,
            State = PackState.Live,
        };
        writer.Tables.Packs.Save(known);
        CollectIfDead(writer, known);
        foreach ((InodeId inode, ObjectReference packed) in left)
        {
            MemberLeft(writer, inode, packed);
        }

        return joined;
    }

    /// <summary>Gives up a pack that was begun; what of it is in the bucket is deleted. No effect on others.</summary>
    public static bool Abandon(TreeWriter writer, long id)
    {
        if (writer.Tables.Packs.Find(id) is not { State: PackState.Building } pack)
        {
            return false;
        }

        return Drop(writer, pack);
    }

    /// <summary>A file does not need its place in a pack any more: the pack goes with its last.</summary>
    /// <param name="writer">The change that runs; the file's row is written back.</param>
    /// <param name="inode">The file.</param>
    /// <param name="before">Where its content lay; no effect unless that is a pack.</param>
    public static void MemberLeft(TreeWriter writer, InodeId inode, ObjectReference? before)
    {
        if (before is not { IsPacked: true } || writer.Tables.Packs.FindByKey(before.AttachmentId, before.Key)
            is not { State: PackState.Live or PackState.Importing } pack)
        {
            return;
        }

        if (pack.State != PackState.Live || !CollectIfDead(writer, pack))
        {
            Note(writer, pack, new PackChangeRow(pack.Id, before.PackOffsetBytes, inode, IsGone: true));
        }
    }

    /// <summary>A file in a pack is called otherwise now.</summary>
    public static void MemberRenamed(TreeWriter writer, InodeId inode, ObjectReference packed)
    {
        if (writer.Tables.Packs.FindByKey(packed.AttachmentId, packed.Key)
            is { State: PackState.Live or PackState.Importing } pack)
        {
            Note(writer, pack, new PackChangeRow(pack.Id, packed.PackOffsetBytes, inode, IsGone: false));
        }
    }

    /// <summary>What is to be written beside a pack; null where the pack is not known, or not written to.</summary>
    public static PackNamesOwed? ReadNames(TreeTables tables, long id)
    {
        if (tables.Packs.Find(id) is not { } pack
            || tables.Attachments.List(removing: false).Find(a => a.Id == pack.AttachmentId)
                is not { Mode: AttachmentMode.ReadWrite } attachment)
        {
            return null;
        }

        List<long> gone = [];
        List<(long OffsetBytes, string Name)> renamed = [];
        bool isDeferred = false;
        foreach (PackChangeRow change in tables.Packs.ListChanges(id))
        {
            if (change.IsGone)
            {
                // Until the bucket has what comes after it, the place in the pack is the last thing it has of the file.
                bool isNeeded = tables.Packs.HasUser(pack, change.OffsetBytes)
                    || ObjectJournal.PendingUploads(tables.Journal, change.Inode).Count > 0;
                isDeferred |= isNeeded;
                if (!isNeeded)
                {
                    gone.Add(change.OffsetBytes);
                }
            }
            else if (tables.Inodes.Find(change.Inode) is { LinkCount: > 0, Object: { IsPacked: true } place }
                && place.Key == pack.Key && place.PackOffsetBytes == change.OffsetBytes
                && tables.Dentries.FirstOf(change.Inode) is { } name)
            {
                string key = ObjectKeys.Of(tables, attachment, name.Parent, name.Name);
                renamed.Add((change.OffsetBytes, key[attachment.KeyPrefix!.Length..]));
            }
        }

        return new PackNamesOwed(pack, gone, renamed, isDeferred);
    }

    /// <summary>What became of a pack's members was written; what had to be left out is written later.</summary>
    /// <param name="writer">The change that runs.</param>
    /// <param name="entryId">The journal's entry that is done.</param>
    /// <param name="id">The pack.</param>
    /// <param name="againAt">When it is to be looked at again, nanoseconds since 1970 UTC; 0 for not.</param>
    public static bool NamesWritten(TreeWriter writer, long entryId, long id, long againAt)
    {
        bool removed = writer.Tables.Journal.Remove(entryId);
        if (againAt > 0 && writer.Tables.Packs.Find(id) is { } pack)
        {
            OweNames(writer, pack, againAt);
        }

        return removed;
    }

    /// <summary>Has packs deleted that no file needs.</summary>
    /// <param name="writer">The change that runs.</param>
    /// <param name="after">Only packs with larger numbers.</param>
    /// <param name="unfinished">Those too that were begun: at the start, when nobody writes one.</param>
    /// <returns>How many, and where to go on; 0 when done.</returns>
    public static (int Collected, long Next) Collect(TreeWriter writer, long after, bool unfinished)
    {
        int collected = 0;
        List<PackUse> page = writer.Tables.Packs.ListUse(after, CollectPage);
        foreach (PackUse use in page)
        {
            bool goes = use.Pack.State switch
            {
                PackState.Building => unfinished,
                PackState.Live => use.LiveCount == 0,
                _ => false, // The next attach or refresh goes on with it.
            };
            collected += goes && Drop(writer, use.Pack) ? 1 : 0;
        }

        return (collected, page.Count < CollectPage ? 0 : page[^1].Pack.Id);
    }

    /// <summary>Has a file in a pack uploaded as an object of its own, to the key of its name.</summary>
    /// <returns>Whether it lies in a pack.</returns>
    public static bool Unpack(TreeWriter writer, InodeId inode)
    {
        if (writer.Tables.Inodes.Find(inode) is not { LinkCount: > 0, Object.IsPacked: true } row)
        {
            return false;
        }

        if (writer.FindAttachment(row.AttachmentId) is { Mode: AttachmentMode.ReadWrite } attachment
            && ObjectKeys.OfFile(writer.Tables, row) is { } key)
        {
            ObjectJournal.ScheduleUpload(writer, row, attachment, key, writer.Now);
            return true;
        }

        throw new DataLayerException(
            ErrorCode.ReadOnly, $"Inode {inode} lies in a pack of a bucket that is attached read-only.");
    }

    private static bool TryJoin(
        TreeWriter writer, PackRecord pack, ObjectReference stored, PackMember member,
        List<(InodeId Inode, ObjectReference Packed)> left)
    {
        InodeRow? row = writer.Tables.Inodes.Find(member.Content.Inode);
        if (row is not { LinkCount: > 0, Kind: FileKind.Regular } || row.State == TierState.Hot
            || row.Generation != member.Content.Generation || row.Version != member.Version
            || row.AttachmentId != pack.AttachmentId || !IsSame(row.Object, member.From)
            || ObjectJournal.PendingUploads(writer.Tables.Journal, row.Inode).Count > 0)
        {
            return false;
        }

        string former = member.From.ETag;
        if (member.From.IsPacked)
        {
            former = writer.Tables.Packs.FindFormer(row.Inode) ?? string.Empty;
            left.Add((row.Inode, member.From));
        }

        writer.Tables.Packs.AddMember(row.Inode, pack.Id, former);
        row.Object = stored with { SizeBytes = row.SizeBytes, PackOffsetBytes = member.OffsetBytes };
        row.CheckedTime = writer.Now;
        writer.Tables.Inodes.Save(row);
        if (!member.From.IsPacked)
        {
            ObjectJournal.ScheduleDelete(
                writer, row, member.From.AttachmentId, member.From.Key, member.From.ETag);
        }

        return true;
    }

    private static bool IsSame(ObjectReference? now, ObjectReference then) =>
        now is not null && now.AttachmentId == then.AttachmentId && now.Key == then.Key && now.ETag == then.ETag
            && now.PackOffsetBytes == then.PackOffsetBytes && now.SizeBytes == then.SizeBytes;

    private static bool CollectIfDead(TreeWriter writer, PackRecord pack) =>
        !writer.Tables.Packs.IsLive(pack.Id) && Drop(writer, pack);

    private static void Note(TreeWriter writer, PackRecord pack, in PackChangeRow change)
    {
        // In a bucket that is only read somebody else says what became of its packs.
        if (writer.FindAttachment(pack.AttachmentId)?.Mode == AttachmentMode.ReadWrite
            && writer.Tables.Packs.NoteChange(change))
        {
            OweNames(writer, pack, writer.Now + NameChanges.DelayNanoseconds(writer));
        }
    }

    // One entry a pack that nobody has begun: what it writes is read when it is done, so it stands for all changes of a
    // while. A worker that has begun one may have read already.
    private static void OweNames(TreeWriter writer, PackRecord pack, long dueTime)
    {
        InodeId number = new(-pack.Id);
        if (!writer.Tables.Journal.ListOfInode(number).Exists(
            static e => e.Entry.Kind == JournalKind.WritePackNames && !e.Started))
        {
            writer.AddJournal(new JournalEntry
            {
                Kind = JournalKind.WritePackNames,
                Content = new ContentId(number, 0),
                AttachmentId = pack.AttachmentId,
                Key = pack.NamesKey,
                DueTimeNanoseconds = dueTime,
            });
        }
    }

    // Orphans that are still read hold the deletion back, as they do that of any object.
    private static bool Drop(TreeWriter writer, PackRecord pack)
    {
        if (writer.FindAttachment(pack.AttachmentId)?.Mode != AttachmentMode.ReadWrite)
        {
            return false;
        }

        // Each pack is an inode of its own to the journal: a deletion that waits holds no other one back.
        InodeRow nobody = new() { Inode = new InodeId(-pack.Id), Kind = FileKind.Regular };
        ObjectJournal.ScheduleDelete(writer, nobody, pack.AttachmentId, pack.Key, etag: null);
        ObjectJournal.ScheduleDelete(writer, nobody, pack.AttachmentId, pack.IndexKey, etag: null);
        if (writer.Tables.Packs.HasChanges(pack.Id))
        {
            foreach (JournalRow owed in writer.Tables.Journal.ListOfInode(nobody.Inode))
            {
                if (owed is { Started: false, Entry.Kind: JournalKind.WritePackNames })
                {
                    writer.Tables.Journal.Remove(owed.Entry.Id);
                }
            }

            ObjectJournal.ScheduleDelete(writer, nobody, pack.AttachmentId, pack.NamesKey, etag: null);
        }

        writer.Tables.Packs.Remove(pack.Id);
        return true;
    }
}
