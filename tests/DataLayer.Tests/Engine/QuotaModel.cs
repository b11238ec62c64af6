using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;

namespace DataLayer.Tests.Engine;

/// <summary>
/// A plain model of a tree with quotas, one in the other, that draws changes, makes them on an engine, and knows which must be refused.
/// </summary>
internal sealed class QuotaModel(EngineFixture fixture, Random random)
{
    private static readonly NodeOwner _owner = new(0x1ED, 0, 0);
    private static readonly CancellationToken _none = CancellationToken.None;

    /// <summary>Length of each file; -1 for folders. Paths below the root, without a slash before.</summary>
    private readonly SortedDictionary<string, long> _tree = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long Bytes, long Inodes)> _limits = [];
    private int _next;

    /// <summary>Changes that were refused, a count.</summary>
    public int RefusedCount { get; private set; }

    private NodeOperations Nodes => fixture.Engine.Nodes;

    public async Task StartAsync()
    {
        foreach (string folder in (string[])["free", "a", "a/in", "b"])
        {
            await MakeFolderAsync(folder);
        }

        await LimitAsync("a", 3_000_000, 25);
        await LimitAsync("a/in", 1_500_000, 12);
        await LimitAsync("b", 200_000, 0);
    }

    /// <summary>Makes one change and says what it was.</summary>
    public Task<string> StepAsync() => random.Next(20) switch
    {
        < 5 => MakeFileAsync(),
        < 9 => LengthenAsync(),
        < 11 => TruncateAsync(),
        < 13 => ReplaceAsync(),
        < 15 => RemoveAsync(),
        < 18 => RenameAsync(),
        < 19 => MakeSubfolderAsync(),
        _ => ChangeLimitAsync(),
    };

    /// <summary>The engine counts what the model counts.</summary>
    public async Task CheckAsync(string context)
    {
        foreach ((string folder, (long Bytes, long Inodes) limit) in _limits)
        {
            (long bytes, long inodes) = limit;
            (long usedBytes, long usedInodes) = Use(folder);
            var found = fixture.Tree.Quotas.Find((await AtAsync(folder)).Inode.Value);
            if (bytes == 0 && inodes == 0)
            {
                continue;
            }

            // Of quotas one in the other the tightest shows.
            foreach (string outer in Quotas(folder).Skip(1))
            {
                (long outerBytes, long outerInodes) = Use(outer);
                (long limitBytes, long limitInodes) = _limits[outer];
                if (Free(limitBytes, outerBytes) < Free(bytes, usedBytes))
                {
                    (bytes, usedBytes) = (limitBytes, outerBytes);
                }

                if (Free(limitInodes, outerInodes) < Free(inodes, usedInodes))
                {
                    (inodes, usedInodes) = (limitInodes, outerInodes);
                }
            }

            Assert.True(found is not null, $"{context}: {folder} has no quota");
            Assert.True(
                (found.Value.LimitBytes, found.Value.FreeBytes, found.Value.LimitInodes, found.Value.FreeInodes)
                    == (bytes, Free(bytes, usedBytes), inodes, Free(inodes, usedInodes)),
                $"{context}: {folder} is {found}, should be {usedBytes} of {bytes} bytes, {usedInodes} of {inodes} inodes");
        }
    }

    private static long Free(long limit, long used) => limit == 0 ? long.MaxValue : Math.Max(0, limit - used);

    private async Task<string> MakeFileAsync()
    {
        string path = $"{AnyFolder()}/f{_next++}";
        bool fits = Fits(path, 0, 1);
        await DoAsync(fits, path, async () => await Nodes.CreateAsync((await ParentAsync(path)).Inode, Name(path), _owner, _none));
        if (fits)
        {
            _tree.Add(path, 0);
        }

        return $"make {path}";
    }

    private async Task<string> MakeSubfolderAsync()
    {
        string path = $"{AnyFolder()}/d{_next++}";
        bool fits = Fits(path, 0, 1);
        await DoAsync(fits, path, async () => await Nodes.MakeDirectoryAsync((await ParentAsync(path)).Inode, Name(path), _owner, _none));
        if (fits)
        {
            _tree.Add(path, -1);
        }

        return $"make folder {path}";
    }

    private async Task<string> LengthenAsync()
    {
        if (AnyFile() is not { } path)
        {
            return "nothing";
        }

        long offset = random.Next(2) == 0 ? _tree[path] : random.Next(1_500_000);
        int length = random.Next(1, random.Next(3) == 0 ? 400_000 : 20_000);
        long size = Math.Max(_tree[path], offset + length);
        bool fits = Fits(path, size - _tree[path], 0);
        bool flush = random.Next(4) == 0;
        await DoAsync(fits, path, async () =>
        {
            await using OpenFile file = await Nodes.OpenAsync((await AtAsync(path)).Inode, write: true, _none);
            await file.WriteAsync(offset, new byte[length], _none);
            if (flush)
            {
                await file.FlushAsync(_none);
            }
        });
        _tree[path] = fits ? size : _tree[path];
        return $"write {path} {offset} + {length}";
    }

    private async Task<string> TruncateAsync()
    {
        if (AnyFile() is not { } path)
        {
            return "nothing";
        }

        long size = random.Next(3) == 0 ? 0 : random.Next(2_000_000);
        bool fits = Fits(path, size - _tree[path], 0);
        await DoAsync(fits, path, async () =>
            await Nodes.SetAttributesAsync((await AtAsync(path)).Inode, new NodeChanges { SizeBytes = size }, _none));
        _tree[path] = fits ? size : _tree[path];
        return $"truncate {path} to {size}";
    }

    private async Task<string> ReplaceAsync()
    {
        string path = random.Next(2) == 0 && AnyFile() is { } known ? known : $"{AnyFolder()}/p{_next++}";
        int size = random.Next(random.Next(3) == 0 ? 1_200_000 : 30_000);
        bool isNew = !_tree.ContainsKey(path);
        bool fits = Fits(path, size - (isNew ? 0 : _tree[path]), isNew ? 1 : 0);
        await DoAsync(fits, path, () => fixture.WriteFileAsync("/" + path, new byte[size]));
        if (fits)
        {
            _tree[path] = size;
        }

        return $"put {path} of {size}";
    }

    private async Task<string> RemoveAsync()
    {
        if (AnyFile() is not { } path)
        {
            return "nothing";
        }

        // Mostly dirty, and often in the hands of a flush: it counts until that lets go of it, and no longer.
        InodeId inode = (await AtAsync(path)).Inode;
        Task flush = random.Next(2) == 0 ? Nodes.SyncAsync(_none).AsTask() : Task.CompletedTask;
        await Nodes.UnlinkAsync((await ParentAsync(path)).Inode, Name(path), _none);
        await flush;
        Assert.True(await fixture.IsForgottenAsync(inode), $"{path} is gone, and its content is never freed");
        _tree.Remove(path);
        return $"remove {path}";
    }

    private async Task<string> RenameAsync()
    {
        List<string> movable = [.. _tree.Keys.Where(path => path.Contains('/', StringComparison.Ordinal) && !_limits.ContainsKey(path))];
        if (random.Next(6) == 0)
        {
            movable = ["a/in", "in"];
            movable.RemoveAll(path => !_tree.ContainsKey(path));
        }

        if (movable.Count == 0)
        {
            return "nothing";
        }

        string from = movable[random.Next(movable.Count)];
        bool isNested = _limits.ContainsKey(from);
        string to = isNested ? (from == "in" ? "a/in" : "in") : $"{AnyFolder()}/r{_next++}";
        if (to.StartsWith(from + "/", StringComparison.Ordinal) || (isNested && to == "a/in" && !_tree.ContainsKey("a")))
        {
            return "nothing";
        }

        List<string> moved = [.. _tree.Keys.Where(path => path == from || path.StartsWith(from + "/", StringComparison.Ordinal))];
        long bytes = moved.Sum(path => Math.Max(0, _tree[path]));
        HashSet<string> left = [.. Quotas(Parent(from))];
        bool fits = Quotas(Parent(to)).Where(quota => !left.Contains(quota)).All(quota => Fits(quota, _limits[quota], bytes, moved.Count));
        await DoAsync(fits, from, async () => await Nodes.RenameAsync(
            (await ParentAsync(from)).Inode, Name(from), (await ParentAsync(to)).Inode, Name(to), RenameFlags.None, _none));
        if (fits)
        {
            foreach (string path in moved)
            {
                _tree.Add(to + path[from.Length..], _tree[path]);
                _tree.Remove(path);
                if (_limits.Remove(path, out var limit))
                {
                    _limits.Add(to + path[from.Length..], limit);
                }
            }
        }

        return $"rename {from} to {to}";
    }

    private async Task<string> ChangeLimitAsync()
    {
        string folder = _limits.Keys.ElementAt(random.Next(_limits.Count));
        await LimitAsync(folder, random.Next(4) == 0 ? 0 : random.Next(500_000, 4_000_000), random.Next(3) == 0 ? 0 : random.Next(5, 40));
        return $"limit {folder} to {_limits[folder]}";
    }

    private async Task LimitAsync(string folder, long bytes, long inodes)
    {
        InodeId inode = (await AtAsync(folder)).Inode;
        await QuotaTests.SetAsync(Nodes, inode, "trusted.datalayer.quota", bytes);
        await QuotaTests.SetAsync(Nodes, inode, "trusted.datalayer.quota.inodes", inodes);
        _limits[folder] = (bytes, inodes);
    }

    private async Task MakeFolderAsync(string path)
    {
        await Nodes.MakeDirectoryAsync((await ParentAsync(path)).Inode, Name(path), _owner, _none);
        _tree.Add(path, -1);
    }

    private async Task DoAsync(bool fits, string path, Func<Task> change)
    {
        if (fits)
        {
            await change();
            return;
        }

        RefusedCount++;
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(change);
        Assert.True(fault.Code == ErrorCode.QuotaExceeded, $"{path}: {fault}");
    }

    private bool Fits(string path, long bytes, long inodes) => Quotas(Parent(path)).All(quota => Fits(quota, _limits[quota], bytes, inodes));

    private bool Fits(string quota, (long Bytes, long Inodes) limit, long bytes, long inodes)
    {
        (long usedBytes, long usedInodes) = Use(quota);
        return (bytes <= 0 || limit.Bytes == 0 || usedBytes + bytes <= limit.Bytes)
            && (inodes <= 0 || limit.Inodes == 0 || usedInodes + inodes <= limit.Inodes);
    }

    private (long Bytes, long Inodes) Use(string folder)
    {
        List<long> below = [.. _tree.Where(entry => entry.Key.StartsWith(folder + "/", StringComparison.Ordinal)).Select(entry => entry.Value)];
        return (below.Sum(size => Math.Max(0, size)), below.Count);
    }

    /// <summary>The folders with a quota from one upwards, itself first.</summary>
    private IEnumerable<string> Quotas(string folder)
    {
        for (string at = folder; at.Length > 0; at = Parent(at))
        {
            if (_limits.ContainsKey(at))
            {
                yield return at;
            }
        }
    }

    private string AnyFolder()
    {
        List<string> folders = [.. _tree.Where(entry => entry.Value < 0).Select(entry => entry.Key)];
        return folders[random.Next(folders.Count)];
    }

    private string? AnyFile()
    {
        List<string> files = [.. _tree.Where(entry => entry.Value >= 0).Select(entry => entry.Key)];
        return files.Count == 0 ? null : files[random.Next(files.Count)];
    }

    private static string Parent(string path) => path.LastIndexOf('/') is var slash && slash < 0 ? string.Empty : path[..slash];

    private static string Name(string path) => path[(path.LastIndexOf('/') + 1)..];

    private Task<InodeAttributes> ParentAsync(string path) => AtAsync(Parent(path));

    private async Task<InodeAttributes> AtAsync(string path)
    {
        InodeAttributes at = (await Nodes.GetAsync(InodeId.Root, _none))!;
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            at = (await Nodes.LookupAsync(at.Inode, name, _none))!;
        }

        return at;
    }
}
