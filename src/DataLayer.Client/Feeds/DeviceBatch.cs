using DataLayer.Client.Feeds.Devices;

namespace DataLayer.Client.Feeds;

/// <summary>A batch in a device's memory. Labels, numbers, keys and places can be read on the host too.</summary>
/// <remarks>
/// Dispose it, or ask for the next, only when what the device does with it has ended: its memory is filled again. Of
/// the
/// host the addresses are those of the slab itself.
/// </remarks>
public sealed class DeviceBatch : FeedBatch
{
    private readonly Batch? _host;
    private readonly byte[] _head = [];
    private readonly nint _start;
    private readonly Action<DeviceBatch>? _giveBack;

    internal unsafe DeviceBatch(TrainingFeed feed, Batch host)
        : base(feed, host.Header)
    {
        _host = host;
        _start = (nint)host.Slab.Pointer;
        Device = HostDevice.Instance;
    }

    internal unsafe DeviceBatch(
        TrainingFeed feed, Batch copied, IFeedDevice device, IDeviceMemory memory, Action<DeviceBatch> giveBack)
        : base(feed, copied.Header)
    {
        _head = new ReadOnlySpan<byte>(copied.Slab.Pointer, (int)copied.Header.DataOffset).ToArray();
        _start = memory.Address;
        _giveBack = giveBack;
        Device = device;
        Memory = memory;
    }

    /// <summary>The device it is in.</summary>
    public IFeedDevice Device { get; }

    /// <summary>The first byte of the data: a device pointer, of the host an address of this process.</summary>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public nint DataAddress => AddressOf(Header.DataOffset);

    /// <summary>The first of the labels, 32 bits each; 0 without labels.</summary>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public nint LabelsAddress => Header.ClassesOffset == 0 ? 0 : AddressOf(Header.ClassesOffset);

    /// <summary>
    /// The table: of each sample its offset from <see cref="TableBaseAddress"/> and its length, 64 bits each.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public nint TableAddress => AddressOf(Header.TableOffset);

    /// <summary>What the table's offsets count from.</summary>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public nint TableBaseAddress => AddressOf(0);

    /// <summary>The device's memory it lies in; null of the host.</summary>
    internal IDeviceMemory? Memory { get; }

    private protected override unsafe ReadOnlySpan<byte> Head
    {
        get
        {
            ThrowIfReleased();
            return _host is null ? _head : new ReadOnlySpan<byte>(_host.Slab.Pointer, (int)Header.DataOffset);
        }
    }

    /// <summary>Copies all samples' bytes, or their begin, to the host.</summary>
    /// <param name="destination">At most as long as <see cref="FeedBatch.DataBytes"/>.</param>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public void CopyDataTo(Span<byte> destination)
    {
        ThrowIfReleased();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, DataBytes, nameof(destination));
        if (_host is not null)
        {
            _host.Data[..destination.Length].CopyTo(destination);
            return;
        }

        byte[] whole = new byte[Header.DataOffset + destination.Length];
        Memory!.CopyTo(whole);
        whole.AsSpan((int)Header.DataOffset).CopyTo(destination);
    }

    private protected override void Release()
    {
        _host?.Dispose();
        _giveBack?.Invoke(this);
    }

    private nint AddressOf(long offset)
    {
        ThrowIfReleased();
        return _start + (nint)offset;
    }
}
