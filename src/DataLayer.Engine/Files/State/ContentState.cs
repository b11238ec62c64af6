using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Tiering.Heat;
using DataLayer.Storage.Cache;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// What the engine knows of one content in use: its place in the tiers, transfers under way, readers' streams,
/// unflushed writes. Shared by all descriptors of the content; owned by <see cref="ContentTable"/>.
/// </summary>
/// <remarks>
/// <para>The content as the tree has it is a snapshot, replaced as a whole by <see cref="Apply"/>; a snapshot read
/// earlier never overwrites a later one. While <see cref="IsDirty"/>, the length is ours and runs ahead of the
/// tree's.</para>
/// <para><see cref="WriteEpoch"/> counts up before and after each change of the bytes. Bytes read at an older epoch are
/// never put into the cache and never joined by a later reader: so the cache holds no stale block, and a write is
/// seen by the next read.</para>
/// <para>Lock order: <see cref="Sync"/> and the fill locks (shared by all contents, chosen by block; held for one copy
/// into the cache) are leaves, never held together or over an await. <see cref="WriteGate"/> serialises writers,
/// flushes, moves and releases; it is taken before anything else.</para>
/// </remarks>
internal sealed class ContentState : IDisposable
{
    private static readonly Lock[] _fillLocks = NewLocks();
    private readonly List<BlockFetch> _fetches = [];
    private readonly AccessCell _accesses;
    private FileContent _content;
    private long _appliedStamp;
    private long _sizeBytes;
    private long _writeEpoch;
    private long _modifyTime;
    private StagedContent? _staged;
    private long _faultEpoch;
    private int _keptReferences;
    private bool _isDirty;

    public ContentState(ContentId id, FileContent content, long stamp)
    {
        Id = id;
        _content = content;
        _appliedStamp = stamp;
        _sizeBytes = content.Attributes.SizeBytes;
        _accesses = new AccessCell(this);
        IdlePlace = new LinkedListNode<ContentState>(this);
    }

    public ContentId Id { get; }

    /// <summary>Its place among the idle ones. The table's.</summary>
    public LinkedListNode<ContentState> IdlePlace { get; }

    public Lock Sync { get; } = new();

    public SemaphoreSlim WriteGate { get; } = new(1, 1);

    public ReadStreams Streams { get; } = new();

    /// <summary>Counts who reads it.</summary>
    public AccessCell Accesses => _accesses;

    public FileContent Content => Volatile.Read(ref _content);

    public long SizeBytes => Volatile.Read(ref _sizeBytes);

    public long WriteEpoch => Volatile.Read(ref _writeEpoch);

    /// <summary>Written since the last flush. Set and cleared under <see cref="WriteGate"/>.</summary>
    public bool IsDirty
    {
        get => Volatile.Read(ref _isDirty);
        set => Volatile.Write(ref _isDirty, value);
    }

    /// <summary>
    /// When the bytes last changed since the last flush, nanoseconds since 1970 UTC; 0 if they did not. An explicitly
    /// set time counts as the last change.
    /// </summary>
    public long ModifyTimeNanoseconds
    {
        get => Volatile.Read(ref _modifyTime);
        set => Volatile.Write(ref _modifyTime, value);
    }

    /// <summary>Kept in use by <see cref="Writing.UnflushedContents"/> until it is flushed. Guarded by that.</summary>
    public bool IsTracked { get; set; }

    /// <summary>
    /// The file got another content while this one was unflushed: it is kept for who has it open, and not flushed.
    /// </summary>
    public bool IsSuperseded { get; set; }

    /// <summary>Its slot in the file of unflushed contents while it is tracked, else -1. Under the gate.</summary>
    public int UnflushedSlot { get; set; } = -1;

    /// <summary>The bytes of a small unflushed content, else null. Changed under the gate.</summary>
    public StagedContent? Staged
    {
        get => Volatile.Read(ref _staged);
        set => Volatile.Write(ref _staged, value);
    }

