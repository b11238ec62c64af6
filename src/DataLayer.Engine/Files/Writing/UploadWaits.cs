using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Writing;

/// <summary>Lets callers wait for the journal's worker: each end of an upload, good or bad, wakes all who wait and look again.</summary>
internal sealed class UploadWaits(EngineContext context)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<InodeId, DataLayerException> _failures = [];
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

    /// <summary>Waits until no upload of the inode is due. A conflict is thrown; other failures too unless they are to be waited out.</summary>
    public async ValueTask WaitAsync(InodeId inode, bool retryFailures, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _failures.Remove(inode);
        }

        while (true)
        {
            Task next = NextAsync();
            FileContent? content = await context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
            if (content is null || content.Attributes.State != TierState.Hot)
            {
                return;
            }

            if (FailureOf(inode) is { } error && (error.Code == ErrorCode.Stale || !retryFailures))
            {
                throw new DataLayerException(error.Code, $"The content is kept locally, but its upload failed: {error.Message}", error);
            }

            context.JournalSignal?.Invoke();
            await next.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
