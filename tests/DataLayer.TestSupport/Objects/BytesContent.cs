using DataLayer.Core.Objects;

namespace DataLayer.TestSupport.Objects;

/// <summary>Content from memory.</summary>
public sealed class BytesContent(ReadOnlyMemory<byte> bytes) : IObjectContent
{
    /// <inheritdoc/>
    public long LengthBytes => bytes.Length;

    /// <summary>Random bytes of a length, the same for the same seed.</summary>
    public static byte[] Random(int lengthBytes, int seed = 1)
    {
        byte[] random = new byte[lengthBytes];
        new Random(seed).NextBytes(random);
        return random;
    }

    /// <inheritdoc/>
    public ValueTask ReadExactlyAsync(long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken)
    {
        bytes.Slice((int)offsetBytes, destination.Length).CopyTo(destination);
        return ValueTask.CompletedTask;
    }
}
