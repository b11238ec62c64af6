using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Files;

/// <summary>CONTRACT SKETCH, replaced by the owner of Engine. The one tree: read path, write path, attachments, upkeep. Paths are absolute, '/'-separated.</summary>
public sealed class FileEngine : IAsyncDisposable
{
    /// <summary>Opens over its parts (not owned), replays the journal, starts the upload and delete workers.</summary>
    public static ValueTask<FileEngine> OpenAsync(FileEngineParts parts, FileEngineOptions options, ILoggerFactory logs, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- names -------------------------------------------------------------------------------------------------
    public ValueTask<InodeAttributes> StatAsync(string path, bool followLast, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>What `datalayer stat` shows: tier, residency, object, placement, heat.</summary>
    public ValueTask<FileDescription> DescribeAsync(string path, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<IReadOnlyList<DirectoryEntry>> ListAsync(string path, string? after, int limit, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<InodeAttributes> MakeDirectoryAsync(string path, int mode, bool parents, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<InodeAttributes> MakeSymbolicLinkAsync(string path, string target, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<InodeAttributes> LinkAsync(string existingPath, string newPath, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Removes a file or link, or a folder (empty unless <paramref name="recursive"/>). <paramref name="ifMatch"/>: entity tag that must hold, or null.</summary>
    public ValueTask RemoveAsync(string path, bool recursive, string? ifMatch, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<InodeAttributes> RenameAsync(string from, string to, RenameFlags flags, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<InodeAttributes> SetAttributesAsync(string path, AttributeChanges changes, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<TreeUsage> GetUsageAsync(string path, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<byte[]?> GetXattrAsync(string path, string name, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<IReadOnlyList<string>> ListXattrsAsync(string path, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask SetXattrAsync(string path, string name, ReadOnlyMemory<byte> value, XattrCondition condition, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask RemoveXattrAsync(string path, string name, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- content -----------------------------------------------------------------------------------------------
    /// <summary>Opens a file for positional reads (and writes in place). Applies the attachment's freshness mode. The open content stays readable when the name is removed or replaced.</summary>
    public ValueTask<OpenFile> OpenFileAsync(string path, bool write, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<OpenFile> OpenFileAsync(InodeId inode, bool write, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Starts the replacement (or creation) of a file's whole content; nothing is visible until <see cref="FileReplacement.CommitAsync"/>.</summary>
    public ValueTask<FileReplacement> ReplaceFileAsync(string path, ReplaceOptions options, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>The HTTP entity tag of a content, without quotes: inode-generation-version.</summary>
    public static string EntityTag(InodeAttributes attributes) => $"{attributes.Inode.Value}-{attributes.Generation}-{attributes.Version}";

    // ---- attachments and tiers ---------------------------------------------------------------------------------
    public ValueTask<Attachment> AttachAsync(AttachRequest request, IProgress<AttachProgress>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<AttachProgress> RefreshAsync(string path, IProgress<AttachProgress>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask DetachAsync(string path, bool force, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<IReadOnlyList<Attachment>> ListAttachmentsAsync(CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Brings everything below a path into the hot tier (and memory where asked), verified; ends with what is resident.</summary>
    public ValueTask<WarmResult> WarmAsync(string path, bool intoMemory, IProgress<WarmResult>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Drops memory copies below a path, and with <paramref name="hotToo"/> the hot copies of premigrated contents (release).</summary>
    public ValueTask<EvictResult> EvictAsync(string path, bool hotToo, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Waits until all pending uploads below a path were verified.</summary>
    public ValueTask FlushUploadsAsync(string path, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask DrainTargetAsync(int target, IProgress<long>? movedBytes, CancellationToken cancellationToken) => throw new NotImplementedException();

    // ---- upkeep ------------------------------------------------------------------------------------------------
    public ValueTask<CheckReport> FsckAsync(bool repair, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask<ScrubReport> ScrubAsync(string path, IProgress<ScrubReport>? progress, CancellationToken cancellationToken) => throw new NotImplementedException();
    public EngineStatistics GetStatistics() => throw new NotImplementedException();
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>The parts an engine works over; the caller owns and disposes them after the engine.</summary>
public sealed record FileEngineParts(TreeStore Tree, HotTier Hot, BlockCache Cache, ObjectStoreRegistry Stores, TimeProvider Time);

/// <summary>CONTRACT SKETCH: the owner adds readahead, fan-out, upload concurrency, attribute cache size and so on.</summary>
public sealed class FileEngineOptions
{
    /// <summary>Seed of every random choice (retry jitter, scrub sampling).</summary>
    public int Seed { get; init; } = 1;
}

/// <summary>CONTRACT SKETCH. One open file; safe for concurrent positional calls.</summary>
public sealed class OpenFile : IAsyncDisposable
{
    public InodeAttributes Attributes => throw new NotImplementedException();
    /// <summary>Reads at most destination.Length bytes; fewer only at the end. Completes at once on a memory hit.</summary>
    public ValueTask<int> ReadAsync(long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask WriteAsync(long offsetBytes, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask TruncateAsync(long sizeBytes, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>fsync: data durable on its targets and metadata committed.</summary>
    public ValueTask<InodeAttributes> FlushAsync(CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>CONTRACT SKETCH. A content being written front to back. Disposed without a commit, nothing happened.</summary>
public sealed class FileReplacement : IAsyncDisposable
{
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => throw new NotImplementedException();
    /// <summary>Durable and visible when it returns; with a write-through attachment also uploaded and verified.</summary>
    public ValueTask<InodeAttributes> CommitAsync(CancellationToken cancellationToken) => throw new NotImplementedException();
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>Conditions and attributes of a replacement.</summary>
public sealed record ReplaceOptions
{
    /// <summary>Entity tag that must hold, or null.</summary>
    public string? IfMatch { get; init; }
    /// <summary>There must be nothing at the path (If-None-Match: *).</summary>
    public bool IfAbsent { get; init; }
    /// <summary>Mode of a new file.</summary>
    public int Mode { get; init; } = 0x1A4;
    /// <summary>The length if known, bytes: decides segment or stripes and fails early with NoSpace; else null.</summary>
    public long? ExpectedSizeBytes { get; init; }
    /// <summary>Make missing parent folders.</summary>
    public bool MakeParents { get; init; }
}

/// <summary>What to attach where.</summary>
public sealed record AttachRequest
{
    public required string Source { get; init; }
    public required string Path { get; init; }
    public string StoreName { get; init; } = "default";
    public AttachmentMode Mode { get; init; } = AttachmentMode.ReadOnly;
    public FreshnessMode Freshness { get; init; } = FreshnessMode.Immutable;
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromMinutes(1);
    public FlushMode Flush { get; init; } = FlushMode.WriteBack;
}

/// <summary>How far a listing is: counts and bytes so far, LIST requests used.</summary>
public readonly record struct AttachProgress(long Objects, long Bytes, long Requests, long Refused, bool Done);

/// <summary>What a warm-up brought: counts and bytes.</summary>
public readonly record struct WarmResult(long Files, long FilesDone, long Bytes, long BytesDone, long AlreadyHot, long Failed, string? FirstError);

/// <summary>What an eviction dropped.</summary>
public readonly record struct EvictResult(long Blocks, long ReleasedFiles, long ReleasedBytes, long KeptFiles);

/// <summary>What fsck found; clean when there is no problem.</summary>
public sealed record CheckReport(long Inodes, long Contents, long RepairedCount, IReadOnlyList<TreeProblem> Problems);

/// <summary>What a scrub found.</summary>
public readonly record struct ScrubReport(long Files, long CheckedChunks, long RepairedChunks, long RepairedFromObjects, long BadFiles);

/// <summary>What `datalayer stat` shows of a file.</summary>
public sealed record FileDescription(
    InodeAttributes Attributes, string Path, string? Placement, uint BlockCount, uint HotBlocks, uint MemoryBlocks, ObjectReference? Object,
    string? ObjectStore, double Heat, bool UploadPending);

/// <summary>Counters since start: reads by tier and the rest; bytes, counts and nanoseconds.</summary>
public sealed record EngineStatistics
{
    public long ReadBytes { get; init; }
    public long Reads { get; init; }
    public long MemoryHits { get; init; }
    public long MemoryHitBytes { get; init; }
    public long HotReads { get; init; }
    public long HotReadBytes { get; init; }
    public long ColdReads { get; init; }
    public long ColdReadBytes { get; init; }
    public long OriginBytes { get; init; }
    public long WrittenBytes { get; init; }
    public long UploadedBytes { get; init; }
    public long PendingUploads { get; init; }
    public long ReadaheadBytes { get; init; }
    public long ReadWaitNanoseconds { get; init; }
}
