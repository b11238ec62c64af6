using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Files.Attaching;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Files.Upkeep;
using DataLayer.Engine.Files.Writing;
using DataLayer.Engine.Peers;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Heat;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Engine.Tiering.Profiles;
using DataLayer.Metadata;
using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Files;

/// <summary>
/// The one tree over memory, hot and cold tier: names, the read and write path, attachments, upkeep. Paths are
/// absolute, '/'-separated.
/// </summary>
/// <remarks>
/// All members are safe for concurrent use. Errors are <see cref="DataLayerException"/> whose message names the path
/// or object and the remedy. Life: <see cref="OpenAsync"/> replays what a crash left (unfinished writes, orphans,
/// segment accounting) and starts the workers → use → <see cref="DisposeAsync"/> stops them; open files must be
/// closed before. What was not uploaded stays in the journal. The facade only delegates: reading is in Reading/,
/// writing and the journal in Writing/, attachments in Attaching/, the rest in Upkeep/.
/// </remarks>
public sealed partial class FileEngine : IAsyncDisposable
{
    private readonly AttachmentService _attaching;
    private readonly Freshness _freshness;
    private readonly NameChanger _names;
    private readonly RecallQueue _recalls;
    private readonly JournalWorker _journal;
    private readonly UploadWaits _uploads;
    private readonly EngineMeter _meter;
    private readonly Warmer _warmer;
    private readonly Evictor _evictor;
    private readonly Scrubber _scrubber;
    private readonly Mover _mover;
    private readonly Checker _checker;
    private readonly Compactor _compactor;
    private readonly ReleaseOrder _order;
    private int _disposed;

    private FileEngine(FileEngineParts parts, FileEngineOptions options, ILoggerFactory logs)
    {
        Context = new EngineContext(parts, options, logs);
        RecallWriter recallWriter = new(Context);
        _recalls = new RecallQueue(Context, recallWriter);
        FetchRunner runner = new(Context, _recalls);
        Readahead readahead = new(Context, runner);
        Recaller recaller = new(Context, runner, recallWriter);
        (Runner, Recaller) = (runner, recaller);
        if (options.GroupRecall is { } groups && parts.Follower is null)
        {
            Context.Folders = new FolderRecaller(Context, recaller, groups);
        }

        _freshness = new Freshness(Context);
        Reader = new FileReader(Context, runner, readahead, _freshness);
        Serving = parts.Peers is { } peers ? new PeerServing(Context, Reader, peers.Options) : null;
        StagedWriter staging = new(Context);
        Writer = new FileWriter(Context, recaller, staging);
        Context.Unflushed = new UnflushedContents(Context, Writer, staging);
        Sharing = new SharingWriter(Context, Writer);
        Nodes = new NodeOperations(this);
        _uploads = new UploadWaits(Context);
        _journal = new JournalWorker(Context, new JournalTasks(Context, runner, _uploads), _uploads);
        _attaching = new AttachmentService(Context);
        _names = new NameChanger(Context);
        _warmer = new Warmer(Context, recaller, Reader);
        _evictor = new Evictor(Context);
        _scrubber = new Scrubber(Context, recaller);
        _mover = new Mover(Context);
        _checker = new Checker(Context);
        _compactor = new Compactor(Context, _mover);
        Heat = new HeatTable(Context);
        Facts = new FactSource(Context, Heat);
        _order = new ReleaseOrder(Context, Facts);
        Context.Room = new RoomMaker(Context, _evictor, _order);
        Profiles = new ProfileService(Context, recaller);
        Datasets = new DatasetService(this);
        _meter = new EngineMeter(Context, () => _uploads.PendingCount);
    }

    /// <summary>
    /// Confines what this flow of control (the async method that calls, and what it calls) does by path: symbolic links
    /// lead it only to what lies in the scope. Null lifts it.
    /// </summary>
    public static void Confine(TreeScope? scope) => TreeView.Scope = scope;

    /// <summary>Whether somebody listens to the spans of reads.</summary>
    public static bool IsTraced => EngineContext.Activities.HasListeners();

    internal EngineContext Context { get; }

    /// <summary>Whether the tree is another node's to change; every change fails with ReadOnly.</summary>
    public bool IsReader => Context.IsReader;

    internal FileReader Reader { get; }

    internal Warmer Warmer => _warmer;

    internal Scrubber Scrubber => _scrubber;

    internal Evictor Evictor => _evictor;

    internal Mover Mover => _mover;

