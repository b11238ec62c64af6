using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Objects;
using DataLayer.Engine.Feeds.Prefetch;
using DataLayer.Engine.Tenants;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Heat;

namespace DataLayer.Engine.Files;

/// <summary>Bounds and tuning of the engine. <see cref="Validate"/> reports every bad value at once.</summary>
public sealed record FileEngineOptions
{
    /// <summary>Seed of every random choice (retry jitter, scrub sampling). Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>
    /// How far readahead runs ahead of one reader of cold content, bytes, 1 MiB to 1 GiB. Default 128 MiB: sixteen
    /// requests of <see cref="MaxRequestBytes"/>; an origin 30 ms away then delivers 4 GB/s to one reader, and a near
    /// one is never idle (64 MiB gave 9 % less).
    /// </summary>
    public long ReadaheadBytes { get; init; } = 128L << 20;

    /// <summary>
    /// As <see cref="ReadaheadBytes"/> for content that is hot. Default 8 MiB: a local target needs little.
    /// </summary>
    public long HotReadaheadBytes { get; init; } = 8L << 20;

    /// <summary>
    /// Memory that all readahead may hold, bytes, 8 MiB to 64 GiB. Default 256 MiB. Readahead shrinks when it is used
    /// up.
    /// </summary>
    public long ReadaheadMemoryBytes { get; init; } = 256L << 20;

    /// <summary>The largest ranged GET, bytes, a multiple of 1 MiB up to 64 MiB. Default 8 MiB.</summary>
    public int MaxRequestBytes { get; init; } = 8 << 20;

