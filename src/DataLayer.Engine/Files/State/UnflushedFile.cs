using System.Buffers;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// What a mount wrote and nobody flushed, in a file mapped into memory (docs/FORMATS/unflushed.md): a slot for each
/// such
/// content with its length and time, and an area for the bytes of small ones. A store into it is kept by the kernel
/// when
/// the process is killed, and costs no call.
/// </summary>
/// <remarks>
/// A slot is written from its end to its beginning, the state word last, and cleared in the other order, so a kill at
/// any point leaves a slot that is whole or free. It says nothing after a restart of the machine: the file names the
/// boot, and one of another boot is emptied. Its blocks are allocated when it is made, so a store never meets a full
/// disk. Lock: <c>_sync</c>, a leaf, for slots and extents; the words of a slot belong to who holds the content's write
/// gate.
/// </remarks>
internal sealed unsafe class UnflushedFile : IDisposable
{
    public const int SlotCount = 16 << 10;
    private const int HeadBytes = 4096;
    private const int SlotBytes = 64;
    private const uint Magic = 0x31_55_4C_44; // "DLU1"
    private const uint Used = 0x44_45_53_55;
    private const int BootBytes = 36;
    private readonly Lock _sync = new();
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _base;
    private readonly long _areaBytes;
    private readonly ExtentAllocator _extents;
    private readonly Stack<int> _freeSlots = new();
    private readonly MappedMemory _memory;

    private UnflushedFile(MemoryMappedFile file, long areaBytes, string boot)
    {
        _file = file;
        _areaBytes = areaBytes;
        _view = file.CreateViewAccessor(0, LengthOf(areaBytes));
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _base);
        _extents = new ExtentAllocator(areaBytes);
        _memory = new MappedMemory(_base + HeadBytes + (SlotCount * SlotBytes), (int)areaBytes);
        if (!IsOfBoot(boot))
        {
            Clear(boot);
        }