    internal UploadWaits Uploads => _uploads;

    internal FetchRunner Runner { get; }

    internal Recaller Recaller { get; }

    /// <summary>Reads for other nodes; null where there are none.</summary>
    public PeerServing? Serving { get; }

    /// <summary>How hot files are, and what was read when.</summary>
    public HeatTable Heat { get; }

    /// <summary>What tiering knows of each file.</summary>
    public FactSource Facts { get; }

    /// <summary>What jobs read, to be warmed again.</summary>
    public ProfileService Profiles { get; }

    /// <summary>Named subtrees with a sample index.</summary>
    public DatasetService Datasets { get; }

    /// <summary>
    /// Takes the policy that says what goes first where a writer needs room (before, heat does), and what stays hot.
    /// </summary>
    public void FollowPolicy(PolicyVersions policies)
    {
        _order.Policies = policies;
        Context.RulePins = new RulePins(Context, Facts, policies);
    }

    internal FileWriter Writer { get; }

    internal SharingWriter Sharing { get; }

    internal Freshness Freshness => _freshness;

    /// <summary>
    /// The tree by inode numbers, as a mount sees it. Each mount takes its own by <see cref="OpenNodes"/>.
    /// </summary>
    public NodeOperations Nodes { get; }

    /// <summary>Operations of one mount: its observers are not told of what it changes itself.</summary>
    public NodeOperations OpenNodes() => new(this);

    /// <summary>Opens over its parts (not owned), replays the journal, starts the upload and delete workers.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: bad options, all named; or what the parts say.</exception>
    public static async ValueTask<FileEngine> OpenAsync(
        FileEngineParts parts, FileEngineOptions options, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(logs);
        options.Validate();
        parts.Peers?.Options.Validate();
        FileEngine engine = new(parts, options, logs);
        try
        {
            await engine.Context.Attachments.LoadAsync(cancellationToken).ConfigureAwait(false);
            if (parts.Follower is { } follower)
            {
                // Nothing runs that would change the tree or its tiers.
                engine.Profiles.Start();
                engine.Datasets.Load();
                follower.Start(new RemoteChanges(engine.Context).ApplyAsync);
                return engine;
            }

            await new StartUp(engine.Context, engine._attaching).RunAsync(cancellationToken).ConfigureAwait(false);
            await engine.Context.Tenants.ChangeAsync(engine, options.Tenants, cancellationToken).ConfigureAwait(false);
            engine._recalls.Start();
            engine._journal.Start();
            engine._compactor.Start();
            engine.Context.Unflushed.Start();
            engine.Heat.Start();
            engine.Context.Folders?.Start();
            engine.Profiles.Start();
            engine.Datasets.Load();
            return engine;
        }
        catch
        {
            engine.Context.Dispose();
            throw;
        }
    }

    /// <summary>The HTTP entity tag of a content, without quotes: inode-generation-version.</summary>
    public static string EntityTag(InodeAttributes attributes)
    {
        ArgumentNullException.ThrowIfNull(attributes);
        return $"{attributes.Inode.Value}-{attributes.Generation}-{attributes.Version}";
    }

    // ---- content -----------------------------------------------------------------------------------------------

