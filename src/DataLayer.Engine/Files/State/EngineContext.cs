using System.Collections.Concurrent;
using System.Diagnostics;
using DataLayer.Core.Cluster;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Feeds.Prefetch;
using DataLayer.Engine.Files.Attaching;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.Upkeep;
using DataLayer.Engine.Files.Writing;
using DataLayer.Engine.Peers;
using DataLayer.Engine.Tenants;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Engine.Tiering.Headrooms;
using DataLayer.Engine.Tiering.Heat;
using DataLayer.Engine.Tiering.Profiles;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Files.State;

/// <summary>What all parts of one engine share. Owned by <see cref="FileEngine"/>.</summary>
internal sealed class EngineContext : IDisposable
{
    public static readonly ActivitySource Activities = new("DataLayer.Engine");
    private readonly CancellationTokenSource _stopping = new();
    private ProfileRecorder? _recorder;

    public EngineContext(FileEngineParts parts, FileEngineOptions options, ILoggerFactory logs)
    {
        Parts = parts;
        Options = options;
        Log = logs.CreateLogger("DataLayer.Engine");
        View = new TreeView(parts.Tree, Stamps, Counters, options) { Follower = parts.Follower };
        Contents = new ContentTable(options.IdleContents);
        Buffers = new TransferBufferPool(options.ReadaheadMemoryBytes);
        Fetches = new FetchContext(Buffers, options.ReadaheadMemoryBytes);
        Yield = new ForegroundYield(Fetches, ForegroundActivity, parts.Time, options.YieldPatience);
        Attachments = new AttachmentTable(parts, options.DecorateStore, Log);
        Archives = new ArchiveRestores(this);
        Accesses = new AccessLedger(options.Heat.MaxTouchedFiles);
        Quotas = new QuotaClaims(parts.Tree.Quotas);
        HotWrites = new HotWrites(this);
        Shares = new ReservedShares(parts.Tree, parts.Hot, parts.Cache);
        Tenants = new TenantTable(this, options.Tenants);
        OriginGate = NewGate(options.MaxRequests);
        HotGate = NewGate(int.MaxValue);
        Peers = parts.Peers is { } peers ? new PeerReads(this, peers) : null;
        Futures = new FeedFutures(parts.Time, options.Prefetch.StallTime);
        Prefetch = new PrefetchBudget(options.Prefetch, OriginGate);
        parts.Cache.SetFuture(Futures);
        Stopping = _stopping.Token;
    }

    public FileEngineParts Parts { get; }

    public FileEngineOptions Options { get; }

    public ILogger Log { get; }

    public TreeStore Tree => Parts.Tree;

    public HotTier Hot => Parts.Hot;

    public BlockCache Cache => Parts.Cache;

    public TimeProvider Time => Parts.Time;

    /// <summary>Milliseconds of the clock, from an unknown start.</summary>
    public long NowMilliseconds => (long)Time.GetElapsedTime(0).TotalMilliseconds;

    public SpendGate Gate => Parts.Gate;

    public ChangeStamps Stamps { get; } = new();

    public TreeView View { get; }

    public ContentTable Contents { get; }

    public TransferBufferPool Buffers { get; }

    public FetchContext Fetches { get; }

    /// <summary>Lets readers go before all background work.</summary>
    public ForegroundYield Yield { get; }

    public AttachmentTable Attachments { get; }

    /// <summary>
    /// Contents of which a segment record is written that the tree does not name yet: fsck leaves them alone.
    /// </summary>
    public ConcurrentDictionary<ContentId, bool> NewRecords { get; } = new();

    public EngineCounters Counters { get; } = new();

    /// <summary>Brings objects out of archives.</summary>
    public ArchiveRestores Archives { get; }

    /// <summary>Keys of objects that are being written, copied or deleted: one work at a time on each.</summary>
    public ConcurrentDictionary<(long AttachmentId, string Key), byte> KeysInUse { get; } = new();

    /// <summary>What readers waited for, by dataset.</summary>
    public DatasetTallies Datasets { get; } = new();

    /// <summary>The files of pinned datasets.</summary>
    public DatasetPins DatasetPins { get; } = new();

    /// <summary>What rules of the active policy keep hot; null where the engine follows none.</summary>
    public RulePins? RulePins { get; set; }

    /// <summary>The contents that were read since the last look at them.</summary>
    public AccessLedger Accesses { get; }

    /// <summary>Notes reads while profiles are recorded; else null.</summary>
    public ProfileRecorder? Recorder
    {
        get => Volatile.Read(ref _recorder);
        set => Volatile.Write(ref _recorder, value);
    }

