using System.Diagnostics;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Metadata.Nodes;
using Microsoft.Extensions.Caching.Memory;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// Reads of the tree with what was read before kept in memory: attributes by inode, inodes by name, pages of
/// listings. Each entry carries the stamps it was read under (<see cref="ChangeStamps"/>) and is used only while they
/// hold, so nothing stale is served.
/// </summary>
internal sealed class TreeView : IDisposable
{
    private static readonly MemoryCacheEntryOptions _one = new() { Size = 1 };

    // Ambient, since every operation that takes a path comes through here and must not forget it. Read where a walk
    // meets a link only.
    private static readonly AsyncLocal<TreeScope?> _scope = new();
    private readonly TreeStore _tree;
    private readonly MemoryCache _inodes;
    private readonly MemoryCache _names;
    private readonly MemoryCache? _listings;

    private readonly EngineCounters _counters;
    private readonly Func<ValueTask>? _beforeRead;

    public TreeView(TreeStore tree, ChangeStamps stamps, EngineCounters counters, FileEngineOptions options)
    {
        _tree = tree;
        Stamps = stamps;
        _counters = counters;
        _beforeRead = options.BeforeTreeRead;
        _inodes = new MemoryCache(new MemoryCacheOptions { SizeLimit = options.AttributeCacheEntries });
        _names = new MemoryCache(new MemoryCacheOptions { SizeLimit = options.AttributeCacheEntries });
        _listings = options.ListingCacheEntries == 0
            ? null
            : new MemoryCache(new MemoryCacheOptions { SizeLimit = options.ListingCacheEntries });
    }

    public ChangeStamps Stamps { get; }

    /// <summary>Follows another node's changes; null where this one makes them.</summary>
    public TreeFollower? Follower { get; init; }

    /// <summary>Where the calls of this flow of control are confined to, or null.</summary>
    public static TreeScope? Scope
    {
        get => _scope.Value;
        set => _scope.Value = value;
    }

    /// <summary>What was last known of an inode, perhaps changed since; null where nothing is.</summary>
    public InodeAttributes? Peek(InodeId inode) =>
        _inodes.TryGetValue(inode, out CachedInode? cached) ? cached!.Attributes : null;

    public ValueTask<InodeAttributes?> GetAsync(InodeId inode, CancellationToken cancellationToken)
    {
        long stamp = Stamps.Of(inode);
        return _inodes.TryGetValue(inode, out CachedInode? cached) && cached!.Stamp == stamp
            ? ValueTask.FromResult<InodeAttributes?>(cached.Attributes)
            : LoadAsync(inode, stamp, cancellationToken);
    }

    public ValueTask<InodeAttributes?> LookupAsync(InodeId folder, string name, CancellationToken cancellationToken)
    {
        long stamp = Stamps.Of(folder, name);
        return _names.TryGetValue(new NameKey(folder, name), out CachedName? cached) && cached!.Stamp == stamp
            ? GetAsync(cached.Inode, cancellationToken)
            : LookupSlowAsync(folder, name, stamp, cancellationToken);
    }

    /// <summary>The current content of a file, from the tree; null if there is no such file.</summary>
    public ValueTask<FileContent?> GetContentAsync(InodeId inode, CancellationToken cancellationToken) =>
        CountedAsync(static (tree, inode, token) => tree.GetContentAsync(inode, token), inode, cancellationToken);

