using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Files;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>A file that samples are read from, open. Shared by the batches that are under way.</summary>
internal sealed class FeedFile(OpenFile file)
{
    /// <summary>The file.</summary>
    public OpenFile File { get; } = file;

    /// <summary>Batches that read it. Guarded by the table.</summary>
    public int Users { get; set; }

    /// <summary>When it was last given back, a count of such events. Guarded by the table.</summary>
    public long LastUse { get; set; }

    /// <summary>Whether the file is still what the index is of.</summary>
    public bool IsOf(in SamplePlace place) => DatasetService.IsOf(File.Attributes, place);
}

/// <summary>
/// The open files of one feed: those that batches under way read, and of datasets with many samples a file up to 256
/// more, so that a step opens none again.
/// </summary>
/// <remarks>One opener (the feed's pipeline); anybody gives back.</remarks>
internal sealed class FeedFiles(FileEngine engine, SampleIndex index) : IAsyncDisposable
{
    private const int MaxIdle = 256;
    private const int OpensAtOnce = 64;
    private readonly Lock _lock = new();
    private readonly Dictionary<long, FeedFile> _files = [];
    private readonly int _idleLimit = index.FileCount <= MaxIdle || index.Count / index.FileCount >= 4 ? MaxIdle : 0;
    private readonly List<(int At, Task<OpenFile> Opening)> _opening = [];
    private int _idle;
    private long _clock;

    /// <summary>Opens the files of samples; each is the caller's until it is given back as often.</summary>
    /// <param name="places">The samples, sorted by number, so that those of a file stand together.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="files">Filled with the file of each.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>How many of the first samples have their file: all, unless it fails.</returns>
    /// <exception cref="DataLayerException">Stale: a file is gone. What an open fails with.</exception>
    public async ValueTask OpenAsync(
        SamplePlace[] places, int count, FeedFile?[] files, CancellationToken cancellationToken)
    {
        _opening.Clear();
        Exception? failure = null;
        try
        {
            for (int i = 0; i < count; i++)
            {
                if (i > 0 && places[i].Inode == places[i - 1].Inode)
                {
                    continue;
                }

                if (TryShare(places[i].Inode) is { } open)
                {
                    files[i] = open;
                    continue;
                }

                ValueTask<OpenFile> opening = engine.OpenFileAsync(places[i].Inode, write: false, cancellationToken);
                if (opening.IsCompletedSuccessfully)
                {
                    files[i] = Keep(places[i].Inode, opening.Result);
                    continue;
                }

                _opening.Add((i, opening.AsTask()));
                if (_opening.Count == OpensAtOnce)
                {
                    failure ??= await SettleAsync(places, files).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e)
        {
            failure ??= e;
        }

        failure = await SettleAsync(places, files).ConfigureAwait(false) ?? failure;
        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>Gives a file back.</summary>
    public ValueTask ReturnAsync(InodeId inode, FeedFile file)
    {
        FeedFile? closing = null;
        lock (_lock)
        {
            file.LastUse = ++_clock;
            if (--file.Users > 0)
            {
                return ValueTask.CompletedTask;
            }

            if (_idleLimit == 0)
            {
                _files.Remove(inode.Value);
                closing = file;
            }
            else if (++_idle > _idleLimit)
            {
                closing = RemoveOldestLocked();
            }
        }

        return closing is null ? ValueTask.CompletedTask : closing.File.DisposeAsync();
    }

    /// <summary>Closes the idle files: they are opened, and looked at, anew when they are wanted.</summary>
    public async ValueTask CloseIdleAsync()
    {
        List<FeedFile> closing = [];
        lock (_lock)
        {
            foreach ((long inode, FeedFile file) in _files)
            {
                if (file.Users == 0)
                {
                    closing.Add(file);
                    _files.Remove(inode);
                }
            }

            _idle = 0;
        }

        foreach (FeedFile file in closing)
        {
            await file.File.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => CloseIdleAsync();

    private FeedFile? TryShare(InodeId inode)
    {
        lock (_lock)
        {
            if (!_files.TryGetValue(inode.Value, out FeedFile? file))
            {
                return null;
            }

            _idle -= file.Users == 0 ? 1 : 0;
            file.Users++;
            return file;
        }
    }

    private FeedFile Keep(InodeId inode, OpenFile opened)
    {
        FeedFile file = new(opened) { Users = 1 };
        lock (_lock)
        {
            _files.Add(inode.Value, file);
        }

        return file;
    }

    private FeedFile RemoveOldestLocked()
    {
        long oldest = 0;
        FeedFile? found = null;
        foreach ((long inode, FeedFile file) in _files)
        {
            if (file.Users == 0 && (found is null || file.LastUse < found.LastUse))
            {
                (oldest, found) = (inode, file);
            }
        }

        _files.Remove(oldest);
        _idle--;
        return found!;
    }

    /// <summary>Awaits the opens under way; the first failure, as the reader of a sample is told.</summary>
    private async ValueTask<Exception?> SettleAsync(SamplePlace[] places, FeedFile?[] files)
    {
        Exception? first = null;
        foreach ((int at, Task<OpenFile> opening) in _opening)
        {
            try
            {
                files[at] = Keep(places[at].Inode, await opening.ConfigureAwait(false));
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
            {
                first ??= DatasetService.Changed(places[at], "is gone");
            }
            catch (Exception e)
            {
                first ??= e;
            }
        }

        _opening.Clear();
        return first;
    }
}
