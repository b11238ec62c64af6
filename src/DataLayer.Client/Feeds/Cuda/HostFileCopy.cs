using DataLayer.Client.Feeds.Devices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Client.Feeds.Cuda;

/// <summary>
/// Reads a file into a GPU's memory through two pieces of locked host memory: while one is copied the other is filled.
/// </summary>
internal static class HostFileCopy
{
    private const int PieceBytes = 4 << 20;

    /// <summary>Reads and copies; all copies have ended when it ends.</summary>
    public static async Task<long> RunAsync(
        CudaDevice device, string path, long fileOffsetBytes, CudaMemory destination, long offsetBytes,
        long lengthBytes, CancellationToken cancellationToken)
    {
        using SafeFileHandle file = HostDevice.Open(path);
        using IDeviceMemory pieces = HostDevice.Instance.Allocate(2 * PieceBytes);
        using IDisposable? locked = device.PageLock(pieces.Address, pieces.LengthBytes);
        Task[] copies = [Task.CompletedTask, Task.CompletedTask];
        long done = 0;
        try
        {
            for (int i = 0; done < lengthBytes; i ^= 1)
            {
                await copies[i].ConfigureAwait(false);
                nint address = pieces.Address + (i * PieceBytes);
                using NativePiece view = new(address, (int)Math.Min(PieceBytes, lengthBytes - done));
                int count = await RandomAccess
                    .ReadAsync(file, view.Memory, fileOffsetBytes + done, cancellationToken)
                    .ConfigureAwait(false);
                if (count == 0)
                {
                    break;
                }

                copies[i] = device.CopyAsync(address, destination, offsetBytes + done, count);
                done += count;
            }
        }
        finally
        {
            // The pieces are the device's until both copies have ended, also where one failed.
            await Task.WhenAll(copies).ConfigureAwait(false);
        }

        return done;
    }
}
