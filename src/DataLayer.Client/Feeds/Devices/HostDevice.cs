using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Client.Feeds.Devices;

/// <summary>The host as a device: what a machine without a GPU has. Batches are read where they lie.</summary>
public sealed class HostDevice : IFeedDevice
{
    private const int AlignmentBytes = 4096;
    private const int PieceBytes = 8 << 20;

    /// <summary>The only one: it holds nothing, and disposing it does nothing.</summary>
    public static HostDevice Instance { get; } = new();

    /// <inheritdoc/>
    public string Name => "host";

    /// <inheritdoc/>
    public bool IsHost => true;

    /// <inheritdoc/>
    public IDeviceMemory Allocate(long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(lengthBytes);
        return new HostMemory(lengthBytes);
    }

    /// <inheritdoc/>
    public IDisposable? PageLock(nint address, long lengthBytes) => null;

    /// <inheritdoc/>
    public unsafe Task CopyAsync(nint source, IDeviceMemory destination, long offsetBytes, long lengthBytes)
    {
        HostMemory memory = HostMemory.Check(destination, offsetBytes, lengthBytes);
        Buffer.MemoryCopy((void*)source, (byte*)memory.Address + offsetBytes, lengthBytes, lengthBytes);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<long> ReadFileAsync(
        string path, long fileOffsetBytes, IDeviceMemory destination, long offsetBytes, long lengthBytes,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(fileOffsetBytes);
        HostMemory memory = HostMemory.Check(destination, offsetBytes, lengthBytes);
        using SafeFileHandle file = Open(path);
        long done = 0;
        while (done < lengthBytes)
        {
            int piece = (int)Math.Min(PieceBytes, lengthBytes - done);
            using NativePiece view = new(memory.Address + (nint)(offsetBytes + done), piece);
            int count = await RandomAccess
                .ReadAsync(file, view.Memory, fileOffsetBytes + done, cancellationToken)
                .ConfigureAwait(false);
            if (count == 0)
            {
                break;
            }

            done += count;
        }

        return done;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Opens a file to read.</summary>
    internal static SafeFileHandle Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DataLayerException(ErrorCode.NotFound, $"There is no file '{path}'.", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new DataLayerException(ErrorCode.PermissionDenied, $"'{path}' may not be read: {e.Message}", e);
        }
    }

    private sealed unsafe class HostMemory(long lengthBytes) : IDeviceMemory
    {
        private nint _address = (nint)NativeMemory.AlignedAlloc((nuint)lengthBytes, AlignmentBytes);

        public nint Address
        {
            get
            {
                nint address = Volatile.Read(ref _address);
                ObjectDisposedException.ThrowIf(address == 0, this);
                return address;
            }
        }

        public long LengthBytes => lengthBytes;

        public static HostMemory Check(IDeviceMemory memory, long offsetBytes, long lengthBytes)
        {
            ArgumentNullException.ThrowIfNull(memory);
            ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
            ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, memory.LengthBytes - offsetBytes);
            return memory as HostMemory
                ?? throw new ArgumentException("The memory is another device's.", nameof(memory));
        }

        public void CopyTo(Span<byte> destination)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, LengthBytes, nameof(destination));
            new Span<byte>((void*)Address, destination.Length).CopyTo(destination);
        }

        public void Dispose() => NativeMemory.AlignedFree((void*)Interlocked.Exchange(ref _address, 0));
    }
}
