using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>Replaces contents and changes them in place.</summary>
internal static class ContentChanges
{
    /// <summary>Gives a content to be written its identity, and journals where it is written.</summary>
    public static PendingContent Begin(
        TreeWriter writer, InodeId folder, string name, InodeId newInode, Func<ContentId, Placement?> place)
    {
        byte[] bytes = TreeName.Encode(name);
        InodeRow parent = Folders.GetWritable(writer, folder);
        ContentId content;
        if (writer.Tables.Dentries.Find(folder, bytes) is { } dentry)
        {
            InodeRow row = FindFile(writer.Tables, dentry, name);
            CheckKeyLength(writer, parent, bytes);
            row.LastGeneration = checked(row.LastGeneration + 1);
            writer.Tables.Inodes.SaveAttributes(row);
            content = new ContentId(row.Inode, row.LastGeneration);
        }
        else
        {
            CheckKeyLength(writer, parent, bytes);
            content = new ContentId(newInode == InodeId.None ? writer.NextInode() : newInode, 1);
        }

        Placement? placement = place(content);
        long journalId = placement is null ? 0 : writer.AddJournal(new JournalEntry
        {
            Kind = JournalKind.PendingWrite,
            Content = content,
            Placement = placement.ToText(),
            DueTimeNanoseconds = writer.Now,
        });
        return new PendingContent(content, folder, name, placement, journalId);
    }

    /// <summary>
    /// Whether a content can begin without a change of the tree: the name is free and writable. The file at a taken
    /// name needs a new generation.
    /// </summary>
    /// <exception cref="DataLayerException">What <see cref="Begin"/> would refuse.</exception>
    public static bool IsNewName(TreeTables tables, InodeId folder, string name)
    {
        byte[] bytes = TreeName.Encode(name);
        InodeRow parent = Folders.Get(tables, folder);
        return IsPlainlyWritable(tables, parent, bytes) && tables.Dentries.Find(folder, bytes) is null;
    }

    /// <summary>Makes a written content current.</summary>
    public static PublishResult Publish(TreeWriter writer, PublishRequest request)
    {
        PendingContent pending = request.Pending;
        byte[] bytes = TreeName.Encode(pending.Name);
        CheckPublishable(request);
        InodeRow parent = Folders.GetWritable(writer, pending.Folder);
        DentryRow? dentry = writer.Tables.Dentries.Find(pending.Folder, bytes);
        CheckConditions(writer.Tables, request, dentry);
        InodeRow? row = writer.Tables.Inodes.Find(pending.Content.Inode);
        InodeAttributes? replaced = null;
        if (dentry is { } taken && taken.Inode == pending.Content.Inode)
        {
            row = row ?? throw Folders.Dangling(taken.Inode);
        }
        else
        {
            // The name is new, or leads to another file by now, or to none: then the written file takes the name.
            if (row is { LinkCount: > 0 })
            {
                throw new DataLayerException(
                    ErrorCode.Stale, $"'{pending.Name}' was renamed or replaced while its new content was written. "
                        + "Write it again.");
            }

            replaced = dentry is { } victim ? Displace(writer, victim, pending.Name) : null;
            row = TakeName(writer, request, row, parent, bytes);
        }

        Install(writer, row, request, parent, bytes);
        if (replaced is not null || dentry is null)
        {
            Folders.Touch(writer, parent, 0);
        }

        if (pending.JournalId != 0)
        {
            writer.Tables.Journal.Remove(pending.JournalId);
        }

        writer.Quotas.Enforce();
        return new PublishResult(row.ToAttributes(), replaced);
    }

    /// <summary>Gives up a content that was begun.</summary>
    public static bool Abandon(TreeWriter writer, PendingContent pending)
    {
        if (pending.JournalId == 0 || !writer.Tables.Journal.Remove(pending.JournalId))
        {
            return false;
        }

        ObjectJournal.ScheduleHotCopyDelete(writer, pending.Content, pending.Placement?.ToText());
        return true;
    }

