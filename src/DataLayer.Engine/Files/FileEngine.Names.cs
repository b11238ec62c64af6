using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Writing;
using DataLayer.Engine.Tiering.Heat;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files;

/// <content>Names and attributes.</content>
public sealed partial class FileEngine
{
    /// <summary>The attributes of what a path leads to.</summary>
    /// <exception cref="DataLayerException">
    /// NotFound, NotADirectory, TooManyLinks, NameTooLong, InvalidArgument.
    /// </exception>
    public async ValueTask<InodeAttributes> StatAsync(string path, bool followLast, CancellationToken cancellationToken)
    {
        InodeAttributes found = await Context.View.ResolveAsync(path, followLast, cancellationToken)
            .ConfigureAwait(false);
        return Overlay(found);
    }

    /// <summary>What <c>datalayer stat</c> shows: tier, residency, object, placement, heat.</summary>
    public async ValueTask<FileDescription> DescribeAsync(string path, CancellationToken cancellationToken)
    {
        InodeAttributes found = await Context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        FileContent? content = found.Kind == FileKind.Regular
            ? await Context.Tree.GetContentAsync(found.Inode, cancellationToken).ConfigureAwait(false)
            : null;
        if (content is null)
        {
            return new FileDescription(found, path, null, 0, 0, 0, null, null, 0, false);
        }

        InodeAttributes attributes = Overlay(content.Attributes);
        uint count = BlockLayout.BlockCount(attributes.SizeBytes);
        uint memory = 0;
        for (uint block = 0; block < count; block++)
        {
            memory += Context.Cache.Contains(new BlockId(attributes.Content, block)) ? 1u : 0u;
        }

        bool isHot = attributes.State == TierState.Hot && content.Placement is not null;
        FileHeat heat = await Heat.GetAsync(found.Inode, cancellationToken).ConfigureAwait(false);
        bool pending = attributes.State == TierState.Hot
            && Context.Attachments.Find(attributes.AttachmentId) is { Mode: AttachmentMode.ReadWrite };
        return new FileDescription(
            attributes,
            path,
            content.Placement?.ToText(),
            count,
            isHot ? count : content.Residency.ResidentCount,
            memory,
            content.Object,
            content.Object is { } held ? Context.Attachments.Find(held.AttachmentId)?.Source : null,
            heat.Score,
            pending);
    }

    /// <summary>
    /// Entries of a folder in name order (UTF-8 bytes) after a name, at most <paramref name="limit"/>.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory.</exception>
    public async ValueTask<IReadOnlyList<DirectoryEntry>> ListAsync(
        string path, string? after, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        InodeAttributes folder = await Context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        if (folder.Kind != FileKind.Directory)
        {
            throw new DataLayerException(ErrorCode.NotADirectory, $"'{path}' is not a folder.");
        }

        IReadOnlyList<DirectoryEntry> entries =
            await Context.View.ListAsync(folder.Inode, after, limit, cancellationToken).ConfigureAwait(false);
        return Overlay(entries);
    }

    /// <summary>
    /// Makes a folder; with <paramref name="parents"/> its missing parents too, and no error if it is there.
    /// </summary>
    public ValueTask<InodeAttributes> MakeDirectoryAsync(
        string path, int mode, bool parents, CancellationToken cancellationToken) =>
        _names.MakeDirectoryAsync(path, mode, parents, cancellationToken);

    /// <summary>Makes a symbolic link.</summary>
    public ValueTask<InodeAttributes> MakeSymbolicLinkAsync(
        string path, string target, CancellationToken cancellationToken) =>
        _names.MakeSymbolicLinkAsync(path, target, cancellationToken);

    /// <summary>Gives a file one more name.</summary>
    public ValueTask<InodeAttributes> LinkAsync(
        string existingPath, string newPath, CancellationToken cancellationToken) =>
        _names.LinkAsync(existingPath, newPath, cancellationToken);

    /// <summary>
    /// Removes a file or link, or a folder (empty unless <paramref name="recursive"/>). <paramref name="ifMatch"/>:
    /// entity tag that must hold, or null.
    /// </summary>
    public ValueTask RemoveAsync(string path, bool recursive, string? ifMatch, CancellationToken cancellationToken) =>
        _names.RemoveAsync(path, recursive, ifMatch, cancellationToken);

    /// <summary>Renames in one transaction; see <see cref="TreeStore.RenameAsync"/>.</summary>
    public ValueTask<InodeAttributes> RenameAsync(
        string from, string to, RenameFlags flags, CancellationToken cancellationToken) =>
        _names.RenameAsync(from, to, flags, cancellationToken);

    /// <summary>Changes mode, owner or times.</summary>
    public ValueTask<InodeAttributes> SetAttributesAsync(
        string path, AttributeChanges changes, CancellationToken cancellationToken) =>
        _names.SetAttributesAsync(path, changes, cancellationToken);

    /// <summary>Files, folders and bytes at or below a path.</summary>
    public async ValueTask<TreeUsage> GetUsageAsync(string path, CancellationToken cancellationToken)
    {
        InodeAttributes found = await Context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        return await Context.Tree.GetUsageAsync(found.Inode, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>An extended attribute's value, or null.</summary>
    public async ValueTask<byte[]?> GetXattrAsync(string path, string name, CancellationToken cancellationToken)
    {
        InodeAttributes found = await Context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        return await Context.Tree.GetXattrAsync(found.Inode, name, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The names of the extended attributes.</summary>
    public async ValueTask<IReadOnlyList<string>> ListXattrsAsync(string path, CancellationToken cancellationToken)
    {
        InodeAttributes found = await Context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        return await ListXattrsAsync(found.Inode, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>As above by inode: all but what the engine keeps for itself.</summary>
    internal async ValueTask<IReadOnlyList<string>> ListXattrsAsync(
        InodeId inode, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> names = await Context.Tree.ListXattrsAsync(inode, cancellationToken)
            .ConfigureAwait(false);
        List<string> shown = new(names.Count);
        foreach (string name in names)
        {
            if (name != UploadPrints.Attribute)
            {
                shown.Add(name);
            }
        }

        return shown;
    }

    /// <summary>Sets an extended attribute.</summary>
    public ValueTask SetXattrAsync(
        string path, string name, ReadOnlyMemory<byte> value, XattrCondition condition,
        CancellationToken cancellationToken) =>
        _names.SetXattrAsync(path, name, value, condition, cancellationToken);

    /// <summary>Removes an extended attribute.</summary>
    public ValueTask RemoveXattrAsync(string path, string name, CancellationToken cancellationToken) =>
        _names.RemoveXattrAsync(path, name, cancellationToken);

    /// <summary>Entries with what is not flushed yet.</summary>
    internal IReadOnlyList<DirectoryEntry> Overlay(IReadOnlyList<DirectoryEntry> entries)
    {
        DirectoryEntry[] overlaid = new DirectoryEntry[entries.Count];
        for (int i = 0; i < overlaid.Length; i++)
        {
            overlaid[i] = entries[i] with { Attributes = Overlay(entries[i].Attributes) };
        }

        return overlaid;
    }

    /// <summary>
    /// Attributes as an open, unflushed file has them. The look at what is open comes after the tree was read, and may
    /// find a flush that ended in between.
    /// </summary>
    internal InodeAttributes Overlay(InodeAttributes attributes) =>
        attributes.Kind == FileKind.Regular && Context.Contents.Peek(attributes.Content) is { } known
            ? known.Newest(attributes)
            : attributes;
}
