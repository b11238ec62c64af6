using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Changes of names by path: each resolves, checks the attachment's mode, changes the tree in one transaction and
/// invalidates what it changed.
/// </summary>
internal sealed class NameChanger(EngineContext context)
{
    private const int RemovePage = 256;

    /// <summary>Pages of which nothing was left to remove before its error is believed.</summary>
    private const int MaxIdlePages = 100;

    public async ValueTask<InodeAttributes> MakeDirectoryAsync(
        string path, int mode, bool parents, CancellationToken cancellationToken)
    {
        if (parents)
        {
            await CheckAncestorWritableAsync(path, cancellationToken).ConfigureAwait(false);
            return await context.View.MakeFoldersAsync(path, mode, cancellationToken).ConfigureAwait(false);
        }

        (InodeAttributes folder, string name) = await ParentAsync(path, cancellationToken).ConfigureAwait(false);
        using (new ChangeScope(context.Stamps).Name(folder.Inode, name))
        {
            return await context.Tree.MakeDirectoryAsync(folder.Inode, name, new NewInode(mode), cancellationToken)
                .ConfigureAwait(false);
        }
    }

    public async ValueTask<InodeAttributes> MakeSymbolicLinkAsync(
        string path, string target, CancellationToken cancellationToken)
    {
        (InodeAttributes folder, string name) = await ParentAsync(path, cancellationToken).ConfigureAwait(false);
        using (new ChangeScope(context.Stamps).Name(folder.Inode, name))
        {
            return await context.Tree.MakeSymbolicLinkAsync(
                folder.Inode, name, target, new NewInode(0x1FF), cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask<InodeAttributes> LinkAsync(
        string existingPath, string newPath, CancellationToken cancellationToken)
    {
        InodeAttributes existing = await context.View.ResolveAsync(existingPath, followLast: false, cancellationToken)
            .ConfigureAwait(false);
        (InodeAttributes folder, string name) = await ParentAsync(newPath, cancellationToken).ConfigureAwait(false);
        using (new ChangeScope(context.Stamps).Name(folder.Inode, name).Inode(existing.Inode))
        {
            return await context.Tree.LinkAsync(existing.Inode, folder.Inode, name, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Removes a file or link, or a folder; a folder's contents name by name, so an interruption leaves a sound rest.
    /// </summary>
    public async ValueTask RemoveAsync(
        string path, bool recursive, string? ifMatch, CancellationToken cancellationToken)
    {
        (InodeAttributes folder, string name) = await ParentAsync(path, cancellationToken).ConfigureAwait(false);
        InodeAttributes found = await context.View.LookupAsync(folder.Inode, name, cancellationToken)
            .ConfigureAwait(false)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"'{path}' does not exist.");
        if (ifMatch is not null && ifMatch != FileEngine.EntityTag(found))
        {
            throw new DataLayerException(
                ErrorCode.Stale,
                $"'{path}' has the entity tag {FileEngine.EntityTag(found)}, not {ifMatch}: it changed.");
        }

        if (found.Kind != FileKind.Directory)
        {
            await UnlinkAsync(folder.Inode, name, found, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await RemoveFolderAsync(folder.Inode, name, found, recursive, path, cancellationToken)
                .ConfigureAwait(false);
        }

        context.JournalSignal?.Invoke();
    }

    public async ValueTask<InodeAttributes> RenameAsync(
        string from, string to, RenameFlags flags, CancellationToken cancellationToken)
    {
        (InodeAttributes fromFolder, string fromName) = await ParentAsync(from, cancellationToken)
            .ConfigureAwait(false);
        (InodeAttributes toFolder, string toName) = await ParentAsync(to, cancellationToken).ConfigureAwait(false);
        InodeAttributes moved = await context.View.LookupAsync(fromFolder.Inode, fromName, cancellationToken)
            .ConfigureAwait(false)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"'{from}' does not exist.");
        InodeAttributes? target = await context.View.LookupAsync(toFolder.Inode, toName, cancellationToken)
            .ConfigureAwait(false);
        // What lies below a moved folder may change its attachment or object, so everything is looked at again.
        ChangeScope scope = new ChangeScope(context.Stamps, all: moved.Kind == FileKind.Directory)
            .Name(fromFolder.Inode, fromName).Name(toFolder.Inode, toName).Inode(moved.Inode);
        if (target is not null)
        {
            scope.Inode(target.Inode);
        }

        RenameResult result;
        using (scope)
        {
            result = await context.Tree.RenameAsync(
                fromFolder.Inode, fromName, toFolder.Inode, toName, flags, cancellationToken).ConfigureAwait(false);
        }

        if (context.Tree.Quotas.IsEmpty)
        {
            await ReloadAsync(result.Moved).ConfigureAwait(false);
        }
        else
        {
            await context.ReloadAllAsync().ConfigureAwait(false);
        }

        if (result.Replaced is { LinkCount: 0 } replaced)
        {
            await context.ReleaseOrphanAsync(replaced.Inode).ConfigureAwait(false);
            context.DropMemory(replaced);
        }

        context.JournalSignal?.Invoke();
        return result.Moved;
    }

    public async ValueTask<InodeAttributes> SetAttributesAsync(
        string path, AttributeChanges changes, CancellationToken cancellationToken)
    {
        InodeAttributes found = await WritableAsync(path, cancellationToken).ConfigureAwait(false);
        InodeAttributes changed;
        using (new ChangeScope(context.Stamps).Inode(found.Inode))
        {
            changed = await context.Tree.SetAttributesAsync(found.Inode, changes, cancellationToken)
                .ConfigureAwait(false);
        }

        await ReloadAsync(changed).ConfigureAwait(false);
        return changed;
    }

    /// <summary>What the engine knows of a content in use follows its inode.</summary>
    private async ValueTask ReloadAsync(InodeAttributes changed)
    {
        if (changed.Kind == FileKind.Regular && context.Contents.Peek(changed.Content) is { } state)
        {
            await context.ReloadAsync(state, CancellationToken.None).ConfigureAwait(false);
        }
    }

    public async ValueTask SetXattrAsync(
        string path, string name, ReadOnlyMemory<byte> value, XattrCondition condition,
        CancellationToken cancellationToken)
    {
        InodeAttributes found = await WritableAsync(path, cancellationToken).ConfigureAwait(false);
        bool isQuota = TreeStore.IsQuotaAttribute(name);
        using (new ChangeScope(context.Stamps, all: isQuota).Inode(found.Inode))
        {
            await context.Tree.SetXattrAsync(found.Inode, name, value, condition, cancellationToken)
                .ConfigureAwait(false);
        }

        if (isQuota)
        {
            await context.ReloadAllAsync().ConfigureAwait(false);
        }
    }

    public async ValueTask RemoveXattrAsync(string path, string name, CancellationToken cancellationToken)
    {
        InodeAttributes found = await WritableAsync(path, cancellationToken).ConfigureAwait(false);
        bool isQuota = TreeStore.IsQuotaAttribute(name);
        using (new ChangeScope(context.Stamps, all: isQuota).Inode(found.Inode))
        {
            await context.Tree.RemoveXattrAsync(found.Inode, name, cancellationToken).ConfigureAwait(false);
        }

        if (isQuota)
        {
            await context.ReloadAllAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The folder of a path's last name, below which changes are allowed.</summary>
    public async ValueTask<(
        InodeAttributes Folder, string Name)> ParentAsync(string path, CancellationToken cancellationToken)
    {
        (InodeAttributes folder, string name) =
            await context.View.ResolveParentAsync(path, makeParents: false, cancellationToken).ConfigureAwait(false);
        context.Attachments.CheckWritable(folder.AttachmentId, path);
        return (folder, name);
    }

    /// <summary>Refuses missing folders that would have to be made below a read-only attachment.</summary>
    public async ValueTask CheckAncestorWritableAsync(string path, CancellationToken cancellationToken)
    {
        string at = path.TrimEnd('/');
        while (at.Length > 0)
        {
            try
            {
                InodeAttributes found = await context.View.ResolveAsync(at, followLast: true, cancellationToken)
                    .ConfigureAwait(false);
                if (at.Length < path.TrimEnd('/').Length)
                {
                    context.Attachments.CheckWritable(found.AttachmentId, path);
                }

                return;
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
            {
                at = at[..Math.Max(0, at.LastIndexOf('/'))];
            }
        }
    }

    private async ValueTask<InodeAttributes> WritableAsync(string path, CancellationToken cancellationToken)
    {
        InodeAttributes found = await context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        context.Attachments.CheckWritable(found.AttachmentId, path);
        return found;
    }

    private async ValueTask UnlinkAsync(
        InodeId folder, string name, InodeAttributes found, CancellationToken cancellationToken)
    {
        InodeAttributes removed;
        using (new ChangeScope(context.Stamps).Name(folder, name).Inode(found.Inode))
        {
            removed = await context.Tree.UnlinkAsync(folder, name, cancellationToken).ConfigureAwait(false);
        }

        context.Step("unlink.committed");
        if (removed.LinkCount == 0)
        {
            await context.ReleaseOrphanAsync(removed.Inode).ConfigureAwait(false);
            context.DropMemory(removed);
        }
    }

    private async ValueTask RemoveFolderAsync(
        InodeId parent, string name, InodeAttributes folder, bool recursive, string path,
        CancellationToken cancellationToken)
    {
        if (context.Attachments.FindByFolder(folder.Inode) is { } attachment)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"'{path}' is attached to {attachment.Source}. Detach it first.");
        }

        context.Attachments.CheckWritable(folder.AttachmentId, path);
        for (int idle = 0; recursive;)
        {
            IReadOnlyList<DirectoryEntry> entries = await context.Tree.ListAsync(
                folder.Inode, after: null, RemovePage, cancellationToken).ConfigureAwait(false);
            if (entries.Count == 0)
            {
                break;
            }

            idle++;
            foreach (DirectoryEntry entry in entries)
            {
                try
                {
                    await RemoveEntryAsync(folder.Inode, entry, path, cancellationToken).ConfigureAwait(false);
                    idle = 0;
                }
                catch (DataLayerException error) when (error.Code == ErrorCode.NotFound && idle < MaxIdlePages)
                {
                    // Somebody else removes the same folder: what is gone is not ours to remove, the rest is.
                }
            }
        }

        using (new ChangeScope(context.Stamps).Name(parent, name).Inode(folder.Inode))
        {
            await context.Tree.RemoveDirectoryAsync(parent, name, cancellationToken).ConfigureAwait(false);
        }
    }

    private ValueTask RemoveEntryAsync(
        InodeId folder, DirectoryEntry entry, string path, CancellationToken cancellationToken) =>
        entry.Attributes.Kind == FileKind.Directory
            ? RemoveFolderAsync(
                folder, entry.Name, entry.Attributes, recursive: true, $"{path}/{entry.Name}", cancellationToken)
            : UnlinkAsync(folder, entry.Name, entry.Attributes, cancellationToken);
}