    /// <summary>How long readers of cold content may put off its way to the hot tier. Tests wait longer.</summary>
    internal TimeSpan RecallPatience { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long background work waits for a gap between reads before it takes its share anyway.</summary>
    internal TimeSpan YieldPatience { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// The unit of a first answer to a random read, bytes, a power of two from 16 KiB to 1 MiB. Default 128 KiB.
    /// </summary>
    public int SubBlockBytes { get; init; } = 128 << 10;

    /// <summary>GET requests in flight for one file, a count, 1 to 256. Default 16.</summary>
    public int MaxRequestsPerFile { get; init; } = 16;

    /// <summary>GET requests in flight, a count, 1 to 4,096. Default 128. Further ones wait.</summary>
    public int MaxRequests { get; init; } = 128;

    /// <summary>
    /// What reads of object stores, and of the hot tier, may have in flight while several tenants read, bytes, 1 MiB to
    /// 16 GiB. Default 16 MiB: what keeps a store busy, so that who comes next waits for little before it.
    /// </summary>
    public long ContendedBytes { get; init; } = 16L << 20;

    /// <summary>The tenants. Default none.</summary>
    public IReadOnlyList<TenantOptions> Tenants { get; init; } = [];

    /// <summary>
    /// Cold content waiting to be written to the hot tier, bytes, 0 to 16 GiB; 0 turns recall by reading off. Default
    /// 128 MiB; more is dropped.
    /// </summary>
    public long RecallQueueBytes { get; init; } = 128L << 20;

    /// <summary>
    /// When the first few files of a folder that are read cold bring in the rest of it; null for never. Default never:
    /// it reads objects that nobody asked for yet.
    /// </summary>
    public GroupRecallOptions? GroupRecall { get; init; }

    /// <summary>What of one folder is brought in so at most, bytes, 1 MiB to 1 PiB. Default 16 GiB.</summary>
    public long GroupRecallBytes { get; init; } = 16L << 30;

    /// <summary>Recall writers, a count, 1 to 64. Default 2.</summary>
    public int RecallWriters { get; init; } = 2;

    /// <summary>
    /// Buffers of 1 MiB or one stripe that a replacement may have under way, a count, 1 to 64. Default 4.
    /// </summary>
    public int WriteDepth { get; init; } = 4;

    /// <summary>
    /// How long a write that finds the hot tier full waits for room at most, 1 ms to 1 hour: for releases, and where
    /// nothing can be released yet for the next upload. Default 30 s.
    /// </summary>
    public TimeSpan RoomPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>What is released beyond a write's need, bytes; at most a 32nd of the pool.</summary>
    internal long RoomSpareBytes { get; init; } = 256L << 20;

    /// <summary>Uploads in flight, a count, 1 to 256. Default 8.</summary>
    public int MaxUploads { get; init; } = 8;

    /// <summary>
    /// First wait after a failed upload or delete; doubles up to <see cref="MaxBackoff"/>, with jitter. Default 500 ms.
    /// </summary>
    public TimeSpan FirstBackoff { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Longest wait after a failed upload or delete. Default 1 minute.</summary>
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How often the journal is looked at for work that became due. Default 1 s: a look costs one indexed read a kind.
    /// </summary>
    public TimeSpan JournalInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long a delete or overwrite in the bucket waits for readers of the old content that is not hot. Default 1
    /// minute.
    /// </summary>
    public TimeSpan OpenReaderGrace { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Parallel LIST requests of one attach, a count, 1 to 64. Default 8.</summary>
    public int ListParallelism { get; init; } = 8;

    /// <summary>Files warmed, scrubbed or moved at once, a count, 1 to 256. Default 16.</summary>
    public int UpkeepParallelism { get; init; } = 16;

    /// <summary>How often mostly dead segments are looked for; zero turns it off. Default 1 minute.</summary>
    public TimeSpan CompactionInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Attributes kept in memory, a count of inodes, 16 to 100 million. Default 200,000 (about 100 MB).
    /// </summary>
    public int AttributeCacheEntries { get; init; } = 200_000;

    /// <summary>Directory entries kept in memory in listings, a count, 0 to 100 million. Default 100,000.</summary>
    public int ListingCacheEntries { get; init; } = 100_000;

    /// <summary>
    /// Contents whose access state is kept after their last close, a count, 16 to 10 million. Default 20,000.
    /// </summary>
    public int IdleContents { get; init; } = 20_000;

    /// <summary>How far feeds are read ahead of.</summary>
    public PrefetchOptions Prefetch { get; init; } = new();

    /// <summary>Heat and access history.</summary>
    public HeatOptions Heat { get; init; } = new();

    /// <summary>How objects come out of archives.</summary>
    public ArchiveOptions Archive { get; init; } = new();

    /// <summary>
    /// Whether files without names are kept at start, because a mount that outlived the service may have them open.
    /// They go when the mount forgets them or ends. Default false.
    /// </summary>
    public bool KeepOrphans { get; init; }

    /// <summary>
    /// The folder of the file that keeps what mounts wrote and nobody flushed when the process is killed; null keeps it
    /// in memory only. The service gives its state directory.
    /// </summary>
    public string? StateDirectory { get; init; }

    /// <summary>
    /// Room for the bytes of small unflushed files, bytes, 4 MiB to 1 GiB; allocated on the state directory's disk.
    /// Default 64 MiB: 4,096 files of 16 KiB, flushed by half.
    /// </summary>
    public long UnflushedBytes { get; init; } = 64L << 20;

    /// <summary>
    /// How long what a mount wrote may wait to be flushed where nobody asks for it, 100 ms to 1 hour. Default 2 s:
    /// before an upload is due (5 s), and short against what a power cut may take by POSIX (30 s is common).
    /// </summary>
    public TimeSpan WritebackDelay { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>For tests: stands in front of each opened store.</summary>
    internal Func<IObjectStore, IObjectStore>? DecorateStore { get; init; }

    /// <summary>
    /// For tests: called at each named step between durable changes; throwing there stands for a crash.
    /// </summary>
    internal Action<string>? StepHook { get; init; }

    /// <summary>For tests: called before each read of the tree that memory does not answer.</summary>
    internal Func<ValueTask>? BeforeTreeRead { get; init; }

    /// <summary>Checks every value.</summary>
    /// <exception cref="DataLayerException">
    /// <see cref="ErrorCode.InvalidArgument"/> naming every value out of range.
    /// </exception>
    public void Validate()
    {
        Prefetch.Validate();
        List<string> errors = [];
        Range(errors, nameof(ReadaheadBytes), ReadaheadBytes, 1L << 20, 1L << 30);
        Range(errors, nameof(HotReadaheadBytes), HotReadaheadBytes, 1L << 20, 1L << 30);
        Range(errors, nameof(ReadaheadMemoryBytes), ReadaheadMemoryBytes, 8L << 20, 64L << 30);
        Range(errors, nameof(MaxRequestBytes), MaxRequestBytes, BlockLayout.BlockBytes, 64 << 20);
        Range(errors, nameof(SubBlockBytes), SubBlockBytes, 16 << 10, BlockLayout.BlockBytes);
        Range(errors, nameof(MaxRequestsPerFile), MaxRequestsPerFile, 1, 256);
        Range(errors, nameof(MaxRequests), MaxRequests, 1, 4096);
        Range(errors, nameof(ContendedBytes), ContendedBytes, 1L << 20, 16L << 30);
        Range(errors, nameof(RecallQueueBytes), RecallQueueBytes, 0, 16L << 30);
        Range(errors, nameof(RecallWriters), RecallWriters, 1, 64);
        Range(errors, nameof(WriteDepth), WriteDepth, 1, 64);
        Range(errors, nameof(MaxUploads), MaxUploads, 1, 256);
        Range(errors, nameof(ListParallelism), ListParallelism, 1, 64);
        Range(errors, nameof(GroupRecallBytes), GroupRecallBytes, 1 << 20, 1L << 50);
        Range(errors, nameof(UpkeepParallelism), UpkeepParallelism, 1, 256);
        Range(errors, nameof(AttributeCacheEntries), AttributeCacheEntries, 16, 100_000_000);
        Range(errors, nameof(ListingCacheEntries), ListingCacheEntries, 0, 100_000_000);
        Range(errors, nameof(IdleContents), IdleContents, 16, 10_000_000);
        Positive(errors, nameof(FirstBackoff), FirstBackoff);
        Positive(errors, nameof(JournalInterval), JournalInterval);
        Heat.Check(errors);
        Archive.Check(errors);
        TenantOptions.CheckAll(errors, Tenants);
        Range(errors, nameof(UnflushedBytes), UnflushedBytes, 4L << 20, 1L << 30);
        if (WritebackDelay < TimeSpan.FromMilliseconds(100) || WritebackDelay > TimeSpan.FromHours(1))
        {
            errors.Add($"{nameof(WritebackDelay)} {WritebackDelay} is not in 100 ms to 1 hour");
        }

        if (RoomPatience < TimeSpan.FromMilliseconds(1) || RoomPatience > TimeSpan.FromHours(1))
        {
            errors.Add($"{nameof(RoomPatience)} {RoomPatience} is not in 1 ms to 1 hour");
        }

        if (MaxBackoff < FirstBackoff)
        {
            errors.Add($"{nameof(MaxBackoff)} {MaxBackoff} is shorter than {nameof(FirstBackoff)} {FirstBackoff}");
        }

        if (MaxRequestBytes % BlockLayout.BlockBytes != 0)
        {
            errors.Add($"{nameof(MaxRequestBytes)} {MaxRequestBytes} is not a multiple of {BlockLayout.BlockBytes}");
        }

        if (!int.IsPow2(SubBlockBytes))
        {
            errors.Add($"{nameof(SubBlockBytes)} {SubBlockBytes} is not a power of two");
        }

        if (OpenReaderGrace < TimeSpan.Zero || CompactionInterval < TimeSpan.Zero)
        {
            errors.Add($"{nameof(OpenReaderGrace)} and {nameof(CompactionInterval)} must not be negative");
        }

        if (errors.Count > 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"Bad engine options: {string.Join("; ", errors)}.");
        }
    }

    private static void Range(List<string> errors, string name, long value, long min, long max)
    {
        if (value < min || value > max)
        {
            errors.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {value} is not in {min} to {max}"));
        }
    }

    private static void Positive(List<string> errors, string name, TimeSpan value)
    {
        if (value <= TimeSpan.Zero)
        {
            errors.Add($"{name} {value} is not positive");
        }
    }
}
