using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Cache.Interop;
using DataLayer.Storage.Cache.Memory;
using FASTER.core;

namespace DataLayer.Storage.Cache.Spill;

/// <summary>
/// Blocks that memory gave up, on a local SSD: a log on one of FASTER's devices, written at the tail, forgotten at the
/// head, a segment at a time, so that it never exceeds its size.
/// </summary>
/// <remarks>
/// <para>Each record is a <see cref="SpillHeader"/> and the block's bytes, padded to sectors. The index of what is
/// where lives in memory only, so a restart begins with an empty spill; the folder's old segments are deleted. A block
/// becomes visible when its write has ended well. The bytes are compared with their CRC32C before they are written:
/// what was damaged in memory is dropped and counted. On each read header, identity, address and CRC32C are checked:
/// truncated, overwritten, misdirected or flipped bytes are a miss, counted, and the record is forgotten. The device's
/// errors are misses, counted, too; after <see cref="MaxErrorsInRow"/> writes failed in a row the spill rests for
/// <see cref="RestTime"/>.</para>
/// <para>It never makes anybody wait for the disk: with all buffers in use a victim is dropped and a read is a miss.
/// Buffers belong to the store; one handed to the device comes back only in the device's callback.</para>
/// <para>One lock guards index and addresses; it is never held across I/O, takes no other lock, and may be taken inside
/// the memory's.</para>
/// </remarks>
internal sealed class SpillStore : IAsyncDisposable
{
    /// <summary>The most writes that may fail in a row.</summary>
    public const int MaxErrorsInRow = 8;

    /// <summary>What an index entry takes in memory, about, bytes: dictionary and queue.</summary>
    public const int IndexEntryBytes = 96;

    /// <summary>How long the spill rests after too many errors.</summary>
    public static readonly TimeSpan RestTime = TimeSpan.FromSeconds(30);

    private const int MinSegmentBits = 22;
    private readonly Lock _lock = new();
    private readonly IDevice _device;
    private readonly LightEpoch _epoch = new();
    private readonly TimeProvider _time;
    private readonly NativeMapping _memory;
    private readonly Stack<int> _buffers = new();
    private readonly int _bufferBytes;
    private readonly int _bufferCount;
    private readonly Dictionary<BlockId, Location> _index = [];
    private readonly Queue<(BlockId Block, long Address)> _order = new();
    private readonly Dictionary<BlockId, Operation> _pending = [];
    private readonly ConcurrentDictionary<int, byte[]> _keys = new();
    private readonly DeviceIOCompletionCallback _written;
    private readonly long _capacityBytes;
    private readonly int _segmentBits;
    private readonly int _maxEntries;
    private readonly uint _sectorBytes;
    private long _head;
    private long _tail;
    private long _restUntil;
    private int _errorsInRow;
    private long _hits;
    private long _writes;
    private long _dropped;
    private long _errors;
    private long _badBlocks;
    private long _usedBytes;
    private bool _closed;

    /// <summary>Makes an empty spill over a device that it then owns.</summary>
    /// <param name="device">Where the log goes.</param>
    /// <param name="capacityBytes">The most it may take there, bytes.</param>
    /// <param name="maxEntries">The most blocks it may hold, a count: bounds the index.</param>
    /// <param name="bufferCount">How many reads and writes may be under way.</param>
    /// <param name="maxBlockBytes">The longest block, bytes.</param>
    /// <param name="time">For the rest after errors.</param>
    public SpillStore(
        IDevice device, long capacityBytes, int maxEntries, int bufferCount, int maxBlockBytes, TimeProvider time)
    {
        _device = device;
        _time = time;
        _capacityBytes = capacityBytes;
        _maxEntries = maxEntries;
        _sectorBytes = Math.Max(512, device.SectorSize);
        _segmentBits = Math.Max(
            MinSegmentBits, 63 - System.Numerics.BitOperations.LeadingZeroCount((ulong)capacityBytes / 16));
        device.Initialize(1L << _segmentBits, _epoch);
        _bufferBytes = (int)RecordBytes(maxBlockBytes);
        _bufferCount = bufferCount;
        _memory = new NativeMapping((long)_bufferBytes * bufferCount);
        for (int i = 0; i < bufferCount; i++)
        {
            _buffers.Push(i);
        }

        _written = OnWritten;
    }

    /// <summary>Bytes that blocks take on the device now.</summary>
    public long UsedBytes => Volatile.Read(ref _usedBytes);

