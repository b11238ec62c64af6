namespace DataLayer.Engine.Tiering.Planning;

/// <summary>How contents are cut into requests, as the object stores and the engine are set up.</summary>
public sealed record TransferShape
{
    /// <summary>Larger objects are uploaded in parts, bytes.</summary>
    public long MultipartThresholdBytes { get; init; } = 16L << 20;

    /// <summary>Size of a part, bytes.</summary>
    public long PartBytes { get; init; } = 8L << 20;

    /// <summary>The most parts of one upload, a count; parts grow beyond.</summary>
    public int MaxPartCount { get; init; } = 10_000;

    /// <summary>Size of a ranged GET, bytes.</summary>
    public long ReadBytes { get; init; } = 8L << 20;

    /// <summary>The largest object that one COPY takes, bytes; larger ones are copied in parts of this size.</summary>
    public long CopyBytes { get; init; } = 5L << 30;

    /// <summary>Size of a pack of small cold files, bytes.</summary>
    public long PackBytes { get; init; } = 64L << 20;

    /// <summary>Requests that upload an object of this size: one, or begin, parts, complete.</summary>
    public long CountUploadRequests(long bytes)
    {
        if (bytes <= MultipartThresholdBytes)
        {
            return 1;
        }

        long part = Math.Max(PartBytes, Divide(bytes, MaxPartCount));
        return 2 + Divide(bytes, part);
    }

    /// <summary>Requests that copy an object of this size inside the store.</summary>
    public long CountCopyRequests(long bytes) => bytes <= CopyBytes ? 1 : 2 + Divide(bytes, CopyBytes);

    /// <summary>Ranged GETs that read this many bytes.</summary>
    public long CountReadRequests(long bytes) => bytes == 0 ? 0 : Divide(bytes, ReadBytes);

    private static long Divide(long bytes, long unit) => (bytes + unit - 1) / unit;
}
