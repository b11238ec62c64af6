using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>A file that samples are read from, open. Shared by the batches that are under way.</summary>
/// <param name="file">The file.</param>
/// <param name="stamp">The inode's stamp from before the file was opened.</param>
internal sealed class FeedFile(OpenFile file, long stamp)
{
    /// <summary>The file.</summary>
    public OpenFile File { get; } = file;

    /// <summary>As long as the inode has this stamp the tree says of it what it said at the open.</summary>
    public long Stamp { get; } = stamp;

    /// <summary>Batches that read it. Guarded by the table.</summary>
    public int Users { get; set; }

    /// <summary>Whether the table gives it to others. Guarded by the table.</summary>
    public bool IsListed { get; set; }

    /// <summary>Whether it counts among those that may stay open without users. Guarded by the table.</summary>
    public bool IsKept { get; set; }

    /// <summary>Whether the file is still what the index is of.</summary>
    public bool IsOf(in SamplePlace place) => DatasetService.IsOf(File.Attributes, place);
}

/// <summary>
/// The open files of one feed: those that batches under way read, and all others that it has read, as far as
/// <see cref="FeedService"/> lets so many stay open, so that later passes open none again.
/// </summary>
/// <remarks>
/// <para>Before each use a file's stamp is compared: one that changed in the tree since it was opened is opened, and so
/// looked at, anew; where the attachment's freshness asks for it, once a pass in any case.</para>
/// <para>Which files stay is decided by who comes first: in a shuffled order no choice is better than another, and one
/// that changes with each file would close as many as it opens. Any thread, a step's files under one lock.</para>
/// </remarks>
internal sealed class FeedFiles(FileEngine engine, FeedService service) : IAsyncDisposable
{
    private const int OpensAtOnce = 64;
    private readonly Lock _lock = new();
    private readonly Dictionary<long, FeedFile> _files = [];

    /// <summary>Opens the files of samples; each is the caller's until it is given back.</summary>
    /// <param name="places">The samples, sorted by number, so that those of a file stand together.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="files">Nulls; filled with the file of the first sample of each.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">Stale: a file is gone. What an open fails with.</exception>
    public ValueTask OpenAsync(
        SamplePlace[] places, int count, FeedFile?[] files, CancellationToken cancellationToken) =>
        Share(places, count, files, out List<FeedFile>? outdated) == 0 && outdated is null
            ? ValueTask.CompletedTask
            : OpenMissingAsync(places, count, files, outdated, cancellationToken);

    /// <summary>Gives the files of a step back; their places are null afterwards.</summary>
    public ValueTask ReturnAsync(SamplePlace[] places, int count, FeedFile?[] files)
    {
        List<FeedFile>? closing = null;
        lock (_lock)
        {
            for (int i = 0; i < count; i++)
            {
                if (files[i] is not { } file)
                {
                    continue;
                }

                files[i] = null;
                if (--file.Users == 0 && !(file.IsListed && (file.IsKept || TryKeepLocked(file))))
                {
                    UnlistLocked(places[i].Inode.Value, file);
                    (closing ??= []).Add(file);
                }
            }
        }

        return closing is null ? ValueTask.CompletedTask : CloseAsync(closing);
    }

    /// <summary>A pass begins: files that have to be looked at again are closed as far as nobody reads them.</summary>
    public ValueTask BeginPassAsync() => CloseIdleAsync(MustLook);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => CloseIdleAsync(static _ => true);

    private bool MustLook(FeedFile file)
    {
        InodeAttributes attributes = file.File.Attributes;
        return file.Stamp != engine.Context.Stamps.Of(attributes.Inode)
            || (engine.Context.Attachments.Find(attributes.AttachmentId) is { } attachment
                && attachment.Freshness != FreshnessMode.Immutable);
    }

