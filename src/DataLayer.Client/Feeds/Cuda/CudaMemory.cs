using DataLayer.Client.Feeds.Cuda.Interop;
using DataLayer.Client.Feeds.Devices;

namespace DataLayer.Client.Feeds.Cuda;

/// <summary>
/// Memory of a GPU. Disposed while a copy into it runs, it is freed when that copy has ended.
/// </summary>
internal sealed unsafe class CudaMemory(CudaDevice device, CudaAllocation allocation, long lengthBytes) : IDeviceMemory
{
    private volatile bool _disposed;

    /// <inheritdoc/>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return allocation.Value;
        }
    }

    /// <inheritdoc/>
    public long LengthBytes => lengthBytes;

    /// <summary>The driver's object.</summary>
    internal CudaAllocation Allocation => allocation;

    /// <summary>The device it is of.</summary>
    internal CudaDevice Device => device;

    /// <inheritdoc/>
    public void CopyTo(Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, LengthBytes, nameof(destination));
        ObjectDisposedException.ThrowIf(_disposed, this);
        bool added = false;
        try
        {
            allocation.DangerousAddRef(ref added);
            fixed (byte* target = destination)
            {
                device.CopyToHost((nint)target, allocation.Value, destination.Length);
            }
        }
        finally
        {
            if (added)
            {
                allocation.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        allocation.Dispose();
    }
}
