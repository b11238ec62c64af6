using DataLayer.Core.Errors;
using DataLayer.Core.Objects;

namespace DataLayer.Engine.Peers;

/// <summary>
/// A range of one version of one object. What is asked for is named by what the object store says, not by a tree: the
/// other node may have another tree over the same bucket.
/// </summary>
/// <param name="Store">Which store: <c>https://endpoint/bucket</c>.</param>
/// <param name="Key">The object's full key.</param>
/// <param name="ETag">Its ETag, without quotes.</param>
/// <param name="SizeBytes">Its size.</param>
/// <param name="OffsetBytes">Where the range starts.</param>
/// <param name="LengthBytes">How long it is; within the object, and at most <see cref="MaxBytes"/>.
/// </param>
public sealed record PeerRequest(
    string Store, string Key, string ETag, long SizeBytes, long OffsetBytes, int LengthBytes)
{
    /// <summary>The longest range, bytes.</summary>
    public const int MaxBytes = PeerRing.RangeBytes;

    /// <summary>What it is for: whoever asks the object store in the end does it for that.</summary>
    public OriginPurpose Purpose { get; init; } = OriginPurpose.Foreground;

    /// <summary>Checks what came from outside.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public void Validate()
    {
        if (Store.Length == 0 || Key.Length == 0 || ETag.Length == 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "store, key and etag name an object; one of them is empty.");
        }

        bool isRange = OffsetBytes >= 0 && LengthBytes > 0 && LengthBytes <= MaxBytes
            && OffsetBytes <= SizeBytes - LengthBytes;
        if (!isRange)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"Offset {OffsetBytes} and length {LengthBytes} are no range of an object of {SizeBytes} bytes: give 1 "
                + $"to {MaxBytes} bytes within it.");
        }
    }
}

/// <summary>A request under way.</summary>
/// <param name="request">What is asked for.</param>
/// <param name="destination">Where the bytes go; as long as the range.</param>
public sealed class PeerCall(PeerRequest request, Memory<byte> destination)
{
    private readonly TaskCompletionSource _accepted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What is asked for.</summary>
    public PeerRequest Request { get; } = request;

    /// <summary>Where the bytes go.</summary>
    public Memory<byte> Destination { get; } = destination;

    /// <summary>Ends when the node said that it is at it.</summary>
    public Task Accepted => _accepted.Task;

    /// <summary>The node said so.</summary>
    public void Accept() => _accepted.TrySetResult();
}
