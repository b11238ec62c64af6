using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Lets callers wait for the journal's worker: each end of an upload, good or bad, wakes all who wait and look again.
/// </summary>
internal sealed class UploadWaits(EngineContext context)
{
    private const int PageEntries = 500;
    private readonly Lock _lock = new();
    private readonly Dictionary<InodeId, DataLayerException> _failures = [];

    /// <summary>By reference: the journal gives the number of an entry that ended to the next one.</summary>
    private readonly HashSet<JournalEntry> _running = new(ReferenceEqualityComparer.Instance);

    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>An upload ended: verified, or failed with the error. <see cref="Stopped"/> wakes who waits.</summary>
    public void Ended(InodeId inode, DataLayerException? error)
    {
        lock (_lock)
        {
            if (error is null)
            {
                _failures.Remove(inode);
            }
            else
            {
                _failures[inode] = error;
            }
        }
    }

    /// <summary>A task that ends when the worker is done with the next upload.</summary>
    public Task NextAsync()
    {
        lock (_lock)
        {
            return _changed.Task;
        }
    }

    /// <summary>The failure of the inode's last upload attempt, or null.</summary>
    public DataLayerException? FailureOf(InodeId inode)
    {
        lock (_lock)
        {
            return _failures.GetValueOrDefault(inode);
        }
    }

    /// <summary>Uploads that wait or run, as last counted by the journal's worker.</summary>
    public long PendingCount { get; set; }

    /// <summary>
    /// Waits until the inode owes no upload and the last has ended here too: whoever reads the content after that
    /// reads it by the object it has then. A conflict is thrown; other failures too unless they are to be waited out.
    /// </summary>
    public async ValueTask WaitAsync(InodeId inode, bool retryFailures, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _failures.Remove(inode);
        }

        HashSet<(long, ContentId)> hurried = [];
        while (true)
        {
            Task next = NextAsync();
            if (!await HurryAsync(inode, hurried, cancellationToken).ConfigureAwait(false) && !IsRunning(inode))
            {
                return;
            }

            if (FailureOf(inode) is { } error && (error.Code == ErrorCode.Stale || !retryFailures))
            {
                throw new DataLayerException(
                    error.Code, $"The content is kept locally, but its upload failed: {error.Message}", error);
            }

            await next.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Notes that the worker has an entry: an upload is not hurried any more, and its end is waited for.
    /// </summary>
    public void Started(JournalEntry entry)
    {
        if (entry.Kind is JournalKind.UploadObject or JournalKind.WritePackNames)
        {
            lock (_lock)
            {
                _running.Add(entry);
            }
        }
    }

    /// <summary>The worker is done with an entry, one way or another: of an upload, all who wait look again.</summary>
    public void Stopped(JournalEntry entry)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            if (!_running.Remove(entry))
            {
                return;
            }

            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.TrySetResult();
    }

    /// <summary>
    /// Waits until what became of an attachment's packs was written beside them, as far as it is owed now. Failures are
    /// waited out.
    /// </summary>
    public async ValueTask WaitForNamesAsync(long attachmentId, CancellationToken cancellationToken)
    {
        HashSet<long>? owed = null;
        HashSet<long> hurried = [];
        while (true)
        {
            Task next = NextAsync();
            HashSet<long> left = [];
            long after = 0;
            IReadOnlyList<JournalEntry> page;
            do
            {
                page = await context.Tree.ListJournalAsync(
                    JournalKind.WritePackNames, after, PageEntries, cancellationToken).ConfigureAwait(false);
                foreach (JournalEntry entry in page)
                {
                    after = entry.Id;
                    if (entry.AttachmentId == attachmentId && (owed is null || owed.Contains(entry.Id)))
                    {
                        left.Add(entry.Id);
                        if (!IsRunning(entry.Content.Inode) && hurried.Add(entry.Id))
                        {
                            await context.Tree.PostponeJournalAsync(
                                entry.Id, context.NowNanoseconds(), cancellationToken).ConfigureAwait(false);
                        }
                    }
                }
            }
            while (page.Count == PageEntries);
            if (left.Count == 0)
            {
                return;
            }

            owed ??= left;
            context.JournalSignal?.Invoke();
            await next.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private bool IsRunning(InodeId inode)
    {
        lock (_lock)
        {
            foreach (JournalEntry entry in _running)
            {
                if (entry.Content.Inode == inode)
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>Makes the inode's uploads due now, each once, unless they run. False when there is none.</summary>
    private async ValueTask<bool> HurryAsync(
        InodeId inode, HashSet<(long, ContentId)> hurried, CancellationToken cancellationToken)
    {
        bool any = false;
        long now = context.NowNanoseconds();
        foreach (JournalEntry entry in await context.Tree.ListJournalOfAsync(inode, cancellationToken)
            .ConfigureAwait(false))
        {
            if (entry.Kind != JournalKind.UploadObject)
            {
                continue;
            }

            any = true;
            if (entry.DueTimeNanoseconds > now && !IsRunning(inode) && hurried.Add((entry.Id, entry.Content)))
            {
                await context.Tree.PostponeJournalAsync(entry.Id, now, cancellationToken).ConfigureAwait(false);
            }
        }

        context.JournalSignal?.Invoke();
        return any;
    }
}
