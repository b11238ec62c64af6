using DataLayer.Client.Feeds.Devices;
using DataLayer.Client.Feeds.Interop;
using DataLayer.Core.Errors;
using DataLayer.Core.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Client.Feeds.Connections;

/// <summary>
/// Memory that batches lie in: shared with the service, or of this process where batches travel. Its connection holds
/// it, and each batch that is out; page-locked for a device at most once.
/// </summary>
/// <remarks>
/// When nobody holds it any more it is unlocked and its pages are given back: zeros take their place at once, and the
/// addresses are unmapped by the finalizer, when no batch can be asked for them. So a span that was used too long reads
/// zeros or another batch, and never crashes the process.
/// </remarks>
internal sealed unsafe class FeedSlab
{
    private readonly Lock _lock = new();
    private readonly SharedMapping? _shared;
    private readonly OwnMapping? _own;
    private IDisposable? _pageLock;
    private bool _lockTried;
    private int _holders = 1;

    private FeedSlab(SharedMapping? shared, OwnMapping? own)
    {
        _shared = shared;
        _own = own;
        Pointer = shared is not null ? shared.Pointer : (byte*)own!.DangerousGetHandle();
        LengthBytes = shared?.LengthBytes ?? own!.LengthBytes;
    }

    /// <summary>The first byte; page aligned.</summary>
    public byte* Pointer { get; }

    /// <summary>Its length, bytes.</summary>
    public long LengthBytes { get; }

    /// <summary>Whether a batch lies in it that is not released; the connection's, under its lock.</summary>
    public bool IsTaken { get; set; }

    /// <summary>Maps a slab of the service.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is not what the service says.</exception>
    public static FeedSlab Map(SafeFileHandle file, long lengthBytes)
    {
        if (!SharedMemoryFile.IsSealed(file) || RandomAccess.GetLength(file) < lengthBytes)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"The service sent a slab that is not sealed, or shorter than the {lengthBytes} bytes it claims. Use "
                    + "client and service of the same release; if they are, report it.");
        }

        // Page-locking wants memory that may be written; the batch is this process's own until it is released.
        return new FeedSlab(SharedMapping.Map(file, lengthBytes, writable: true), own: null);
    }

    /// <summary>Makes memory for batches that travel.</summary>
    /// <exception cref="DataLayerException">NoSpace: the kernel refuses.</exception>
    public static FeedSlab Make(long lengthBytes) => new(shared: null, OwnMapping.Make(lengthBytes));

    /// <summary>One more holds it.</summary>
    public void Hold()
    {
        lock (_lock)
        {
            _holders++;
        }
    }

    /// <summary>One less holds it; the last one gives its memory back.</summary>
    public void LetGo()
    {
        lock (_lock)
        {
            if (--_holders > 0)
            {
                return;
            }

            _pageLock?.Dispose();
            _pageLock = null;
            _ = Libc.TryEmpty((nint)Pointer, LengthBytes);
        }

        // Unmapped by the finalizers of the mappings.
        GC.KeepAlive(_shared);
        GC.KeepAlive(_own);
    }

    /// <summary>Locks it in place for a device, once.</summary>
    /// <exception cref="DataLayerException">The device refuses.</exception>
    public void PageLockFor(IFeedDevice device)
    {
        lock (_lock)
        {
            if (!_lockTried && _holders > 0)
            {
                _pageLock = device.PageLock((nint)Pointer, LengthBytes);
                _lockTried = true;
            }
        }
    }

    private sealed class OwnMapping : SafeHandleZeroOrMinusOneIsInvalid
    {
        private OwnMapping(nint address, long lengthBytes)
            : base(ownsHandle: true)
        {
            SetHandle(address);
            LengthBytes = lengthBytes;
        }

        public long LengthBytes { get; }

        public static OwnMapping Make(long lengthBytes)
        {
            nint address = Libc.MapOwn(lengthBytes);
            return address != -1
                ? new OwnMapping(address, lengthBytes)
                : throw new DataLayerException(
                    ErrorCode.NoSpace,
                    $"The kernel refused {lengthBytes} bytes for a batch. Take smaller batches or fewer slabs.");
        }

        protected override bool ReleaseHandle() => Libc.TryUnmap(handle, LengthBytes);
    }
}
