using System.Collections.Concurrent;
using System.Text;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;

namespace DataLayer.Fuse.Vfs;

/// <summary>
/// <c>.datalayer/</c> at a mount's root: <c>stats</c>, <c>config</c>, and <c>accesslog</c> where it is kept. It is
/// found by name and left out of listings, so that copies of the tree do not carry it along.
/// </summary>
/// <remarks>
/// Files are read with direct I/O: their text is made when one is opened, and the read at offset 0 of a handle that is
/// not known (of a former service) makes it anew.
/// </remarks>
internal sealed class VirtualFolder
{
    /// <summary>The folder's name.</summary>
    internal const string Name = ".datalayer";

    private const ulong First = 0x6000_0000_0000_0000;
    private const ulong Folder = First + 1;
    private const int OpenTexts = 256;
    private static readonly (ulong Node, string Name)[] _names =
        [(First + 2, "stats"), (First + 3, "config"), (First + 4, "accesslog")];

    private readonly ConcurrentDictionary<ulong, byte[]> _texts = new();
    private readonly ConcurrentDictionary<ulong, long> _logPositions = new();
    private readonly Func<string> _stats;
    private readonly string _configuration;
    private readonly AccessLog? _log;
    private readonly long _madeNanoseconds;
    private long _nextHandle;

    internal VirtualFolder(Func<string> stats, string configuration, AccessLog? log, TimeProvider time)
    {
        _stats = stats;
        _configuration = configuration;
        _log = log;
        _madeNanoseconds = UnixTime.ToNanoseconds(time.GetUtcNow());
        _nextHandle = _madeNanoseconds; // Another range than the service before this one had.
    }

    /// <summary>Whether a node is of this folder.</summary>
    internal static bool IsVirtual(ulong node) => node >= First && node < First + 16;

    /// <summary>The folder, as a look-up of its name tells it.</summary>
    internal NodeEntry FolderEntry() => new(Folder, Attributes(Folder), TimeSpan.MaxValue, TimeSpan.MaxValue);

    /// <summary>Names in the folder, with their node ids.</summary>
    internal IEnumerable<(ulong Node, string Name)> Entries()
    {
        foreach ((ulong node, string name) in _names)
        {
            if (name != "accesslog" || _log is not null)
            {
                yield return (node, name);
            }
        }
    }

    /// <summary>What a name in the folder leads to.</summary>
    internal NodeEntry? Lookup(string name)
    {
        foreach ((ulong node, string known) in Entries())
        {
            if (known == name)
            {
                return new NodeEntry(node, Attributes(node), TimeSpan.MaxValue, TimeSpan.MaxValue);
            }
        }

        return null;
    }

    /// <summary>Attributes of a node of the folder.</summary>
    internal InodeAttributes Attributes(ulong node) => new()
    {
        Inode = new InodeId((long)node),
        Kind = node == Folder ? FileKind.Directory : FileKind.Regular,
        Mode = node == Folder ? 0x16D : 0x124, // 0555, 0444
        LinkCount = node == Folder ? 2 : 1,
        AccessTimeNanoseconds = _madeNanoseconds,
        ModifyTimeNanoseconds = _madeNanoseconds,
        ChangeTimeNanoseconds = _madeNanoseconds,
    };

    /// <summary>Opens a file of the folder.</summary>
    internal ulong Open(ulong node)
    {
        ulong handle = (ulong)Interlocked.Increment(ref _nextHandle);
        if (node == First + 4)
        {
            _logPositions[handle] = _log?.Next ?? 0;
        }
        else if (_texts.Count < OpenTexts)
        {
            _texts[handle] = TextOf(node);
        }

        return handle;
    }

    /// <summary>Closes a file of the folder.</summary>
    internal void Release(ulong handle)
    {
        _texts.TryRemove(handle, out _);
        _logPositions.TryRemove(handle, out _);
    }

    /// <summary>Reads; the log waits for its next line.</summary>
    internal async ValueTask<ReadOnlyMemory<byte>> ReadAsync(
        ulong node, ulong handle, long offset, int length, CancellationToken cancellationToken)
    {
        if (node == First + 4 && _log is not null)
        {
            long from = _logPositions.GetOrAdd(handle, _log.Next);
            (byte[] lines, long next) = await _log.ReadAsync(from, length, cancellationToken).ConfigureAwait(false);
            _logPositions[handle] = next;
            return lines;
        }

        byte[] text = _texts.TryGetValue(handle, out byte[]? known) ? known : TextOf(node);
        return offset >= text.Length
            ? ReadOnlyMemory<byte>.Empty
            : text.AsMemory((int)offset, (int)Math.Min(length, text.Length - offset));
    }

    private byte[] TextOf(ulong node) => Encoding.UTF8.GetBytes(node == First + 2 ? _stats() : _configuration);
}