    /// <summary>When it became dirty, a time stamp of the engine's clock.</summary>
    public long DirtySince { get; set; }

    /// <summary>How many flushes of this content failed; each descriptor reports the ones it has not seen.</summary>
    public int FlushFaults { get; private set; }

    /// <summary>What the last failed flush said.</summary>
    public string? FlushFault { get; private set; }

    /// <summary>Descriptors and background work that use the content. Guarded by the table.</summary>
    public int References { get; set; }

    /// <summary>The inode has no name left: the last release forgets it.</summary>
    public bool IsOrphan { get; set; }

    /// <summary>Work in the journal waits for the last release.</summary>
    public bool WakeOnClose { get; set; }

    public int DatasetId => (int)Content.Attributes.AttachmentId;

    /// <summary>The attributes with the length as written so far.</summary>
    public InodeAttributes Attributes => Newest(Content.Attributes);

    /// <summary>
    /// Attributes read from the tree a moment ago, with what is not flushed yet, or was flushed since they were read.
    /// </summary>
    public InodeAttributes Newest(InodeAttributes read)
    {
        // In this order: a flush applies what it told the tree before it calls the content clean.
        bool isDirty = IsDirty;
        InodeAttributes known = Content.Attributes;
        InodeAttributes newest = known.Version > read.Version ? known : read;
        return isDirty ? Overlay(newest) : newest;
    }

    /// <summary>Attributes read from the tree with the length and times of what is not flushed yet.</summary>
    private InodeAttributes Overlay(InodeAttributes attributes)
    {
        long modified = ModifyTimeNanoseconds;
        return modified == 0
            ? attributes with { SizeBytes = SizeBytes }
            : attributes with
            {
                SizeBytes = SizeBytes,
                ModifyTimeNanoseconds = modified,
                ChangeTimeNanoseconds = Math.Max(modified, attributes.ChangeTimeNanoseconds),
            };
    }

    /// <summary>
    /// Takes over what was read from the tree at <paramref name="stamp"/>, unless something later is known.
    /// </summary>
    public void Apply(FileContent content, long stamp)
    {
        lock (Sync)
        {
            if (content.Attributes.Content != Id || stamp < _appliedStamp)
            {
                return;
            }

            _appliedStamp = stamp;
            Volatile.Write(ref _content, content);
            if (!IsDirty)
            {
                Volatile.Write(ref _sizeBytes, content.Attributes.SizeBytes);
            }
        }
    }

    /// <summary>
    /// A flush failed. One that failed before without a write since then is the same fault: whoever reported it has.
    /// Called under <see cref="WriteGate"/>.
    /// </summary>
    public void NoteFlushFault(string fault)
    {
        long epoch = WriteEpoch;
        if (FlushFaults == 0 || _faultEpoch != epoch)
        {
            _faultEpoch = epoch;
            FlushFault = fault;
            FlushFaults++;
        }
    }

    /// <summary>
    /// Leaves a closing descriptor's reference with the content whose bytes could not be flushed, so that it stays
    /// known; false if they are durable by now, or nobody can ask for them any more.
    /// </summary>
    public bool TryKeepReference()
    {
        lock (Sync)
        {
            bool keeps = IsDirty && !IsOrphan;
            _keptReferences += keeps ? 1 : 0;
            return keeps;
        }
    }

    /// <summary>
    /// The references left by <see cref="TryKeepReference"/>, the caller's now: the bytes are durable.
    /// </summary>
    public int TakeKeptReferences()
    {
        lock (Sync)
        {
            int kept = _keptReferences;
            _keptReferences = 0;
            return kept;
        }
    }

    public void SetSize(long sizeBytes) => Volatile.Write(ref _sizeBytes, sizeBytes);