    /// <summary>Reads answered.</summary>
    public long Hits => Volatile.Read(ref _hits);

    /// <summary>Blocks written.</summary>
    public long Writes => Volatile.Read(ref _writes);

    /// <summary>Victims not written: no buffer, or the device rests.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>Reads and writes the device failed.</summary>
    public long Errors => Volatile.Read(ref _errors);

    /// <summary>Records that failed their checks.</summary>
    public long BadBlocks => Volatile.Read(ref _badBlocks);

    /// <summary>Whether no read or write is under way.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_lock)
            {
                return _buffers.Count == _bufferCount;
            }
        }
    }

    /// <summary>Opens a spill in a folder, empty. Old segments are deleted.</summary>
    public static SpillStore Open(
        string folder, long capacityBytes, int maxEntries, int bufferCount, int maxBlockBytes, TimeProvider time)
    {
        const string Name = "cache-spill";
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else
        {
            // Other people's data: nobody else reads it. An existing folder keeps its mode.
            Directory.CreateDirectory(
                folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        foreach (string old in Directory.EnumerateFiles(folder, Name + ".*"))
        {
            File.Delete(old);
        }

        IDevice device = Devices.CreateLogDevice(Path.Combine(folder, Name), deleteOnClose: true);
        return new SpillStore(device, capacityBytes, maxEntries, bufferCount, maxBlockBytes, time);
    }

    /// <summary>
    /// Blocks of a dataset are encrypted from now on, under a key that is made here and never leaves memory. The
    /// address of a record is its nonce: none comes twice.
    /// </summary>
    public void Encrypt(int datasetId) =>
        _keys.GetOrAdd(datasetId, static _ => RandomNumberGenerator.GetBytes(SpillCipher.KeyBytes));

    /// <summary>Forgets a dataset's key: its records mean nothing from now on, and it gets no more.</summary>
    public void EraseKey(int datasetId) => _keys[datasetId] = [];

    /// <summary>Starts to write a victim, whose bytes are copied before this returns.</summary>
    public void Write(MemoryStore store, uint entry)
    {
        CacheEntry node = store.Entries[entry];
        long length = RecordBytes(node.Length);
        Operation operation;
        bool isEncrypted = _keys.TryGetValue(node.DatasetId, out byte[]? key);
        lock (_lock)
        {
            if (_index.TryGetValue(node.Block, out Location there) && there.Length == node.Length
                && there.Checksum == node.Checksum)
            {
                // It was promoted from here and did not change.
                return;
            }

            if (_closed || _buffers.Count == 0 || _time.GetTimestamp() < _restUntil
                || (isEncrypted && key!.Length == 0))
            {
                _dropped++;
                return;
            }

            operation = new Operation(node.Block, ReserveLocked(length), node.Length, _buffers.Pop(), null);
            operation.Checksum = node.Checksum;
            CancelLocked(node.Block);
            _pending[node.Block] = operation;
        }

        Span<byte> record = Buffer(operation);
        bool copied = store.TryCopyOut(entry, 0, record.Slice(SpillHeader.Bytes, node.Length), out _);

        // Whoever removes the block first makes its version even and then cancels what is pending: one of the two is
        // seen.
        if (!copied || Volatile.Read(ref store.Entries[entry].Version) != node.Version)
        {
            lock (_lock)
            {
                CancelLocked(node.Block);
            }

            Finish(operation);
            return;
        }

        if (Crc32C.Compute(record.Slice(SpillHeader.Bytes, node.Length)) != node.Checksum)
        {
            // Damaged in memory: it leaves that anyway, and must not come back.
            Interlocked.Increment(ref _badBlocks);
            lock (_lock)
            {
                CancelLocked(node.Block);
            }

            Finish(operation);
            return;
        }

        operation.IsEncrypted = isEncrypted;
        Send(operation, record[..(int)length], node, key);
    }

    /// <summary>Completes a record whose bytes are in its buffer, and hands it to the device.</summary>
    private void Send(Operation operation, Span<byte> record, CacheEntry node, byte[]? key)
    {
        record[(SpillHeader.Bytes + node.Length)..].Clear();
        uint checksum = node.Checksum;
        if (operation.IsEncrypted)
        {
            SpillCipher.Seal(
                key!, operation.Address, record.Slice(SpillHeader.Bytes, node.Length + SpillCipher.TagBytes));

            // Of what lies on the disk: it tells nothing of the bytes.
            checksum = Crc32C.Compute(record.Slice(SpillHeader.Bytes, node.Length));
        }

        SpillHeader.Write(record, operation.Address, node.Block, node.Length, checksum, node.DatasetId);
        try
        {
            _device.WriteAsync(
                Pointer(operation), (ulong)operation.Address, (uint)record.Length, _written, operation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FasterException)
        {
            OnWritten(uint.MaxValue, 0, operation);
        }
    }

    /// <summary>
    /// Reads a block and gives its checked bytes to <paramref name="use"/> before the buffer goes back. False if it is
    /// not there, damaged or unreadable.
    /// </summary>
    public async ValueTask<bool> TryReadAsync(BlockId block, SpillReader use)
    {
        Operation operation;
        lock (_lock)
        {
            if (_closed || _buffers.Count == 0 || !_index.TryGetValue(block, out Location location))
            {
                return false;
            }

            operation = new Operation(block, location.Address, location.Length, _buffers.Pop(),
                new TaskCompletionSource<(uint, uint)>(TaskCreationOptions.RunContinuationsAsynchronously))
            {
                IsEncrypted = location.IsEncrypted,
            };
        }

        try
        {
            StartRead(operation);
            (uint error, uint bytes) = await operation.Done!.Task.ConfigureAwait(false);
            if (error != 0)
            {
                Interlocked.Increment(ref _errors);
                Forget(operation);
                return false;
            }

            int needed = SpillHeader.Bytes + operation.Length;
            int stored = needed + (operation.IsEncrypted ? SpillCipher.TagBytes : 0);
            if (bytes < stored
                || !SpillHeader.TryVerify(
                    Buffer(operation)[..needed], operation.Address, block, operation.Length, out int datasetId)
                || (operation.IsEncrypted && !(_keys.TryGetValue(datasetId, out byte[]? key) && key.Length > 0
                    && SpillCipher.TryOpen(key, operation.Address, Buffer(operation)[SpillHeader.Bytes..stored]))))
            {
                Interlocked.Increment(ref _badBlocks);
                Forget(operation);
                return false;
            }

            Interlocked.Increment(ref _hits);
            use(Buffer(operation).Slice(SpillHeader.Bytes, operation.Length), datasetId, () =>
                IsAt(block, operation.Address));
            return true;
        }
        finally
        {
            Finish(operation);
        }
    }

    /// <summary>Forgets a block, also one that is on its way to the device.</summary>
    public bool Remove(BlockId block)
    {
        lock (_lock)
        {
            CancelLocked(block);
            return RemoveLocked(block, null);
        }
    }

    /// <summary>Forgets the first blocks of a content.</summary>
    public void RemoveContent(ContentId content, uint blockCount)
    {
        lock (_lock)
        {
            if (blockCount <= (uint)Math.Max(64, _index.Count))
            {
                for (uint index = 0; index < blockCount; index++)
                {
                    CancelLocked(new BlockId(content, index));
                    RemoveLocked(new BlockId(content, index), null);
                }

                return;
            }

            List<BlockId> found = [];
            foreach (BlockId block in _index.Keys)
            {
                if (block.Content == content && block.Index < blockCount)
                {
                    found.Add(block);
                }
            }

            foreach (BlockId block in _pending.Keys)
            {
                if (block.Content == content && block.Index < blockCount)
                {
                    found.Add(block);
                }
            }

            foreach (BlockId block in found)
            {
                CancelLocked(block);
                RemoveLocked(block, null);
            }
        }
    }

    /// <summary>
    /// Whether the block is still the one that lies at that address: false once it was removed or replaced.
    /// </summary>
    private bool IsAt(BlockId block, long address)
    {
        lock (_lock)
        {
            return _index.TryGetValue(block, out Location location) && location.Address == address;
        }
    }

    private void CancelLocked(BlockId block)
    {
        if (_pending.Remove(block, out Operation? operation))
        {
            operation.IsCancelled = true;
        }
    }

    /// <summary>Whether a block can be asked for.</summary>
    public bool Contains(BlockId block)
    {
        lock (_lock)
        {
            return _index.ContainsKey(block);
        }
    }

    /// <summary>Waits for I/O under way, then closes the device and deletes its files.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
        }

        while (true)
        {
            lock (_lock)
            {
                if (_buffers.Count == _bufferCount)
                {
                    break;
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), _time).ConfigureAwait(false);
        }

        _device.Dispose();
        _epoch.Dispose();
        _memory.Dispose();
    }

    private void StartRead(Operation operation)
    {
        uint length = (uint)RecordBytes(operation.Length);
        try
        {
            _device.ReadAsync((ulong)operation.Address, Pointer(operation), length, OnRead, operation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FasterException)
        {
            operation.Done!.TrySetResult((uint.MaxValue, 0));
        }
    }

    private static void OnRead(uint errorCode, uint numBytes, object context) =>
        ((Operation)context).Done!.TrySetResult((errorCode, numBytes));

    private void OnWritten(uint errorCode, uint numBytes, object context)
    {
        Operation operation = (Operation)context;
        lock (_lock)
        {
            if (_pending.TryGetValue(operation.Block, out Operation? pending) && pending == operation)
            {
                _pending.Remove(operation.Block);
            }

            if (errorCode == 0)
            {
                _errorsInRow = 0;
                _writes++;
                PutLocked(operation);
            }
            else
            {
                _errors++;
                if (++_errorsInRow >= MaxErrorsInRow)
                {
                    _errorsInRow = 0;
                    _restUntil = _time.GetTimestamp() + (long)(RestTime.TotalSeconds * _time.TimestampFrequency);
                }
            }
        }

        Finish(operation);
    }

    private void PutLocked(Operation operation)
    {
        if (operation.IsCancelled || operation.Address < _head)
        {
            return;
        }

        RemoveLocked(operation.Block, null);
        while (_index.Count >= _maxEntries && _order.TryDequeue(out (BlockId Block, long Address) oldest))
        {
            RemoveLocked(oldest.Block, oldest.Address);
        }

        _index[operation.Block] = new Location(
            operation.Address, operation.Length, operation.Checksum, operation.IsEncrypted);
        _order.Enqueue((operation.Block, operation.Address));
        _usedBytes += RecordBytes(operation.Length);
    }

    private bool RemoveLocked(BlockId block, long? onlyAt)
    {
        if (!_index.TryGetValue(block, out Location location) || (onlyAt is { } at && at != location.Address))
        {
            return false;
        }

        _usedBytes -= RecordBytes(location.Length);
        return _index.Remove(block);
    }

    /// <summary>
    /// The next free address for a record, which lies in one segment; gives the oldest segments up to keep the size.
    /// </summary>
    private long ReserveLocked(long length)
    {
        long segment = 1L << _segmentBits;
        long address = _tail;
        if ((address >> _segmentBits) != ((address + length - 1) >> _segmentBits))
        {
            address = (address + segment - 1) & -segment;
        }

        _tail = address + length;
        long end = (_tail + segment - 1) & -segment;
        long head = Math.Max(0, end - (_capacityBytes & -segment));
        if (head > _head)
        {
            _head = head;
            while (_order.TryPeek(out (BlockId Block, long Address) oldest) && oldest.Address < head)
            {
                _order.Dequeue();
                RemoveLocked(oldest.Block, oldest.Address);
            }

            _device.TruncateUntilAddressAsync(head, static _ => { }, null);
        }

        return address;
    }

    private void Forget(Operation operation)
    {
        lock (_lock)
        {
            RemoveLocked(operation.Block, operation.Address);
        }
    }

    private void Finish(Operation operation)
    {
        lock (_lock)
        {
            _buffers.Push(operation.Buffer);
        }
    }

    private long RecordBytes(int blockBytes) =>
        (SpillHeader.Bytes + blockBytes + SpillCipher.TagBytes + (long)_sectorBytes - 1) & -(long)_sectorBytes;

    private unsafe nint Pointer(Operation operation) =>
        (nint)(_memory.Pointer + ((long)operation.Buffer * _bufferBytes));

    private unsafe Span<byte> Buffer(Operation operation) => new((void*)Pointer(operation), _bufferBytes);

    private sealed class Operation(
        BlockId block, long address, int length, int buffer, TaskCompletionSource<(uint Error, uint Bytes)>? done)
    {
        public BlockId Block => block;

        public long Address => address;

        public int Length => length;

        public int Buffer => buffer;

        public TaskCompletionSource<(uint Error, uint Bytes)>? Done => done;

        public uint Checksum { get; set; }

        public bool IsCancelled { get; set; }

        public bool IsEncrypted { get; set; }
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Location(long Address, int Length, uint Checksum, bool IsEncrypted);
}

/// <summary>
/// Gets the bytes of a block from the spill; they are valid during the call only. <paramref name="isCurrent"/> says
/// whether the block was neither removed nor replaced meanwhile.
/// </summary>
internal delegate void SpillReader(ReadOnlySpan<byte> bytes, int datasetId, Func<bool> isCurrent);
