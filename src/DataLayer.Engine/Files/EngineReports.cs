using DataLayer.Core.Tree;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files;

/// <summary>How far a listing is.</summary>
/// <param name="Objects">Objects brought in, a count.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Requests">LIST requests used, a count.</param>
/// <param name="Refused">Objects that have no place in a tree, a count.</param>
/// <param name="Done">Whether the listing is complete.</param>
public readonly record struct AttachProgress(long Objects, long Bytes, long Requests, long Refused, bool Done);

/// <summary>What a warm-up brought: counts and bytes.</summary>
/// <param name="Files">Files seen so far.</param>
/// <param name="FilesDone">Files that are wholly hot now.</param>
/// <param name="Bytes">Bytes of the files seen.</param>
/// <param name="BytesDone">Bytes of the files that are wholly hot.</param>
/// <param name="AlreadyHot">Files that needed nothing.</param>
/// <param name="Failed">Files that are not wholly hot after the attempt.</param>
/// <param name="FirstError">The first failure, or null.</param>
public readonly record struct WarmResult(
    long Files, long FilesDone, long Bytes, long BytesDone, long AlreadyHot, long Failed, string? FirstError);

/// <summary>What an eviction dropped.</summary>
/// <param name="Blocks">Blocks dropped from memory, a count.</param>
/// <param name="ReleasedFiles">Files whose hot copy was released, a count.</param>
/// <param name="ReleasedBytes">Their bytes.</param>
/// <param name="KeptFiles">Files whose hot copy stays because no verified object holds their content, a count.</param>
public readonly record struct EvictResult(long Blocks, long ReleasedFiles, long ReleasedBytes, long KeptFiles);

/// <summary>What fsck found; clean when there is no problem.</summary>
/// <param name="Inodes">Inodes checked, a count.</param>
/// <param name="Contents">Contents with a hot copy, a count.</param>
/// <param name="RepairedCount">Problems that were repaired, a count.</param>
/// <param name="Problems">Every problem found, repaired or not.</param>
public sealed record CheckReport(long Inodes, long Contents, long RepairedCount, IReadOnlyList<TreeProblem> Problems);

/// <summary>What a scrub found.</summary>
/// <param name="Files">Files checked.</param>
/// <param name="CheckedChunks">64 KiB chunks read and compared with their checksum.</param>
/// <param name="RepairedChunks">Chunks repaired from the other copy.</param>
/// <param name="RepairedFromObjects">Blocks fetched again from their object.</param>
/// <param name="BadFiles">Files with bytes that no copy holds any more.</param>
public readonly record struct ScrubReport(
    long Files, long CheckedChunks, long RepairedChunks, long RepairedFromObjects, long BadFiles);

/// <summary>What <c>datalayer stat</c> shows of a file.</summary>
/// <param name="Attributes">The inode.</param>
/// <param name="Path">One path that leads to it.</param>
/// <param name="Placement">Where the hot copy lies, as text, or null.</param>
/// <param name="BlockCount">Blocks of the content.</param>
/// <param name="HotBlocks">Blocks in the hot tier.</param>
/// <param name="MemoryBlocks">Blocks in memory.</param>
/// <param name="Object">The cold copy, or null.</param>
/// <param name="ObjectStore">The store and bucket of the cold copy, or null.</param>
/// <param name="Heat">
/// Decayed access score: reads of the whole content, each halved with every half-life since.
/// </param>
/// <param name="UploadPending">Whether the content still waits for its upload.</param>
public sealed record FileDescription(
    InodeAttributes Attributes, string Path, string? Placement, uint BlockCount, uint HotBlocks, uint MemoryBlocks,
    ObjectReference? Object, string? ObjectStore, double Heat, bool UploadPending);

/// <summary>Counters since start: reads by tier and the rest; bytes, counts and nanoseconds.</summary>
public sealed record EngineStatistics
{
    /// <summary>Bytes handed to callers.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Read calls.</summary>
    public long Reads { get; init; }

    /// <summary>Block parts answered from memory.</summary>
    public long MemoryHits { get; init; }

    /// <summary>Bytes answered from memory.</summary>
    public long MemoryHitBytes { get; init; }

    /// <summary>Parts of reads answered from the hot tier.</summary>
    public long HotReads { get; init; }

    /// <summary>Bytes answered from the hot tier.</summary>
    public long HotReadBytes { get; init; }

    /// <summary>Parts of reads answered from the cold tier.</summary>
    public long ColdReads { get; init; }

    /// <summary>Bytes answered from the cold tier.</summary>
    public long ColdReadBytes { get; init; }

    /// <summary>
    /// Bytes asked of object stores; divided by <see cref="ColdReadBytes"/> it is the read amplification.
    /// </summary>
    public long OriginBytes { get; init; }

    /// <summary>GET requests asked of object stores (before retries).</summary>
    public long OriginReads { get; init; }

    /// <summary>Bytes written by callers.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>Bytes uploaded and verified.</summary>
    public long UploadedBytes { get; init; }

    /// <summary>Uploads that wait or run.</summary>
    public long PendingUploads { get; init; }

    /// <summary>Uploads held back because the object was changed by somebody else.</summary>
    public long UploadConflicts { get; init; }

    /// <summary>Bytes fetched ahead of the reader.</summary>
    public long ReadaheadBytes { get; init; }

    /// <summary>Bytes of cold content written to the hot tier.</summary>
    public long RecalledBytes { get; init; }

    /// <summary>Bytes of cold content not written to the hot tier because the queue or the targets were full.</summary>
    public long RecallsDroppedBytes { get; init; }

    /// <summary>Blocks found bad in the hot tier and read from the object instead.</summary>
    public long HotRepairs { get; init; }

    /// <summary>Time callers waited for reads that memory could not answer.</summary>
    public long ReadWaitNanoseconds { get; init; }

    /// <summary>Of <see cref="ReadWaitNanoseconds"/>: waits on the hot tier.</summary>
    public long HotWaitNanoseconds { get; init; }

    /// <summary>Of <see cref="ReadWaitNanoseconds"/>: waits on the cold tier.</summary>
    public long ColdWaitNanoseconds { get; init; }
}