    /// <summary>Changes the current content in place.</summary>
    public static FileContent Update(TreeWriter writer, ContentUpdate update)
    {
        InodeRow row = writer.Tables.Inodes.Find(update.Content.Inode) ?? throw new DataLayerException(
            ErrorCode.NotFound, $"There is no inode {update.Content.Inode}.");
        if (row.Kind != FileKind.Regular)
        {
            throw new DataLayerException(ErrorCode.IsADirectory, $"Inode {row.Inode} is not a file.");
        }

        if (row.Generation != update.Content.Generation || (update.IfVersion is { } version && version != row.Version))
        {
            throw new DataLayerException(
                ErrorCode.Stale,
                $"Content {update.Content} is not current: the file is at generation {row.Generation}, version "
                    + $"{row.Version}.");
        }

        if (update.ContentChanges)
        {
            Folders.CheckWritable(writer, row.AttachmentId);
        }

        ApplyPlace(writer, row, update);
        row.Object = update.Object ?? row.Object;
        row.CheckedTime = update.CheckedTimeNanoseconds ?? row.CheckedTime;
        ApplyState(row, update);
        if (update.ContentChanges)
        {
            row.Version++;
            row.ModifyTime = update.ModifyTimeNanoseconds ?? writer.Now;
            row.ChangeTime = writer.Now;
            row.State = TierState.Hot;
            ScheduleUploadOf(writer, row, writer.Now + NameChanges.DelayNanoseconds(writer));
        }

        writer.Tables.Inodes.Save(row);
        if (update.ContentChanges)
        {
            PackChanges.MemberLeft(writer, row.Inode, row.Object);
        }

        if (update.CompletesJournalId != 0)
        {
            writer.Tables.Journal.Remove(update.CompletesJournalId);
        }

        return row.ToContent();
    }

    /// <summary>Takes over an object that was copied onto itself.</summary>
    public static bool RenewObject(TreeWriter writer, InodeId inode, string etagBefore, ObjectReference copied)
    {
        foreach (JournalRow entry in writer.Tables.Journal.ListOfKey(copied.AttachmentId, copied.Key))
        {
            if (entry.Entry.ETag == etagBefore)
            {
                writer.Tables.Journal.SetETag(entry, copied.ETag);
            }
        }

        InodeRow? row = writer.Tables.Inodes.Find(inode);
        if (row?.Object is not { } known || known.ETag != etagBefore || known.Key != copied.Key
            || known.AttachmentId != copied.AttachmentId)
        {
            return false;
        }

        row.Object = known with
        {
            ETag = copied.ETag,
            VersionId = copied.VersionId,
            StorageClass = copied.StorageClass,
            StoredTimeNanoseconds = copied.StoredTimeNanoseconds,
        };
        row.CheckedTime = writer.Now;
        writer.Tables.Inodes.Save(row);
        return true;
    }

    /// <summary>Changes many contents in place; null for each that is gone or not current.</summary>
    public static IReadOnlyList<FileContent?> UpdateMany(TreeWriter writer, IReadOnlyList<ContentUpdate> updates)
    {
        FileContent?[] done = new FileContent?[updates.Count];
        for (int i = 0; i < done.Length; i++)
        {
            try
            {
                done[i] = Update(writer, updates[i]);
            }
            catch (DataLayerException error) when (error.Code is ErrorCode.NotFound or ErrorCode.Stale)
            {
                // Found before anything was written.
            }
        }

        return done;
    }

    /// <summary>
    /// Schedules the upload of a file's current content to where it is, under a read-write attachment.
    /// </summary>
    public static void ScheduleUploadOf(TreeWriter writer, InodeRow row, long dueTime)
    {
        if (row.LinkCount > 0
            && writer.FindAttachment(row.AttachmentId) is { Mode: AttachmentMode.ReadWrite } attachment
            && ObjectKeys.OfFile(writer.Tables, row) is { } key)
        {
            ObjectJournal.ScheduleUpload(writer, row, attachment, key, dueTime);
        }
    }

    private static bool IsPlainlyWritable(TreeTables tables, InodeRow parent, byte[] name)
    {
        if (parent.AttachmentId == 0)
        {
            return true;
        }

        foreach (Attachment attachment in tables.Attachments.List(removing: false))
        {
            if (attachment.Id == parent.AttachmentId && attachment.Mode == AttachmentMode.ReadWrite)
            {
                ObjectKeys.ForUpload(tables, attachment, parent.Inode, name);
                return true;
            }
        }

        return false;
    }