    /// <summary>
    /// Whether the hot tier holds block <paramref name="blockIndex"/>. A content in state Hot is hot as a whole.
    /// </summary>
    public bool IsResident(uint blockIndex)
    {
        FileContent known = Content;
        if (known.Placement is null)
        {
            return false;
        }

        return known.Attributes.State == TierState.Hot
            || (blockIndex < known.Residency.BlockCount && known.Residency[blockIndex]);
    }

    /// <summary>
    /// The bytes of the blocks change: drops them from the cache and from transfers. Called before and after the
    /// change.
    /// </summary>
    public void InvalidateBlocks(BlockCache cache, uint firstBlock, uint lastBlock)
    {
        lock (Sync)
        {
            Volatile.Write(ref _writeEpoch, _writeEpoch + 1);
        }

        for (long block = firstBlock; block <= lastBlock; block++)
        {
            BlockId changed = new(Id, (uint)block);
            lock (FillLockOf(changed))
            {
                cache.Remove(changed);
            }
        }
    }

    /// <summary>
    /// Offers a whole block read at <paramref name="epoch"/> to the cache; refused when the bytes changed since.
    /// </summary>
    public bool TryFill(BlockCache cache, uint blockIndex, ReadOnlySpan<byte> bytes, long epoch)
    {
        BlockId block = new(Id, blockIndex);
        lock (FillLockOf(block))
        {
            return Volatile.Read(ref _writeEpoch) == epoch && cache.TryFill(block, bytes, DatasetId);
        }
    }

    /// <summary>
    /// A transfer that covers byte <paramref name="offsetBytes"/> with bytes of the current epoch, with a reference for
    /// the caller; else null.
    /// </summary>
    public BlockFetch? FindFetch(long offsetBytes)
    {
        lock (Sync)
        {
            return FindFetchLocked(offsetBytes);
        }
    }

    public BlockFetch? FindFetchLocked(long offsetBytes)
    {
        for (int i = _fetches.Count - 1; i >= 0; i--)
        {
            BlockFetch fetch = _fetches[i];
            if (fetch.OffsetBytes <= offsetBytes && offsetBytes < fetch.EndBytes && fetch.Epoch == _writeEpoch
                && !fetch.HasFailed)
            {
                fetch.AddReferenceLocked();
                return fetch;
            }
        }

        return null;
    }

    /// <summary>Where the transfer that covers byte <paramref name="offsetBytes"/> ends, or 0.</summary>
    public long CoveredToLocked(long offsetBytes)
    {
        long to = 0;
        foreach (BlockFetch fetch in _fetches)
        {
            if (fetch.OffsetBytes <= offsetBytes && fetch.Epoch == _writeEpoch && !fetch.HasFailed)
            {
                to = Math.Max(to, fetch.EndBytes);
            }
        }

        return to;
    }

    /// <summary>
    /// The first byte from <paramref name="offsetBytes"/> on that a transfer covers, or <see cref="long.MaxValue"/>.
    /// </summary>
    public long NextFetchLocked(long offsetBytes)
    {
        long next = long.MaxValue;
        foreach (BlockFetch fetch in _fetches)
        {
            if (fetch.EndBytes > offsetBytes && fetch.OffsetBytes < next && fetch.Epoch == _writeEpoch
                && !fetch.HasFailed)
            {
                next = Math.Max(fetch.OffsetBytes, offsetBytes);
            }
        }

        return next;
    }

    public void AddFetchLocked(BlockFetch fetch) => _fetches.Add(fetch);

    public void RemoveFetchLocked(BlockFetch fetch) => _fetches.Remove(fetch);

    public void Dispose() => WriteGate.Dispose();

    private static Lock FillLockOf(in BlockId block) =>
        _fillLocks[(int)(((uint)block.Inode + block.Index) % (uint)_fillLocks.Length)];

    private static Lock[] NewLocks()
    {
        Lock[] locks = new Lock[256];
        for (int i = 0; i < locks.Length; i++)
        {
            locks[i] = new Lock();
        }

        return locks;
    }
}
