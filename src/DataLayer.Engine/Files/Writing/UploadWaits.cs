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
    private readonly Lock _lock = new();
    private readonly Dictionary<InodeId, DataLayerException> _failures = [];
    private readonly HashSet<long> _running = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>An upload ended: verified, or failed with the error.</summary>
    public void Ended(InodeId inode, DataLayerException? error)
    {
        TaskCompletionSource changed;
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

            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.TrySetResult();
    }

    /// <summary>A task that ends at the next <see cref="Ended"/>.</summary>
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
    /// Waits until the inode owes no upload. A conflict is thrown; other failures too unless they are to be waited out.
    /// </summary>
    public async ValueTask WaitAsync(InodeId inode, bool retryFailures, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _failures.Remove(inode);
        }

        HashSet<long> hurried = [];
        while (true)
        {
            Task next = NextAsync();
            if (!await HurryAsync(inode, hurried, cancellationToken).ConfigureAwait(false))
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

    /// <summary>Notes that the worker has an entry, so that nobody hurries it.</summary>
    public void Started(long entryId)
    {
        lock (_lock)
        {
            _running.Add(entryId);
        }
    }

    /// <summary>The worker is done with an entry, one way or another.</summary>
    public void Stopped(long entryId)
    {
        lock (_lock)
        {
            _running.Remove(entryId);
        }
    }

    /// <summary>Makes the inode's uploads due now, each once, unless they run. False when there is none.</summary>
    private async ValueTask<bool> HurryAsync(InodeId inode, HashSet<long> hurried, CancellationToken cancellationToken)
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
            bool runs;
            lock (_lock)
            {
                runs = _running.Contains(entry.Id);
            }

            if (!runs && entry.DueTimeNanoseconds > now && hurried.Add(entry.Id))
            {
                await context.Tree.PostponeJournalAsync(entry.Id, now, cancellationToken).ConfigureAwait(false);
            }
        }

        context.JournalSignal?.Invoke();
        return any;
    }
}