    /// <summary>
    /// Opens a file for positional reads (and writes in place). Applies the attachment's freshness mode. The open
    /// content stays readable when the name is removed or replaced.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NotFound, IsADirectory, NotADirectory; ReadOnly with <paramref name="write"/>.
    /// </exception>
    public async ValueTask<OpenFile> OpenFileAsync(string path, bool write, CancellationToken cancellationToken)
    {
        while (true)
        {
            InodeAttributes found = await Context.View.ResolveAsync(path, followLast: true, cancellationToken)
                .ConfigureAwait(false);
            if (write)
            {
                Context.CheckNode();
            }

            if (found.Kind != FileKind.Regular)
            {
                throw new DataLayerException(ErrorCode.IsADirectory, $"'{path}' is a folder.");
            }

            if (write)
            {
                Context.Attachments.CheckWritable(found.AttachmentId, path);
            }

            if (await _freshness.CheckAsync(found, cancellationToken).ConfigureAwait(false))
            {
                continue;
            }

            if (await Context.AcquireAsync(found.Inode, cancellationToken).ConfigureAwait(false) is { } content)
            {
                return Open(content, write);
            }

            // Removed between the look-up and the open: the next look-up says NotFound, or finds what took the name.
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>
    /// As <see cref="OpenFileAsync(string, bool, CancellationToken)"/>, by inode; also of an orphan that is open
    /// elsewhere.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound; ReadOnly with <paramref name="write"/>.</exception>
    public ValueTask<OpenFile> OpenFileAsync(InodeId inode, bool write, CancellationToken cancellationToken) =>
        OpenFileAsync(inode, write, nodes: null, cancellationToken);

    internal async ValueTask<OpenFile> OpenFileAsync(
        InodeId inode, bool write, NodeOperations? nodes, CancellationToken cancellationToken)
    {
        await Context.ConfirmAsync(cancellationToken).ConfigureAwait(false);
        if (write)
        {
            Context.CheckNode();
        }

        InodeAttributes found = await Context.View.GetAsync(inode, cancellationToken).ConfigureAwait(false)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no inode {inode}.");
        if (found.Kind != FileKind.Regular)
        {
            throw new DataLayerException(ErrorCode.IsADirectory, $"Inode {inode} is no regular file.");
        }

        if (write)
        {
            Context.Attachments.CheckWritable(found.AttachmentId, $"inode {inode}");
        }

        await _freshness.CheckAsync(found, cancellationToken).ConfigureAwait(false);
        ContentState content = await Context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"There is no inode {inode} any more.");
        return Open(content, write, nodes);
    }

    /// <summary>
    /// Starts the replacement (or creation) of a file's whole content; nothing is visible until
    /// <see cref="FileReplacement.CommitAsync"/>.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// Stale or AlreadyExists where a condition fails already; ReadOnly, NotFound, IsADirectory, NoSpace.
    /// </exception>
    public async ValueTask<FileReplacement> ReplaceFileAsync(
        string path, ReplaceOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.MakeParents)
        {
            await _names.CheckAncestorWritableAsync(path, cancellationToken).ConfigureAwait(false);
        }

        path = await FollowLastAsync(path, cancellationToken).ConfigureAwait(false);
        (InodeAttributes folder, string name) =
            await Context.View.ResolveParentAsync(path, options.MakeParents, cancellationToken).ConfigureAwait(false);
        Context.Attachments.CheckWritable(folder.AttachmentId, path);
        InodeAttributes? existing = await Context.View.LookupAsync(folder.Inode, name, cancellationToken)
            .ConfigureAwait(false);
        if (existing is { Kind: FileKind.Directory })
        {
            throw new DataLayerException(ErrorCode.IsADirectory, $"'{path}' is a folder.");
        }

        (uint, long)? ifMatch = CheckConditions(path, options, existing);
        if (options.ExpectedSizeBytes is > BlockLayout.MaxFileBytes)
        {
            throw new DataLayerException(
                ErrorCode.FileTooLarge, $"A file may have {BlockLayout.MaxFileBytes} bytes at most.");
        }

        ReplacementWriter writer = new(Context, _uploads, folder, name, existing, options, ifMatch);
        if (options.ExpectedSizeBytes is { } size && size > 0 && !Context.UsesSegment(folder.AttachmentId, size))
        {
            await writer.BeginStripesAsync(cancellationToken).ConfigureAwait(false);
        }

        return new FileReplacement(writer);
    }

    /// <summary>What readers waited for since start.</summary>
    public WaitStatistics GetWaits() => WaitStatistics.Of(Context);

    /// <summary>Counters since start.</summary>
    public EngineStatistics GetStatistics()
    {
        EngineCounters counters = Context.Counters;
        return new EngineStatistics
        {
            ReadBytes = counters.Sum(Counter.ReadBytes),
            Reads = counters.Sum(Counter.Reads),
            MemoryHits = counters.Sum(Counter.MemoryHits),
            MemoryHitBytes = counters.Sum(Counter.MemoryHitBytes),
            HotReads = counters.Sum(Counter.HotReads),
            HotReadBytes = counters.Sum(Counter.HotReadBytes),
            ColdReads = counters.Sum(Counter.ColdReads),
            ColdReadBytes = counters.Sum(Counter.ColdReadBytes),
            OriginBytes = counters.Sum(Counter.OriginBytes),
            OriginReads = counters.Sum(Counter.OriginReads),
            WrittenBytes = counters.Sum(Counter.WrittenBytes),
            UploadedBytes = counters.Sum(Counter.UploadedBytes),
            PendingUploads = _uploads.PendingCount,
            UploadConflicts = counters.Sum(Counter.UploadConflicts),
            ReadaheadBytes = counters.Sum(Counter.ReadaheadBytes),
            RecalledBytes = counters.Sum(Counter.RecalledBytes),
            RecallsDroppedBytes = counters.Sum(Counter.RecallsDroppedBytes),
            HotRepairs = counters.Sum(Counter.HotRepairs),
            ReadWaitNanoseconds = counters.Sum(Counter.ReadWaitNanoseconds),
            HotWaitNanoseconds = counters.Sum(Counter.HotWaitNanoseconds),
            ColdWaitNanoseconds = counters.Sum(Counter.ColdWaitNanoseconds),
        };
    }