    /// <summary>Walks an absolute path. Where it meets a symbolic link or dots, the tree itself walks it.</summary>
    /// <exception cref="DataLayerException">
    /// NotFound, NotADirectory, TooManyLinks, NameTooLong or InvalidArgument, naming the path.
    /// </exception>
    public async ValueTask<InodeAttributes> ResolveAsync(
        string path, bool followLast, CancellationToken cancellationToken)
    {
        CheckPath(path);
        if (Follower is not null)
        {
            await Follower.ConfirmAsync(cancellationToken).ConfigureAwait(false);
        }

        InodeAttributes current = await GetAsync(InodeId.Root, cancellationToken).ConfigureAwait(false)
            ?? throw new DataLayerException(ErrorCode.Internal, "The tree has no root. Run 'datalayer fsck'.");
        int position = 1;
        while (position < path.Length)
        {
            int end = path.IndexOf('/', position);
            end = end < 0 ? path.Length : end;
            int length = end - position;
            if (length > 0)
            {
                if (IsDots(path.AsSpan(position, length)) || current.Kind == FileKind.SymbolicLink)
                {
                    return await _tree.ResolveAsync(path, followLast, Scope, cancellationToken).ConfigureAwait(false);
                }

                if (current.Kind != FileKind.Directory)
                {
                    throw new DataLayerException(
                        ErrorCode.NotADirectory, $"'{path[..(position - 1)]}' is not a folder.");
                }

                current = await LookupAsync(current.Inode, path.Substring(position, length), cancellationToken)
                    .ConfigureAwait(false)
                    ?? throw new DataLayerException(ErrorCode.NotFound, $"'{path}' does not exist.");
            }

            position = end + 1;
        }

        if (current.Kind == FileKind.SymbolicLink && followLast)
        {
            return await _tree.ResolveAsync(path, followLast: true, Scope, cancellationToken).ConfigureAwait(false);
        }

        return current.Kind != FileKind.Directory && path[^1] == '/'
            ? throw new DataLayerException(ErrorCode.NotADirectory, $"'{path}' is not a folder.")
            : current;
    }

    /// <summary>The folder that holds the last name of a path, and that name.</summary>
    public async ValueTask<(InodeAttributes Folder, string Name)> ResolveParentAsync(
        string path, bool makeParents, CancellationToken cancellationToken)
    {
        (string parent, string name) = SplitPath(path);
        InodeAttributes folder;
        try
        {
            folder = await ResolveAsync(parent, followLast: true, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.NotFound && makeParents)
        {
            folder = await MakeFoldersAsync(parent, 0x1ED, cancellationToken).ConfigureAwait(false);
        }

        return folder.Kind == FileKind.Directory
            ? (folder, name)
            : throw new DataLayerException(ErrorCode.NotADirectory, $"'{parent}' is not a folder.");
    }

    /// <summary>Makes a folder and its missing parents; no error where one is there.</summary>
    public async ValueTask<InodeAttributes> MakeFoldersAsync(string path, int mode, CancellationToken cancellationToken)
    {
        string[] names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        InodeAttributes current = await ResolveAsync("/", followLast: true, cancellationToken).ConfigureAwait(false);
        StringBuilder walked = new();
        foreach (string name in names)
        {
            walked.Append('/').Append(name);
            InodeAttributes? next;
            try
            {
                next = await ResolveAsync(walked.ToString(), followLast: true, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
            {
                next = await MakeFolderAsync(current.Inode, name, mode, cancellationToken).ConfigureAwait(false);
            }

            current = next.Kind == FileKind.Directory
                ? next
                : throw new DataLayerException(ErrorCode.NotADirectory, $"'{walked}' is not a folder.");
        }

        return current;
    }

    public async ValueTask<IReadOnlyList<DirectoryEntry>> ListAsync(
        InodeId folder, string? after, int limit, CancellationToken cancellationToken)
    {
        ListingKey key = new(folder, after, limit);
        long stamp = Stamps.Of(folder);
        if (_listings is not null && _listings.TryGetValue(key, out CachedListing? cached) && cached!.Stamp == stamp
            && AreCurrent(cached))
        {
            return cached.Entries;
        }

        long before = Stamps.Changes;
        IReadOnlyList<DirectoryEntry> entries = await CountedAsync(
            static (tree, key, token) => tree.ListAsync(key.Folder, key.After, key.Limit, token), key,
            cancellationToken).ConfigureAwait(false);
        if (_listings is not null)
        {
            // The entries' stamps can only be taken after the read; they are good if no change at all began or ended
            // meanwhile.
            long[] stamps = new long[entries.Count];
            for (int i = 0; i < stamps.Length; i++)
            {
                stamps[i] = Stamps.Of(entries[i].Attributes.Inode);
            }

            if (before == Stamps.Changes)
            {
                MemoryCacheEntryOptions sized = new() { Size = 1 + entries.Count };
                _listings.Set(key, new CachedListing(stamp, entries, stamps), sized);
            }
        }

        return entries;
    }

    public static (string Parent, string Name) SplitPath(string path)
    {
        CheckPath(path);
        string trimmed = path.TrimEnd('/');
        int slash = trimmed.LastIndexOf('/');
        if (slash < 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"'{path}' names the root of the tree, which cannot be changed so.");
        }

        string name = trimmed[(slash + 1)..];
        if (name is "." or "..")
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"'{path}' ends in dots; give the real name.");
        }

        if (Encoding.UTF8.GetByteCount(name) > 255)
        {
            throw new DataLayerException(
                ErrorCode.NameTooLong, $"The name '{name[..32]}…' is longer than 255 bytes.");
        }

        return (slash == 0 ? "/" : trimmed[..slash], name);
    }

