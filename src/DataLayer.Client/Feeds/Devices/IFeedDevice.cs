namespace DataLayer.Client.Feeds.Devices;

/// <summary>
/// Where batches are wanted: a GPU, or the host's own memory. The same training loop runs on both.
/// </summary>
/// <remarks>Safe for concurrent use. Memory that was allocated outlives the device until it is disposed.</remarks>
public interface IFeedDevice : IAsyncDisposable
{
    /// <summary>What it is, for people: <c>host</c>, or name and UUID of a GPU.</summary>
    string Name { get; }

    /// <summary>Whether its memory is the host's: then addresses may be read here, and a batch needs no copy.</summary>
    bool IsHost { get; }

    /// <summary>Allocates memory of the device.</summary>
    /// <param name="lengthBytes">How much, 1 byte or more.</param>
    /// <exception cref="Core.Errors.DataLayerException">Overloaded: there is not as much.</exception>
    IDeviceMemory Allocate(long lengthBytes);

    /// <summary>
    /// Locks host memory in place so that copies from it need no second copy. Dispose it before the memory is unmapped.
    /// </summary>
    /// <param name="address">Where the memory starts, at a page.</param>
    /// <param name="lengthBytes">Its length.</param>
    /// <returns>What holds it; null where this device does not lock.</returns>
    /// <exception cref="Core.Errors.DataLayerException">Overloaded: over what may be locked.</exception>
    IDisposable? PageLock(nint address, long lengthBytes);

    /// <summary>
    /// Copies host memory to the device. It completes when the copy has ended, whatever became of it: until then the
    /// source must stay, so it cannot be given up.
    /// </summary>
    /// <param name="source">The first byte on the host.</param>
    /// <param name="destination">Memory of this device.</param>
    /// <param name="offsetBytes">Where in it.</param>
    /// <param name="lengthBytes">How much.</param>
    /// <exception cref="Core.Errors.DataLayerException">The device failed.</exception>
    Task CopyAsync(nint source, IDeviceMemory destination, long offsetBytes, long lengthBytes);

    /// <summary>
    /// Reads a local file into memory of the device, without a stop in the host's where the device can.
    /// </summary>
    /// <param name="path">A file, also one on a mount of the tree.</param>
    /// <param name="fileOffsetBytes">The first byte.</param>
    /// <param name="destination">Memory of this device.</param>
    /// <param name="offsetBytes">Where in it.</param>
    /// <param name="lengthBytes">How much at most.</param>
    /// <param name="cancellationToken">Gives the call up between two pieces.</param>
    /// <returns>Bytes read: fewer only at the file's end.</returns>
    /// <exception cref="Core.Errors.DataLayerException">NotFound; the device failed.</exception>
    Task<long> ReadFileAsync(
        string path, long fileOffsetBytes, IDeviceMemory destination, long offsetBytes, long lengthBytes,
        CancellationToken cancellationToken = default);
}

/// <summary>A piece of a device's memory. Dispose it when nothing on the device uses it any more.</summary>
public interface IDeviceMemory : IDisposable
{
    /// <summary>Its first byte: a device pointer (CUdeviceptr), or an address of this process.</summary>
    nint Address { get; }

    /// <summary>Its length, bytes.</summary>
    long LengthBytes { get; }

    /// <summary>Copies it, or its begin, to the host; all that was copied to it before is in it.</summary>
    void CopyTo(Span<byte> destination);
}