    /// <summary>Brings in the rest of folders that are read cold; null where that is off. Set once, by the
    /// engine.</summary>
    public FolderRecaller? Folders { get; set; }

    /// <summary>Inodes that a mount's kernel knows.</summary>
    public InodeHolds Holds { get; } = new();

    /// <summary>What was written through a mount and is not flushed yet. Set once, by the engine.</summary>
    public UnflushedContents Unflushed { get; set; } = null!;

    /// <summary>The hot tier as writers use it.</summary>
    public HotWrites HotWrites { get; }

    /// <summary>Makes room in the hot tier for writers. Set once, by the engine.</summary>
    public RoomMaker Room { get; set; } = null!;

    /// <summary>Lengths claimed in quotas.</summary>
    public QuotaClaims Quotas { get; }

    /// <summary>The shares of memory and hot tier that are reserved now.</summary>
    public ReservedShares Shares { get; }

    /// <summary>Whose files are.</summary>
    public TenantTable Tenants { get; }

    /// <summary>Bounds the GET requests in flight, and shares them among tenants.</summary>
    public FairGate OriginGate { get; }

    /// <summary>Shares the reads of the hot tier among tenants; not asked where there are none.</summary>
    public FairGate HotGate { get; }

    /// <summary>Reads objects by way of other nodes; null where there are none.</summary>
    public PeerReads? Peers { get; }

    /// <summary>What came of that, and of being asked.</summary>
    public PeerCounters PeerCounters { get; } = new();

    /// <summary>What feeds come to: memory keeps what they come to first.</summary>
    public FeedFutures Futures { get; }

    /// <summary>What may be in flight ahead of feeds.</summary>
    public PrefetchBudget Prefetch { get; }

    /// <summary>Cancelled when the engine stops; ends background work and fetches.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>A named step between durable changes: where a test lets the engine crash.</summary>
    public void Step(string name) => Options.StepHook?.Invoke(name);

    public ValueTask StopAsync() => new(_stopping.CancelAsync());

    /// <summary>Whether the tree is another node's to change.</summary>
    public bool IsReader => Parts.Follower is not null;

    /// <summary>
    /// Whether files that are closed are to be flushed, so that other nodes see them at their next open.
    /// </summary>
    public bool IsShared => Parts.Nodes is { Live.Count: > 1 };

    /// <summary>On a reading node: returns once all is known that was committed when it was called.</summary>
    public ValueTask ConfirmAsync(CancellationToken cancellationToken) =>
        Parts.Follower is { } follower ? follower.ConfirmAsync(cancellationToken) : ValueTask.CompletedTask;

    /// <summary>Refuses a change on a node that may make none (now).</summary>
    /// <exception cref="DataLayerException">ReadOnly: the node only reads. Overloaded: its heartbeats are lost.
    /// </exception>
    public void CheckNode()
    {
        if (IsReader)
        {
            throw new DataLayerException(
                ErrorCode.ReadOnly,
                $"This node only reads the tree. Make changes at {NameOfWriter()}.");
        }

        if (Parts.Nodes is { IsFenced: true })
        {
            throw new DataLayerException(
                ErrorCode.Overloaded,
                "This node's heartbeats do not reach the database, and others may take it for dead: it changes nothing "
                    + "until they do. Nothing was changed.")
            {
                RetryAfter = TimeSpan.FromSeconds(5),
            };
        }
    }

    /// <summary>The error for bytes that no place has which this node can read.</summary>
    public DataLayerException NoCopy(ContentId content, long offsetBytes, int lengthBytes) => IsReader
        ? new DataLayerException(
            ErrorCode.TargetFailed,
            $"Content {content} is only in the hot tier of {NameOfWriter()}, which this node cannot read. Read it "
                + "there, or wait until it is uploaded to its bucket.")
        : new DataLayerException(
            ErrorCode.Corrupt,
            $"Content {content} has no copy of bytes {offsetBytes} to {offsetBytes + lengthBytes}: they are neither "
                + "hot nor in an object.");

    private string NameOfWriter()
    {
        foreach (ClusterNode node in Parts.Nodes?.Live ?? [])
        {
            if (node.Role == NodeRole.Writer)
            {
                return node.PeerEndpoint is { } url ? $"node '{node.Name}' ({url})" : $"node '{node.Name}'";
            }
        }

        return "the node that writes, which does not run now";
    }

    /// <summary>Nanoseconds since 1970 UTC.</summary>
    public long NowNanoseconds() => UnixTime.ToNanoseconds(Time.GetUtcNow());