    private static InodeRow FindFile(TreeTables tables, DentryRow dentry, string name) => dentry.Kind switch
    {
        FileKind.Regular => tables.Inodes.FindAttributes(dentry.Inode) ?? throw Folders.Dangling(dentry.Inode),
        FileKind.Directory => throw new DataLayerException(ErrorCode.IsADirectory, $"'{name}' is a folder."),
        FileKind.SymbolicLink => throw new DataLayerException(
            ErrorCode.InvalidArgument, $"'{name}' is a symbolic link. Resolve it first."),
        _ => throw new DataLayerException(ErrorCode.InvalidArgument, $"'{name}' is a special file without content."),
    };

    private static void CheckKeyLength(TreeWriter writer, InodeRow parent, byte[] name)
    {
        if (writer.FindAttachment(parent.AttachmentId) is { } attachment)
        {
            ObjectKeys.ForUpload(writer.Tables, attachment, parent.Inode, name);
        }
    }

    private static void CheckPublishable(PublishRequest request)
    {
        if (request.SizeBytes < 0 || request.SizeBytes > BlockLayout.MaxFileBytes)
        {
            throw new DataLayerException(
                ErrorCode.FileTooLarge, $"A file cannot have {request.SizeBytes} bytes; allowed are 0 to "
                    + $"{BlockLayout.MaxFileBytes}.");
        }

        if (request.Placement is null && request.SizeBytes > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "A content with bytes has no placement.");
        }
    }

    private static void CheckConditions(TreeTables tables, PublishRequest request, DentryRow? dentry)
    {
        if (dentry is { Kind: FileKind.Directory })
        {
            throw new DataLayerException(ErrorCode.IsADirectory, $"'{request.Pending.Name}' is a folder.");
        }

        if (request.IfAbsent && dentry is not null)
        {
            throw Folders.Taken(request.Pending.Folder, request.Pending.Name);
        }

        if (request.IfMatch is not { } condition)
        {
            return;
        }

        // Another file at the name does not match, whatever its numbers are.
        InodeRow? current = dentry?.Inode == request.Pending.Content.Inode
            ? tables.Inodes.FindAttributes(request.Pending.Content.Inode)
            : null;
        if (current is null || (current.Generation, current.Version) != condition)
        {
            throw new DataLayerException(
                ErrorCode.Stale, $"'{request.Pending.Name}' changed since generation {condition.Generation}, "
                    + $"version {condition.Version}.");
        }
    }

    private static InodeAttributes Displace(TreeWriter writer, DentryRow victim, string name)
    {
        InodeRow row = victim.Kind == FileKind.Directory
            ? throw new DataLayerException(ErrorCode.IsADirectory, $"'{name}' is a folder.")
            : writer.Tables.Inodes.Find(victim.Inode) ?? throw Folders.Dangling(victim.Inode);
        NameChanges.RemoveName(writer, row, victim);
        return row.ToAttributes();
    }

    // The inode is new, or was begun as a replacement and lost its name meanwhile: then it comes back with the new
    // content.
    private static InodeRow TakeName(
        TreeWriter writer, PublishRequest request, InodeRow? orphan, InodeRow parent, byte[] name)
    {
        InodeRow row;
        if (orphan is null)
        {
            row = NameChanges.NewRow(
                writer, request.Pending.Content.Inode, FileKind.Regular, request.NewInode, parent.AttachmentId,
                    target: null);
            row.Version = 0;
            row.Generation = 0;
            row.QuotaFolder = writer.Quotas.Below(parent);
            writer.Tables.Inodes.Add(row);
        }
        else
        {
            // Its object was given up with its last name.
            row = orphan;
            row.Object = null;
            row.CheckedTime = 0;
            row.LinkCount = 1;
            row.AttachmentId = parent.AttachmentId;
            row.QuotaFolder = writer.Quotas.Below(parent);
        }

        if (!writer.Tables.Dentries.TryAdd(new DentryRow(parent.Inode, name, row.Inode, FileKind.Regular)))
        {
            throw Folders.Taken(parent.Inode, request.Pending.Name);
        }

        return row;
    }

    private static void Install(TreeWriter writer, InodeRow row, PublishRequest request, InodeRow parent, byte[] name)
    {
        ContentId content = request.Pending.Content;
        string? placement = request.Placement?.ToText();
        if (content.Generation <= row.Generation)
        {
            throw new DataLayerException(
                ErrorCode.Stale, $"'{request.Pending.Name}' was replaced by a later writer (generation "
                    + $"{row.Generation}).");
        }

        if (row.Placement is { } old)
        {
            // Also where the text is the same: backing files are named by the generation too.
            ObjectJournal.ScheduleHotCopyDelete(writer, new ContentId(row.Inode, row.Generation), old);
        }

        row.Generation = content.Generation;
        row.LastGeneration = Math.Max(row.LastGeneration, content.Generation);
        row.Version++;
        row.SizeBytes = request.SizeBytes;
        row.State = TierState.Hot;
        row.Placement = placement;
        row.SetResidency(ResidencyBitmap.Full(BlockLayout.BlockCount(request.SizeBytes)));
        row.ModifyTime = writer.Now;
        row.ChangeTime = writer.Now;
        writer.Tables.Inodes.Save(row);
        PackChanges.MemberLeft(writer, row.Inode, row.Object);
        if (writer.FindAttachment(row.AttachmentId) is { } attachment)
        {
            string key = row.LinkCount > 1
                ? ObjectKeys.OfFile(writer.Tables, row)!
                : ObjectKeys.ForUpload(writer.Tables, attachment, parent.Inode, name);
            ObjectJournal.ScheduleUpload(writer, row, attachment, key, writer.Now);
        }
    }

    private static void ApplyPlace(TreeWriter writer, InodeRow row, ContentUpdate update)
    {
        ContentId content = update.Content;
        ResidencyBitmap residency = ResidencyColumn.Decode(row.Residency, row.SizeBytes);
        if (update.SizeBytes is { } size)
        {
            if (size < 0 || size > BlockLayout.MaxFileBytes)
            {
                throw new DataLayerException(ErrorCode.FileTooLarge, $"A file cannot have {size} bytes.");
            }

            row.SizeBytes = size;
            residency.Resize(BlockLayout.BlockCount(size));
        }

        string? placement = update.ClearPlacement ? null : update.Placement?.ToText() ?? row.Placement;
        if (row.Placement is { } old && old != placement)
        {
            ObjectJournal.ScheduleHotCopyDelete(writer, content, old);
        }

        if (placement is not null && placement != row.Placement)
        {
            ObjectJournal.KeepHotCopy(writer, content, placement);
        }

        row.Placement = placement;
        if (update.ClearPlacement)
        {
            residency = new ResidencyBitmap(residency.BlockCount);
        }

        SetBits(residency, update.SetResident, hot: true, content);
        SetBits(residency, update.ClearResident, hot: false, content);
        if (row.Object is null && placement is not null)
        {
            // Without a cold copy the hot one is whole.
            residency = ResidencyBitmap.Full(residency.BlockCount);
        }

        row.SetResidency(residency);
    }

    private static void SetBits(ResidencyBitmap residency, IReadOnlyList<uint>? blocks, bool hot, ContentId content)
    {
        for (int i = 0; i < (blocks?.Count ?? 0); i++)
        {
            if (blocks![i] >= residency.BlockCount)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"Content {content} has {residency.BlockCount} blocks, there is no "
                        + $"block {blocks[i]}.");
            }

            residency[blocks[i]] = hot;
        }
    }

    // Release never precedes a verified upload: a content leaves state Hot only with its object, by
    // CompleteUploadAsync or given here.
    private static void ApplyState(InodeRow row, ContentUpdate update)
    {
        if (update.State is { } state && state != row.State)
        {
            bool needsObject = state != TierState.Hot;
            if (needsObject && (row.Object is null || (row.State == TierState.Hot && update.Object is null)))
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"Content {update.Content} cannot become {state}: no verified object "
                        + "holds it.");
            }

            row.State = state;
        }

        if (row.State == TierState.Hot && row.Placement is null && row.SizeBytes > 0 && update.ClearPlacement)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The hot copy of content {update.Content} is its only one and cannot be "
                    + "given up.");
        }
    }
}
