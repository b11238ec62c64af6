using System.Runtime.CompilerServices;
using System.Threading.Channels;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;
using DataLayer.Storage.Stripes;

namespace DataLayer.Engine.Tiering;

/// <summary>
/// Brings in the rest of a folder ahead of its reader, once the first few of its files were read cold
/// (<see cref="GroupRecall"/>, which the simulator uses too): in the order of names from the file that was read.
/// </summary>
/// <remarks>
/// Readers only drop a note, which is lost when too many wait. One folder is brought at a time, a few files of it side
/// by side. It takes turns (<see cref="ForegroundYield"/>) that wait for no gap between readers: it works for one of
/// them, who would wait for each of these files otherwise; warm-ups and moves wait for it meanwhile. Bounded in bytes a
/// folder and by the free
/// space, of which it leaves a tenth. Life: <see cref="Start"/> → notes → <see cref="DisposeAsync"/>.
/// </remarks>
internal sealed class FolderRecaller : IAsyncDisposable
{
    private const int NoteLimit = 1024;
    private const int FilesAtOnce = 4;
    private const int SeenLimit = 10_000;
    private const int PageEntries = 1000;
    private const double KeptShare = 0.1;
    private static readonly TimeSpan _countAge = TimeSpan.FromMinutes(10);
    private readonly EngineContext _context;
    private readonly Recaller _recaller;
    private readonly GroupRecall _groups;
    private readonly Channel<ContentId> _notes;
    private readonly Dictionary<ContentId, DateTimeOffset> _seen = [];
    private readonly TimeSpan _seenFor;
    private readonly Dictionary<long, (DateTimeOffset At, int Files)> _counts = [];
    private Task _loop = Task.CompletedTask;

    public FolderRecaller(EngineContext context, Recaller recaller, GroupRecallOptions options)
    {
        _context = context;
        _recaller = recaller;
        _groups = new GroupRecall(options);
        _seenFor = options.Window;
        _notes = Channel.CreateBounded<ContentId>(
            new BoundedChannelOptions(NoteLimit) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    }

    /// <summary>Whether nothing is brought in now: so much is recalled already. Any thread.</summary>
    public bool IsSuspended { get; set; }

    public void Start() => _loop = Task.Run(LoopAsync);

    /// <summary>A reader read some of a file from its object.</summary>
    public void Note(ContentState content) => _notes.Writer.TryWrite(content.Id);

    /// <summary>Stops; the engine's stop token has ended what runs.</summary>
    public async ValueTask DisposeAsync()
    {
        _notes.Writer.TryComplete();
        await _loop.ConfigureAwait(false);
    }

    private async Task LoopAsync()
    {
        await foreach (ContentId id in _notes.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
        {
            if (_context.Stopping.IsCancellationRequested || !IsNew(id))
            {
                continue;
            }

            try
            {
                await ObserveAsync(id.Inode, _context.Stopping).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_context.Stopping.IsCancellationRequested)
            {
                // The service stops.
            }
            catch (Exception error)
            {
                EngineLog.BackgroundFailed(_context.Log, "recall of a folder", error);
            }
        }
    }

    /// <summary>A file read in many pieces is one recall, until the window has passed.</summary>
    private bool IsNew(ContentId id)
    {
        DateTimeOffset now = _context.Time.GetUtcNow();
        if (_seen.TryGetValue(id, out DateTimeOffset at) && now - at <= _seenFor)
        {
            return false;
        }

        if (_seen.Count >= SeenLimit)
        {
            _seen.Clear();
        }

        _seen[id] = now;
        return true;
    }

    private async Task ObserveAsync(InodeId inode, CancellationToken cancellationToken)
    {
        IReadOnlyList<HeatLookup> found = await _context.Tree.LookupHeatAsync([inode], cancellationToken)
            .ConfigureAwait(false);
        if (found.Count == 0 || found[0].Folder == InodeId.None
            || await _context.Tree.GetPathAsync(inode, cancellationToken).ConfigureAwait(false) is not { } path)
        {
            return;
        }

        InodeId folder = found[0].Folder;
        DateTimeOffset now = _context.Time.GetUtcNow();
        int files = await CountAsync(folder, now, cancellationToken).ConfigureAwait(false);
        if (_groups.Observe(path[..path.LastIndexOf('/')], files, now) && !IsSuspended)
        {
            await BringAsync(folder, path[(path.LastIndexOf('/') + 1)..], cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<int> CountAsync(InodeId folder, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (_counts.TryGetValue(folder.Value, out (DateTimeOffset At, int Files) known) && now - known.At < _countAge)
        {
            return known.Files;
        }

        int files = 0;
        await foreach (DirectoryEntry entry in EntriesAsync(folder, after: null, cancellationToken)
            .ConfigureAwait(false))
        {
            files += entry.Attributes.Kind == FileKind.Regular ? 1 : 0;
        }

        if (_counts.Count >= SeenLimit)
        {
            _counts.Clear();
        }

        _counts[folder.Value] = (now, files);
        return files;
    }

    private async Task BringAsync(InodeId folder, string from, CancellationToken cancellationToken)
    {
        long room = Math.Min(RoomBytes(), _context.Options.GroupRecallBytes);
        ParallelOptions options = new()
        {
            MaxDegreeOfParallelism = FilesAtOnce,
            CancellationToken = cancellationToken,
        };
        await Parallel.ForEachAsync(
            AroundAsync(folder, from, cancellationToken), options,
            async (file, token) =>
            {
                if (Interlocked.Add(ref room, -file.SizeBytes) >= 0)
                {
                    await BringAsync(file.Inode, token).ConfigureAwait(false);
                }
                else
                {
                    Interlocked.Add(ref room, file.SizeBytes); // A smaller one may fit.
                }
            }).ConfigureAwait(false);
    }

    private async ValueTask BringAsync(InodeId inode, CancellationToken cancellationToken)
    {
        ContentState? content = await _context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return;
        }

        try
        {
            await _recaller.RecallAsync(content, cancellationToken, isAhead: true).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code != ErrorCode.ShuttingDown)
        {
            EngineLog.RecallFailed(_context.Log, error.Message); // Its reader will be told, if it comes.
        }
        finally
        {
            await _context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>The folder's files that are not hot, after one, then those before it, then itself.</summary>
    private async IAsyncEnumerable<InodeAttributes> AroundAsync(
        InodeId folder, string from,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (int half = 0; half < 2; half++)
        {
            await foreach (DirectoryEntry entry in EntriesAsync(folder, half == 0 ? from : null, cancellationToken)
                .ConfigureAwait(false))
            {
                if (entry.Attributes is { Kind: FileKind.Regular, State: TierState.Released or TierState.Recalling })
                {
                    yield return entry.Attributes;
                }

                if (half == 1 && entry.Name == from)
                {
                    break;
                }
            }
        }
    }

    private async IAsyncEnumerable<DirectoryEntry> EntriesAsync(
        InodeId folder, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IReadOnlyList<DirectoryEntry> page;
        do
        {
            page = await _context.View.ListAsync(folder, after, PageEntries, cancellationToken).ConfigureAwait(false);
            foreach (DirectoryEntry entry in page)
            {
                yield return entry;
                after = entry.Name;
            }
        }
        while (page.Count == PageEntries);
    }

    private long RoomBytes()
    {
        long room = 0;
        foreach (TargetStatus target in _context.Hot.GetTargets())
        {
            if (target.Pool == _context.Hot.DefaultPool && target.State == "ok")
            {
                room += Math.Max(0, target.FreeBytes - (long)(KeptShare * target.CapacityBytes));
            }
        }

        return room;
    }
}