    public void Dispose()
    {
        _inodes.Dispose();
        _names.Dispose();
        _listings?.Dispose();
    }

    private static void CheckPath(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0 || path[0] != '/' || path.Contains('\0'))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"'{path}' is not an absolute path: it must start with '/' and hold no NUL.");
        }

        if (path.Length > 4096)
        {
            throw new DataLayerException(ErrorCode.NameTooLong, "The path is longer than 4,096 characters.");
        }
    }

    private async ValueTask<InodeAttributes?> LoadAsync(InodeId inode, long stamp, CancellationToken cancellationToken)
    {
        InodeAttributes? attributes = await CountedAsync(
            static (tree, inode, token) => tree.GetAsync(inode, token), inode, cancellationToken)
            .ConfigureAwait(false);
        if (attributes is not null)
        {
            _inodes.Set(inode, new CachedInode(stamp, attributes), _one);
        }

        return attributes;
    }

    /// <summary>Reads from the tree, and counts how long that took.</summary>
    private async ValueTask<T> CountedAsync<TKey, T>(
        Func<TreeStore, TKey, CancellationToken, ValueTask<T>> read, TKey key, CancellationToken cancellationToken)
    {
        long started = Stopwatch.GetTimestamp();
        if (_beforeRead is not null)
        {
            await _beforeRead().ConfigureAwait(false);
        }

        T found = await read(_tree, key, cancellationToken).ConfigureAwait(false);
        _counters.Add(Counter.MetadataReads, 1);
        _counters.Add(
            Counter.MetadataCauseNanoseconds, (long)Stopwatch.GetElapsedTime(started).TotalNanoseconds);
        return found;
    }

    private async ValueTask<InodeAttributes?> LookupSlowAsync(
        InodeId folder, string name, long stamp, CancellationToken cancellationToken)
    {
        InodeAttributes? found = await CountedAsync(
            static (tree, key, token) => tree.LookupAsync(key.Folder, key.Name, token), new NameKey(folder, name),
            cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            return null;
        }

        _names.Set(new NameKey(folder, name), new CachedName(stamp, found.Inode), _one);
        // The inode's own stamp was not known before the read, so its attributes are read under it.
        return await GetAsync(found.Inode, cancellationToken).ConfigureAwait(false) ?? found;
    }

    private async ValueTask<InodeAttributes> MakeFolderAsync(
        InodeId parent, string name, int mode, CancellationToken cancellationToken)
    {
        try
        {
            using ChangeScope change = new ChangeScope(Stamps).Name(parent, name);
            return await _tree.MakeDirectoryAsync(parent, name, new NewInode(mode), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.AlreadyExists)
        {
            // Somebody else made it meanwhile: as good as ours.
            return await _tree.LookupAsync(parent, name, cancellationToken).ConfigureAwait(false)
                ?? throw new DataLayerException(error.Code, error.Message, error);
        }
    }

    private bool AreCurrent(CachedListing cached)
    {
        for (int i = 0; i < cached.Stamps.Length; i++)
        {
            if (cached.Stamps[i] != Stamps.Of(cached.Entries[i].Attributes.Inode))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsDots(ReadOnlySpan<char> name) => name is "." or "..";

    private readonly record struct NameKey(InodeId Folder, string Name);

    private readonly record struct ListingKey(InodeId Folder, string? After, int Limit);

    private sealed record CachedInode(long Stamp, InodeAttributes Attributes);

    private sealed record CachedName(long Stamp, InodeId Inode);

    private sealed record CachedListing(long Stamp, IReadOnlyList<DirectoryEntry> Entries, long[] Stamps);
}
