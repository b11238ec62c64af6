namespace DataLayer.Core.Objects;

/// <summary>
/// Content to upload, readable at any offset and more than once: a retry or a parallel part reads its range again.
/// Reads run concurrently.
/// </summary>
public interface IObjectContent
{
    /// <summary>The content's length, bytes. Fixed while the upload runs.</summary>
    long LengthBytes { get; }

    /// <summary>
    /// Fills <paramref name="destination"/> from <paramref name="offsetBytes"/>; all of it, or throws.
    /// </summary>
    /// <exception cref="Errors.DataLayerException">The content cannot be read, or changed since the upload began
    /// (<see cref="Errors.ErrorCode.Stale"/>).</exception>
    ValueTask ReadExactlyAsync(long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken);
}