    /// <summary>Stops the workers and waits for them. Parts are the caller's to dispose, afterwards.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await Context.Unflushed.DisposeAsync().ConfigureAwait(false);
        await Context.StopAsync().ConfigureAwait(false);
        await _compactor.DisposeAsync().ConfigureAwait(false);
        await _journal.DisposeAsync().ConfigureAwait(false);
        await _recalls.DisposeAsync().ConfigureAwait(false);
        if (Context.Folders is { } folders)
        {
            await folders.DisposeAsync().ConfigureAwait(false);
        }

        await Context.Fetches.WhenIdleAsync().ConfigureAwait(false);
        await Profiles.DisposeAsync().ConfigureAwait(false);
        if (Context.Parts.Follower is { } follower)
        {
            await follower.DisposeAsync().ConfigureAwait(false);
        }
        else
        {
            await Heat.DisposeAsync().ConfigureAwait(false);
        }

        _meter.Dispose();
        Context.Dispose();
    }

    /// <summary>Makes a content's writes durable; with write-through waits for its upload.</summary>
    internal async ValueTask<InodeAttributes> FlushAsync(
        ContentState content, bool relaxed, CancellationToken cancellationToken)
    {
        bool wasDirty = content.IsDirty;
        InodeAttributes attributes = await Writer.FlushAsync(content, relaxed, cancellationToken)
            .ConfigureAwait(false);

        // One sync of the log for this change and all earlier relaxed ones: also where the background had flushed the
        // content already, relaxed, and nothing was left to do here. Free where there was none.
        await Context.Tree.FlushAsync(cancellationToken).ConfigureAwait(false);
        if (wasDirty && attributes.LinkCount > 0
            && Context.Attachments.Find(attributes.AttachmentId)
                is { Mode: AttachmentMode.ReadWrite, Flush: FlushMode.WriteThrough })
        {
            await _uploads.WaitAsync(attributes.Inode, retryFailures: false, cancellationToken).ConfigureAwait(false);
            return content.Attributes;
        }

        return attributes;
    }

    internal OpenFile Open(ContentState content, bool write, NodeOperations? nodes = null)
    {
        if (nodes is null)
        {
            content.Accesses.NoteOpen(Context.Accesses); // A mount says itself what it opens for somebody.
        }

        return new OpenFile(this, content, write, nodes);
    }

    /// <summary>A symbolic link at the path's end leads to the file that is replaced.</summary>
    private async ValueTask<string> FollowLastAsync(string path, CancellationToken cancellationToken)
    {
        for (int links = 0; links < 40; links++)
        {
            InodeAttributes found;
            try
            {
                found = await Context.View.ResolveAsync(path, followLast: false, cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
            {
                return path;
            }

            if (found.Kind != FileKind.SymbolicLink || found.LinkTarget is not { } target)
            {
                return path;
            }

            path = target.StartsWith('/') ? target : $"{TreeView.SplitPath(path).Parent.TrimEnd('/')}/{target}";
        }

        throw new DataLayerException(ErrorCode.TooManyLinks, $"'{path}' has more than 40 symbolic links.");
    }

    private static (uint Generation, long Version)? CheckConditions(
        string path, ReplaceOptions options, InodeAttributes? existing)
    {
        if (options.IfAbsent && existing is not null)
        {
            throw new DataLayerException(ErrorCode.AlreadyExists, $"'{path}' exists.");
        }

        if (options.IfMatch is not { } wanted)
        {
            return null;
        }

        return existing is not null && EntityTag(existing) == wanted
            ? (existing.Generation, existing.Version)
            : throw new DataLayerException(
                ErrorCode.Stale,
                $"'{path}' {(existing is null ? "does not exist" : $"has the entity tag {EntityTag(existing)}")}, "
                + $"but {wanted} was to be replaced: it changed.");
    }
}
