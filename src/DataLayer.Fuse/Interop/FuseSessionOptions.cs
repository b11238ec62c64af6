namespace DataLayer.Fuse.Interop;

/// <summary>Bounds of one session.</summary>
internal sealed record FuseSessionOptions
{
    /// <summary>Threads that read requests, a count.</summary>
    internal int ReaderThreads { get; init; } = Math.Clamp(Environment.ProcessorCount, 2, 8);

    /// <summary>Large buffers (1 MiB), a count: requests that carry or ask for much at a time.</summary>
    internal int LargeBuffers { get; init; } = 96;

    /// <summary>Small answer buffers (128 KiB), a count.</summary>
    internal int SmallBuffers { get; init; } = 256;

    /// <summary>
    /// Whether a quota that is used up, by its folder's inode, is the one whose space the mount shows; else none is.
    /// </summary>
    internal Func<long, bool>? IsQuotaOfMount { get; init; }
}