    /// <summary>Whether no spent budget keeps a content's cold bytes from being fetched ahead of readers.</summary>
    public bool MayFetchAhead(ContentState content) =>
        !Gate.IsInForce || Gate.Allows(Attachments.Find(content.Content.Attributes.AttachmentId));

    /// <summary>
    /// Waits until a spent budget lets bytes of a content be brought back that no reader waits for; before anything is
    /// held that readers or writers may wait for.
    /// </summary>
    /// <exception cref="Core.Errors.DataLayerException">QuotaExceeded.</exception>
    public ValueTask WaitForBudgetAsync(ContentState content, long bytes, CancellationToken cancellationToken) =>
        Gate.IsInForce
            ? Gate.WaitAsync(
                Attachments.Find(content.Content.Attributes.AttachmentId)?.Path ?? string.Empty,
                (bytes + Options.MaxRequestBytes - 1) / Options.MaxRequestBytes, cancellationToken)
            : ValueTask.CompletedTask;

    /// <summary>
    /// The state of a file's current content, with a reference for the caller; null if there is no such file.
    /// </summary>
    public async ValueTask<ContentState?> AcquireAsync(InodeId inode, CancellationToken cancellationToken)
    {
        while (true)
        {
            long stamp = Stamps.Of(inode);
            await Shares.LearnAsync(inode, cancellationToken).ConfigureAwait(false);
            InodeAttributes? attributes = await View.GetAsync(inode, cancellationToken).ConfigureAwait(false);
            if (attributes is null || attributes.Kind != FileKind.Regular)
            {
                return null;
            }

            ContentState? state = Contents.TryAcquire(attributes.Content);
            if (state is null)
            {
                FileContent? content = await View.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
                if (content is null)
                {
                    return null;
                }

                state = Contents.Acquire(content, stamp);
            }
            else if (state.Content.Attributes.QuotaFolder != attributes.QuotaFolder
                || (IsReader && state.Content.Attributes.Version != attributes.Version))
            {
                // A folder above was moved or got a quota while nobody used the content; or another node changed it
                // while its state was made.
                await ReloadAsync(state, cancellationToken).ConfigureAwait(false);
            }

            if (Stamps.Of(inode) == stamp)
            {
                return state;
            }

            // Changed meanwhile: what was acquired may be replaced or gone. In use it is now, so the next look decides.
            await ReleaseAsync(state).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>
    /// The state of a file that was made a moment ago, with a reference for the caller; nothing is read.
    /// </summary>
    public ContentState AcquireNew(InodeAttributes made) =>
        Contents.Acquire(new FileContent(made, null, new ResidencyBitmap(0), null, 0), Stamps.Of(made.Inode));

    /// <summary>Gives a reference back; the last of an orphan forgets the inode.</summary>
    public async ValueTask ReleaseAsync(ContentState state)
    {
        InodeId inode = state.Id.Inode;
        bool isLast = Contents.Release(state);
        if (state.IsSuperseded && Contents.IsOnlyTracked(state))
        {
            await Unflushed.DiscardAsync(state).ConfigureAwait(false);
        }

        if (state.IsOrphan && (isLast || state.IsTracked))
        {
            await ReleaseOrphanAsync(inode).ConfigureAwait(false);
        }

        if (state.WakeOnClose)
        {
            JournalSignal?.Invoke();
        }
    }

    /// <summary>
    /// Forgets an inode without names; if it is open or held, at its last release. What was written to it and not
    /// flushed is given up. A power cut may bring the orphan back, for the next start to forget.
    /// </summary>
    public async ValueTask ReleaseOrphanAsync(InodeId inode)
    {
        bool inUse = Contents.MarkOrphan(inode);
        if (Holds.MarkOrphan(inode))
        {
            return;
        }

        if (inUse)
        {
            foreach (ContentState unflushed in Contents.UnflushedOrphans(inode))
            {
                await Unflushed.DiscardAsync(unflushed).ConfigureAwait(false);
            }

            return;
        }

        using (new ChangeScope(Stamps).Inode(inode))
        {
            await Tree.Relaxed.ReleaseOrphanAsync(inode, CancellationToken.None).ConfigureAwait(false);
        }

        JournalSignal?.Invoke();
    }

    /// <summary>Memory copies of a file that is gone are of no use, unless somebody still reads it.</summary>
    public void DropMemory(InodeAttributes removed)
    {
        if (removed.Kind == FileKind.Regular && !Contents.IsInUse(removed.Inode))
        {
            Contents.Forget(removed.Content);
            Cache.RemoveContent(removed.Content, BlockLayout.BlockCount(removed.SizeBytes));
        }
    }

    /// <summary>Wakes the journal's worker: set by it.</summary>
    public Action? JournalSignal { get; set; }

    /// <summary>
    /// Whether a content of a size becomes a segment record rather than stripes: a small one that is not encrypted.
    /// </summary>
    public bool UsesSegment(long attachmentId, long sizeBytes) =>
        Hot.UsesSegment(null, sizeBytes) && Attachments.KeyOf(attachmentId) == 0;

    /// <summary>As the other.</summary>
    public bool UsesSegment(ContentState content, long sizeBytes) =>
        UsesSegment(content.Content.Attributes.AttachmentId, sizeBytes);

    /// <summary>
    /// Chooses stripes for a content of which the tree names none, with nothing in them of stripes it had: columns are
    /// named by the content alone, and those that wait for their deletion would show their bytes behind what is
    /// written now.
    /// </summary>
    /// <param name="state">The content; its write gate is held.</param>
    /// <param name="expectedBytes">How long it is expected to become.</param>
    /// <param name="makesRoom">Whether a writer waits, for whom room is made where there is none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async ValueTask<StripedPlacement> PlaceStripesAsync(
        ContentState state, long expectedBytes, bool makesRoom, CancellationToken cancellationToken)
    {
        ContentId content = state.Id;
        long key = Attachments.KeyOf(state.Content.Attributes.AttachmentId);
        await Shares.LearnAsync(content.Inode, cancellationToken).ConfigureAwait(false);
        StripedPlacement placement = makesRoom
            ? await HotWrites.PlaceAsync(content, expectedBytes, key, cancellationToken).ConfigureAwait(false)
            : Hot.PlaceStriped(Shares.PoolOf(content.Inode), content, expectedBytes, key);
        if (await Hot.HasColumnsAsync(content, placement, cancellationToken).ConfigureAwait(false))
        {
            // After a power cut the tree must not know them as the content.
            await Tree.FlushAsync(cancellationToken).ConfigureAwait(false);
            await Hot.DeleteAsync(content, placement, cancellationToken).ConfigureAwait(false);
        }

        return placement;
    }

    /// <summary>
    /// Changes a content in the tree, durably or <paramref name="relaxed"/>, and brings its state up to date.
    /// </summary>
    public async ValueTask<FileContent> UpdateAsync(
        ContentState state, ContentUpdate update, CancellationToken cancellationToken, bool relaxed = false)
    {
        FileContent updated;
        using (new ChangeScope(Stamps, origin: ChangeScope.Unseen).Inode(state.Id.Inode))
        {
            updated = relaxed
                ? await Tree.Relaxed.UpdateContentAsync(update, cancellationToken).ConfigureAwait(false)
                : await Tree.UpdateContentAsync(update, cancellationToken).ConfigureAwait(false);
        }

        await ReloadAsync(state, CancellationToken.None).ConfigureAwait(false);
        return updated;
    }

    /// <summary>Reads a content's state again; nothing happens if another generation is current.</summary>
    public async ValueTask ReloadAsync(ContentState state, CancellationToken cancellationToken)
    {
        long stamp = Stamps.Of(state.Id.Inode);
        FileContent? content = await Tree.GetContentAsync(state.Id.Inode, cancellationToken).ConfigureAwait(false);
        if (content is not null)
        {
            state.Apply(content, stamp);
        }
    }

    /// <summary>Reads the state of every content in use again: all of them may count in another quota.</summary>
    public async ValueTask ReloadAllAsync()
    {
        foreach (ContentState state in Contents.ListInUse())
        {
            await ReloadAsync(state, CancellationToken.None).ConfigureAwait(false);
            if (state.IsDirty)
            {
                await state.WriteGate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
                FileContent? now = await Tree.GetContentAsync(state.Id.Inode, CancellationToken.None)
                    .ConfigureAwait(false);
                if (now?.Attributes.Content == state.Id)
                {
                    Quotas.SettleLocked(state); // Of one that was replaced nothing counts.
                }

                state.WriteGate.Release();
            }
        }
    }

    private FairGate NewGate(int limit) =>
        new(limit, Options.ContendedBytes, Parts.Time);

    private long ForegroundActivity() => Counters.Sum(Counter.Reads) - Counters.Sum(Counter.UpkeepReads)
        + Counters.Sum(Counter.WrittenBytes);

    public void Dispose()
    {
        Cache.SetFuture(null);
        Tenants.Dispose();
        Yield.Dispose();
        Peers?.Dispose();
        Room.Dispose();
        Unflushed.File.Dispose();
        _stopping.Dispose();
        View.Dispose();
        Contents.Dispose();
        Buffers.Dispose();
    }
}
