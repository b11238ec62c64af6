using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>One slow read: what is asked, into which buffer, and what was learnt on the way.</summary>
internal sealed class ReadRequest(
    ContentState content, long offsetBytes, Memory<byte> destination, int done, bool isSequential, long extentEndBytes)
{
    private long _hotBytes;
    private long _coldBytes;
    private readonly Lock _times = new();
    private ReadTimes _sum;

    public ContentState Content { get; } = content;

    public long OffsetBytes { get; } = offsetBytes;

    public long EndBytes { get; } = offsetBytes + destination.Length;

    /// <summary>Bytes at the start that memory answered.</summary>
    public int Done { get; } = done;

    public bool IsSequential { get; } = isSequential;

    /// <summary>
    /// Where the extent ends of which the read is a piece: what follows the read is wanted up to here. Not before its
    /// end.
    /// </summary>
    public long ExtentEndBytes { get; } = Math.Max(extentEndBytes, offsetBytes + destination.Length);

    /// <summary>The hot copy failed: read from the object.</summary>
    public bool AvoidHot { get; set; }

    public bool WasCold { get; set; }

    /// <summary>Whether a reader waits for it, not a warm-up.</summary>
    public bool IsForeground { get; init; } = true;

    /// <summary>Whether it is read for another node: then no node is asked for it.</summary>
    public bool IsForPeer { get; init; }

    /// <summary>Where the time of its parts went. They run side by side, so the sum may exceed the wait.</summary>
    public ReadTimes Times
    {
        get
        {
            lock (_times)
            {
                return _sum;
            }
        }
    }

    /// <summary>Bytes that the hot tier brought in this attempt.</summary>
    public long HotBytes => Volatile.Read(ref _hotBytes);

    /// <summary>Bytes that the cold tier brought in this attempt.</summary>
    public long ColdBytes => Volatile.Read(ref _coldBytes);

    /// <summary>The rest: bytes that memory brought.</summary>
    public long MemoryBytes => Math.Max(0, EndBytes - OffsetBytes - HotBytes - ColdBytes);

    /// <summary>Counts anew: another attempt begins.</summary>
    public void BeginAttempt()
    {
        Volatile.Write(ref _hotBytes, 0);
        Volatile.Write(ref _coldBytes, 0);
    }

    /// <summary>Counts what a part brought.</summary>
    public void NoteBytes(bool isCold, int bytes) =>
        Interlocked.Add(ref isCold ? ref _coldBytes : ref _hotBytes, bytes);

    /// <summary>Adds where a part's time went.</summary>
    public void NoteTimes(in ReadTimes part)
    {
        lock (_times)
        {
            _sum += part;
        }
    }

    public Memory<byte> Slice(long position, int length) => destination.Slice((int)(position - OffsetBytes), length);
}

/// <summary>
/// A part of a slow read under way: a shared fetch to copy from, or a read straight into the caller's buffer.
/// </summary>
internal readonly record struct ReadPart(BlockFetch? Fetch, Task? Direct, long OffsetBytes, int LengthBytes);