        for (int slot = SlotCount - 1; slot >= 0; slot--)
        {
            if (!TryAdopt(slot))
            {
                SlotOf(slot)->State = 0;
                _freeSlots.Push(slot);
            }
        }
    }

    /// <summary>Slots that can be taken, a count.</summary>
    public int FreeSlotCount
    {
        get
        {
            lock (_sync)
            {
                return _freeSlots.Count;
            }
        }
    }

    /// <summary>Bytes of the area that are free.</summary>
    public long FreeBytes
    {
        get
        {
            lock (_sync)
            {
                return _extents.FreeBytes;
            }
        }
    }

    public long AreaBytes => _areaBytes;

    /// <summary>Opens the file, or makes it; without a path the same in memory only.</summary>
    /// <exception cref="DataLayerException">TargetFailed: the state folder's disk; NoSpace.</exception>
    public static UnflushedFile Open(string? path, long areaBytes)
    {
        long length = LengthOf(areaBytes);
        if (path is null)
        {
            return new UnflushedFile(MemoryMappedFile.CreateNew(null, length), areaBytes, "memory");
        }

        try
        {
            FileInfo found = new(path);
            if (found.Exists && found.Length != length)
            {
                // The setting changed. What an earlier process left is not lost for that: it keeps the old length
                // until a start finds nothing in it.
                if (found.Length > LengthOf(0) && found.Length - LengthOf(0) <= int.MaxValue)
                {
                    UnflushedFile earlier = Map(path, found.Length - LengthOf(0), isNew: false);
                    if (earlier.ListLeft().Count > 0)
                    {
                        return earlier;
                    }

                    earlier.Dispose();
                }

                File.Delete(path);
            }

            return Map(path, areaBytes, isNew: !File.Exists(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                IsFull(path, length) ? ErrorCode.NoSpace : ErrorCode.TargetFailed,
                $"'{path}' cannot be made or opened: {error.Message} It takes {length} bytes of the state folder: free "
                    + "them, or set engine.unflushed lower.",
                error);
        }
    }

    private static bool IsFull(string path, long length)
    {
        try
        {
            return new DriveInfo(Path.GetDirectoryName(Path.GetFullPath(path))!).AvailableFreeSpace < length;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false; // The disk does not even say so much.
        }
    }

    private static UnflushedFile Map(string path, long areaBytes, bool isNew)
    {
        long length = LengthOf(areaBytes);
        FileStreamOptions options = new()
        {
            Mode = isNew ? FileMode.CreateNew : FileMode.Open,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite,
            PreallocationSize = isNew ? length : 0,
        };
        if (isNew && !OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        FileStream stream = new(path, options);
        stream.SetLength(length);
        MemoryMappedFile file = MemoryMappedFile.CreateFromFile(
            stream, null, length, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);
        return new UnflushedFile(file, areaBytes, ReadBoot());
    }

    /// <summary>What an earlier process of this boot left.</summary>
    public List<UnflushedRecord> ListLeft()
    {
        List<UnflushedRecord> left = [];
        for (int slot = 0; slot < SlotCount; slot++)
        {
            Slot* found = SlotOf(slot);
            if (found->State == Used)
            {
                ContentId content = new(new InodeId(found->Inode), found->Generation);
                bool isStaged = found->Extent != 0;
                left.Add(new UnflushedRecord(slot, content, found->SizeBytes, found->ModifyTime, isStaged));
            }
        }

        return left;
    }

    /// <summary>Takes a slot, which says nothing before <see cref="Publish"/>; -1 if there is none.</summary>
    public int TakeSlot()
    {
        lock (_sync)
        {
            if (!_freeSlots.TryPop(out int slot))
            {
                return -1;
            }

            SlotOf(slot)->Extent = 0;
            return slot;
        }
    }

    /// <summary>Lets a slot speak for a content, after its extent, if it has one, holds the bytes.</summary>
    public void Publish(int slot, ContentId content, long sizeBytes, long modifyTime)
    {
        Slot* made = SlotOf(slot);
        made->ModifyTime = modifyTime;
        made->SizeBytes = sizeBytes;
        made->Inode = content.Inode.Value;
        made->Generation = content.Generation;
        Volatile.Write(ref made->State, Used);
    }

    /// <summary>The length and time of a slot's content, after its bytes are where they belong.</summary>
    public void SetLength(int slot, long sizeBytes, long modifyTime)
    {
        Slot* known = SlotOf(slot);
        Volatile.Write(ref known->ModifyTime, modifyTime);
        Volatile.Write(ref known->SizeBytes, sizeBytes);
    }

    /// <summary>Gives a slot back, with its extent.</summary>
    public void FreeSlot(int slot)
    {
        Slot* known = SlotOf(slot);
        Volatile.Write(ref known->State, 0);
        DropExtent(slot);
        lock (_sync)
        {
            _freeSlots.Push(slot);
        }
    }

    /// <summary>Gives a slot's extent back: the bytes are elsewhere.</summary>
    public void DropExtent(int slot)
    {
        Slot* known = SlotOf(slot);
        long extent = known->Extent;
        if (extent == 0)
        {
            return;
        }

        Volatile.Write(ref known->Extent, 0);
        lock (_sync)
        {
            _extents.Free(OffsetOf(extent), OrderOf(extent));
        }
    }

    /// <summary>
    /// Gives a slot an extent of at least so many bytes, with the bytes of the one it has; false if there is none.
    /// </summary>
    public bool TryGrow(int slot, long capacityBytes, long keepBytes)
    {
        int order = ExtentAllocator.OrderOf(capacityBytes);
        long at;
        lock (_sync)
        {
            at = _extents.Take(order);
        }

        if (at < 0)
        {
            return false;
        }

        Slot* known = SlotOf(slot);
        long before = known->Extent;
        if (before != 0)
        {
            SpanOf(before)[..(int)keepBytes].CopyTo(_memory.GetSpan()[(int)at..]);
        }

        Volatile.Write(ref known->Extent, at | (uint)(order + 1));
        if (before != 0)
        {
            lock (_sync)
            {
                _extents.Free(OffsetOf(before), OrderOf(before));
            }
        }

        return true;
    }

    /// <summary>Where a slot's extent is, for <see cref="BytesOf"/>; 0 without one.</summary>
    public long ExtentOf(int slot) => Volatile.Read(ref SlotOf(slot)->Extent);

    /// <summary>The bytes of an extent.</summary>
    public Memory<byte> BytesOf(long extent) =>
        _memory.Memory.Slice((int)OffsetOf(extent), ExtentAllocator.LengthOf(OrderOf(extent)));

    /// <summary>As <see cref="BytesOf"/>, for one use.</summary>
    public Span<byte> SpanOf(long extent) =>
        _memory.GetSpan().Slice((int)OffsetOf(extent), ExtentAllocator.LengthOf(OrderOf(extent)));

    public void Dispose()
    {
        // The handle first: the accessor's own disposal would sync the whole mapping to disk, which nothing here needs
        // and a dead disk refuses.
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.SafeMemoryMappedViewHandle.Dispose();
        _view.Dispose();
        _file.Dispose();
        ((IDisposable)_memory).Dispose();
    }

    private static long LengthOf(long areaBytes) => HeadBytes + (SlotCount * SlotBytes) + areaBytes;

    private static long OffsetOf(long extent) => extent & ~(ExtentAllocator.UnitBytes - 1L);

    private static int OrderOf(long extent) => (int)(extent & (ExtentAllocator.UnitBytes - 1)) - 1;

    private static string ReadBoot() => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    private Slot* SlotOf(int slot) => (Slot*)(_base + HeadBytes + (slot * SlotBytes));

    private bool TryAdopt(int slot)
    {
        Slot* found = SlotOf(slot);
        if (found->State != Used || found->Inode <= 0 || found->SizeBytes < 0)
        {
            return false;
        }

        if (found->Extent == 0)
        {
            return true;
        }

        long offset = OffsetOf(found->Extent);
        int order = OrderOf(found->Extent);
        return order is >= 0 and <= 8 && offset >= 0 && offset + ExtentAllocator.LengthOf(order) <= _areaBytes
            && found->SizeBytes <= ExtentAllocator.LengthOf(order) && _extents.TryTake(offset, order);
    }

    private bool IsOfBoot(string boot)
    {
        Head* head = (Head*)_base;
        return head->Magic == Magic && head->SlotCount == SlotCount && head->AreaBytes == _areaBytes
            && head->Crc == Crc32C.Compute(new ReadOnlySpan<byte>(_base + 8, sizeof(Head) - 8))
            && new ReadOnlySpan<byte>(head->Boot, BootBytes).SequenceEqual(BootOf(boot));
    }

    private void Clear(string boot)
    {
        new Span<byte>(_base, HeadBytes + (SlotCount * SlotBytes)).Clear();
        Head* head = (Head*)_base;
        head->SlotCount = SlotCount;
        head->AreaBytes = _areaBytes;
        BootOf(boot).CopyTo(new Span<byte>(head->Boot, BootBytes));
        head->Crc = Crc32C.Compute(new ReadOnlySpan<byte>(_base + 8, sizeof(Head) - 8));
        Volatile.Write(ref head->Magic, Magic);
    }

    private static byte[] BootOf(string boot)
    {
        byte[] bytes = new byte[BootBytes];
        System.Text.Encoding.ASCII.GetBytes(boot.AsSpan(0, Math.Min(boot.Length, BootBytes)), bytes);
        return bytes;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Head
    {
        public uint Magic;
        public uint Crc;
        public int SlotCount;
        public int Reserved;
        public long AreaBytes;
        public fixed byte Boot[BootBytes];
    }

    [StructLayout(LayoutKind.Explicit, Size = SlotBytes)]
    private struct Slot
    {
        [FieldOffset(0)]
        public uint State;

        [FieldOffset(4)]
        public uint Generation;

        [FieldOffset(8)]
        public long Inode;

        [FieldOffset(16)]
        public long SizeBytes;

        [FieldOffset(24)]
        public long ModifyTime;

        [FieldOffset(32)]
        public long Extent;
    }

    /// <summary>The area of small contents as memory.</summary>
    private sealed class MappedMemory(byte* start, int length) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => new(start, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(start + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
