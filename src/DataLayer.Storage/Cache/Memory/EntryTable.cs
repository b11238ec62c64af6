using System.Diagnostics;
using System.Runtime.CompilerServices;
using DataLayer.Storage.Cache.Interop;

namespace DataLayer.Storage.Cache.Memory;

/// <summary>
/// The table of <see cref="CacheEntry"/>, in chunks of 64 KiB taken from a source as the cache grows. Chunks are never
/// given back, so an entry number that a reader still holds always leads to an entry. Entry 0 is no entry.
/// </summary>
/// <remarks>The owner's lock guards <see cref="TryAllocate"/> and <see cref="Free"/>; <see cref="this"/> may be used by
/// any thread.</remarks>
internal sealed unsafe class EntryTable : IDisposable
{
    /// <summary>An entry's size, bytes.</summary>
    public const int EntryBytes = 128;

    /// <summary>A chunk's size, bytes.</summary>
    public const int ChunkBytes = 64 << 10;

    /// <summary>The order of an arena piece that is a chunk.</summary>
    public const int ChunkOrder = 9;

    private const int EntriesPerChunkBits = 9;
    private const int EntriesPerChunk = 1 << EntriesPerChunkBits;
    private readonly Func<nint> _chunkSource;
    private readonly NativeMapping _chunks;
    private readonly uint _maxChunks;
    private uint _chunkCount;
    private uint _used;
    private uint _freeHead;

    /// <summary>Makes a table that may grow to <paramref name="maxBytes"/> of entries.</summary>
    /// <param name="maxBytes">Upper bound of all chunks, bytes.</param>
    /// <param name="chunkSource">Gives <see cref="ChunkBytes"/> of memory, or 0 if there is none now.</param>
    public EntryTable(long maxBytes, Func<nint> chunkSource)
    {
        Debug.Assert(sizeof(CacheEntry) == EntryBytes, "The entry's layout is part of the budget.");
        _chunkSource = chunkSource;
        _maxChunks = (uint)Math.Max(1, maxBytes / ChunkBytes);
        _chunks = new NativeMapping(_maxChunks * sizeof(nint));
        _used = 1;
    }

    /// <summary>Entries in use, a count.</summary>
    public int Count { get; private set; }

    /// <summary>Chunks taken, a count.</summary>
    public long ChunkCount => _chunkCount;

    /// <summary>One past the highest entry number ever given out.</summary>
    public uint End => Volatile.Read(ref _used);

    /// <summary>The entry of a number from <see cref="TryAllocate"/>.</summary>
    public ref CacheEntry this[uint entry]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref ((CacheEntry**)_chunks.Pointer)[entry >> EntriesPerChunkBits][entry & (EntriesPerChunk - 1)];
    }

    /// <summary>
    /// By share, whether its blocks may not be chosen as victims now; null where all may. Set under the owner's lock.
    /// </summary>
    public bool[]? Shielded { get; set; }

    /// <summary>Whether a policy may choose an entry as a victim.</summary>
    public bool MayEvict(ref CacheEntry node) => node.IsEvictable && Shielded?[node.Share] is not true;

    /// <summary>Whether the next <see cref="TryAllocate"/> needs a new chunk.</summary>
    public bool NeedsChunk => _freeHead == 0 && (_used >> EntriesPerChunkBits) >= _chunkCount;

    /// <summary>
    /// Takes a free entry with all fields but <see cref="CacheEntry.Version"/> zero. False if the source has no memory.
    /// </summary>
    public bool TryAllocate(out uint entry)
    {
        entry = _freeHead;
        if (entry != 0)
        {
            _freeHead = this[entry].Next;
        }
        else if (!TryExtend(out entry))
        {
            return false;
        }

        uint version = this[entry].Version;
        this[entry] = default;
        this[entry].Version = version;
        Count++;
        return true;
    }

    /// <summary>Takes an entry back; its version must be even by now.</summary>
    public void Free(uint entry)
    {
        Debug.Assert((this[entry].Version & 1) == 0, "A readable entry is freed.");
        this[entry].Next = _freeHead;
        _freeHead = entry;
        Count--;
    }

    /// <inheritdoc/>
    public void Dispose() => _chunks.Dispose();

    private bool TryExtend(out uint entry)
    {
        entry = 0;
        if (_used >> EntriesPerChunkBits >= _chunkCount)
        {
            nint chunk = _chunkCount < _maxChunks ? _chunkSource() : 0;
            if (chunk == 0)
            {
                return false;
            }

            new Span<byte>((void*)chunk, ChunkBytes).Clear();
            ((nint*)_chunks.Pointer)[_chunkCount++] = chunk;
        }

        entry = _used;
        Volatile.Write(ref _used, _used + 1);
        return true;
    }
}
