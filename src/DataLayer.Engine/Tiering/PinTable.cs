using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Tiering;

/// <summary>
/// What is pinned: the files of pinned datasets, and files and folders whose extended attribute <see cref="Name"/> is
/// 1. A folder's pin holds for all below it, except where a nearer folder or the file itself says 0. A picture of one
/// moment.
/// </summary>
internal sealed class PinTable
{
    /// <summary>The attribute, as mounts know it: 1 or 0.</summary>
    public const string Name = "user.datalayer.pin";

    private readonly Dictionary<long, bool> _files = [];
    private readonly Dictionary<string, bool> _folders = new(StringComparer.Ordinal);

    private readonly DatasetPins _datasets;

    private PinTable(DatasetPins datasets) => _datasets = datasets;

    /// <summary>Reads the pins of the tree.</summary>
    public static async ValueTask<PinTable> LoadAsync(EngineContext context, CancellationToken cancellationToken)
    {
        PinTable pins = new(context.DatasetPins);
        foreach ((InodeId inode, byte[] value) in await context.Tree.FindXattrsAsync(Name, cancellationToken)
            .ConfigureAwait(false))
        {
            bool isPinned = value.AsSpan().SequenceEqual("1"u8);
            if (await context.Tree.GetAsync(inode, cancellationToken).ConfigureAwait(false) is not
                { Kind: FileKind.Directory })
            {
                pins._files[inode.Value] = isPinned;
            }
            else if (await context.Tree.GetPathAsync(inode, cancellationToken).ConfigureAwait(false) is { } path)
            {
                pins._folders[path.TrimEnd('/')] = isPinned;
            }
        }

        return pins;
    }

    /// <summary>Whether one file is pinned now, without reading the pins of all.</summary>
    public static async ValueTask<bool> IsPinnedAsync(
        EngineContext context, InodeId inode, string path, CancellationToken cancellationToken)
    {
        if (context.DatasetPins.Contains(inode))
        {
            return true;
        }

        byte[]? pin = await context.Tree.GetXattrAsync(inode, Name, cancellationToken).ConfigureAwait(false);
        try
        {
            for (string at = path; pin is null && at.LastIndexOf('/') is var slash && slash >= 0;)
            {
                at = at[..slash];
                InodeAttributes folder = await context.View
                    .ResolveAsync(at.Length == 0 ? "/" : at, followLast: false, cancellationToken)
                    .ConfigureAwait(false);
                pin = await context.Tree.GetXattrAsync(folder.Inode, Name, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (DataLayerException e) when (e.Code is ErrorCode.NotFound or ErrorCode.NotADirectory)
        {
            return false; // It was moved meanwhile: its path is another.
        }

        return pin.AsSpan().SequenceEqual("1"u8);
    }

    /// <summary>Whether a file is pinned.</summary>
    public bool IsPinned(InodeId inode, string path)
    {
        if (_datasets.Contains(inode))
        {
            return true;
        }

        if (_files.Count > 0 && _files.TryGetValue(inode.Value, out bool own))
        {
            return own;
        }

        if (_folders.Count == 0)
        {
            return false;
        }

        Dictionary<string, bool>.AlternateLookup<ReadOnlySpan<char>> folders =
            _folders.GetAlternateLookup<ReadOnlySpan<char>>();
        ReadOnlySpan<char> folder = path;
        while (folder.LastIndexOf('/') is var slash && slash >= 0)
        {
            folder = folder[..slash];
            if (folders.TryGetValue(folder, out bool inherited))
            {
                return inherited;
            }
        }

        return false;
    }
}