    private async ValueTask CloseIdleAsync(Func<FeedFile, bool> which)
    {
        List<FeedFile> closing = [];
        lock (_lock)
        {
            foreach ((long inode, FeedFile file) in _files)
            {
                if (file.Users == 0 && which(file))
                {
                    UnlistLocked(inode, file);
                    closing.Add(file);
                }
            }
        }

        await CloseAsync(closing).ConfigureAwait(false);
    }

    /// <summary>Takes the files that are open; returns how many are not.</summary>
    private int Share(SamplePlace[] places, int count, FeedFile?[] files, out List<FeedFile>? outdated)
    {
        outdated = null;
        int missing = 0;
        lock (_lock)
        {
            for (int i = 0; i < count; i++)
            {
                InodeId inode = places[i].Inode;
                if (i > 0 && inode == places[i - 1].Inode)
                {
                    continue;
                }

                if (!_files.TryGetValue(inode.Value, out FeedFile? file))
                {
                    missing++;
                    continue;
                }

                if (file.Stamp == engine.Context.Stamps.Of(inode))
                {
                    file.Users++;
                    files[i] = file;
                    continue;
                }

                missing++;
                UnlistLocked(inode.Value, file);
                if (file.Users == 0)
                {
                    (outdated ??= []).Add(file);
                }
            }
        }

        return missing;
    }

    private async ValueTask OpenMissingAsync(
        SamplePlace[] places, int count, FeedFile?[] files, List<FeedFile>? outdated,
        CancellationToken cancellationToken)
    {
        List<(int At, long Stamp, Task<OpenFile> Opening)> opening = [];
        Exception? failure = null;
        try
        {
            if (outdated is not null)
            {
                await CloseAsync(outdated).ConfigureAwait(false);
            }

            for (int i = 0; i < count; i++)
            {
                InodeId inode = places[i].Inode;
                if (files[i] is not null || (i > 0 && inode == places[i - 1].Inode))
                {
                    continue;
                }

                long stamp = engine.Context.Stamps.Of(inode);
                ValueTask<OpenFile> open = engine.OpenFileAsync(inode, write: false, cancellationToken);
                if (open.IsCompletedSuccessfully)
                {
                    files[i] = List(inode, new FeedFile(open.Result, stamp));
                    continue;
                }

                opening.Add((i, stamp, open.AsTask()));
                if (opening.Count == OpensAtOnce)
                {
                    failure ??= await SettleAsync(opening, places, files).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e)
        {
            failure ??= e;
        }

        failure = await SettleAsync(opening, places, files).ConfigureAwait(false) ?? failure;
        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>Awaits the opens under way; the first failure, as the reader of a sample is told.</summary>
    private async ValueTask<Exception?> SettleAsync(
        List<(int At, long Stamp, Task<OpenFile> Opening)> opening, SamplePlace[] places, FeedFile?[] files)
    {
        Exception? first = null;
        foreach ((int at, long stamp, Task<OpenFile> open) in opening)
        {
            try
            {
                files[at] = List(places[at].Inode, new FeedFile(await open.ConfigureAwait(false), stamp));
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

        opening.Clear();
        return first;
    }

    /// <summary>Takes a file that was opened; a batch beside this one may have opened it too, then each has its
    /// own.</summary>
    private FeedFile List(InodeId inode, FeedFile file)
    {
        file.Users = 1;
        lock (_lock)
        {
            file.IsListed = _files.TryAdd(inode.Value, file);
        }

        return file;
    }

    private bool TryKeepLocked(FeedFile file) => file.IsKept = service.TryKeepFile();

    private void UnlistLocked(long inode, FeedFile file)
    {
        if (file.IsListed)
        {
            _files.Remove(inode);
            file.IsListed = false;
        }

        if (file.IsKept)
        {
            service.LetFileGo();
            file.IsKept = false;
        }
    }

    private static async ValueTask CloseAsync(List<FeedFile> files)
    {
        foreach (FeedFile file in files)
        {
            await file.File.DisposeAsync().ConfigureAwait(false);
        }
    }
}
