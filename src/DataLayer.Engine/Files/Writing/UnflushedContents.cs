using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// The contents that mounts wrote to and that are not flushed yet. Each is kept in use until it is, after its last
/// descriptor closed too; a loop flushes what waited for <see cref="FileEngineOptions.WritebackDelay"/>.
/// </summary>
/// <remarks>
/// The order of a flush is data, then the tree; the tree's change is relaxed, so no length gets durable before its
/// data.
/// Lock order: a content's write gate, then <c>_sync</c>, a leaf.
/// </remarks>
internal sealed class UnflushedContents(EngineContext context, FileWriter writer) : IAsyncDisposable
{
    private readonly Lock _sync = new();
    private readonly Dictionary<ContentId, ContentState> _tracked = [];
    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;

    public void Start() => _loop = RunAsync();

    /// <summary>Keeps a content that became dirty, under its write gate.</summary>
    public void Track(ContentState content)
    {
        lock (_sync)
        {
            if (content.IsTracked)
            {
                return;
            }

            content.IsTracked = true;
            _tracked.Add(content.Id, content);
        }

        context.Contents.AddReference(content);
    }

    /// <summary>Gives a content back that is clean now.</summary>
    public async ValueTask ForgetAsync(ContentState content)
    {
        lock (_sync)
        {
            if (!content.IsTracked || content.IsDirty)
            {
                return;
            }

            content.IsTracked = false;
            _tracked.Remove(content.Id);
        }

        await context.ReleaseAsync(content).ConfigureAwait(false);
    }

    /// <summary>Gives up what was written to a content that has no name and no user any more.</summary>
    public async ValueTask DiscardAsync(ContentState content)
    {
        await content.WriteGate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            if (!content.IsTracked || !content.IsDirty)
            {
                return;
            }

            content.IsDirty = false;
            content.ModifyTimeNanoseconds = 0;
            context.Contents.CountDirty(-1);
        }
        finally
        {
            content.WriteGate.Release();
        }

        await ForgetAsync(content).ConfigureAwait(false);
    }

    /// <summary>Makes everything that was written before durable (syncfs).</summary>
    /// <exception cref="DataLayerException">The first failure, after all were tried.</exception>
    public async ValueTask FlushAllAsync(CancellationToken cancellationToken)
    {
        DataLayerException? first = await FlushSomeAsync(Snapshot(TimeSpan.Zero), cancellationToken)
            .ConfigureAwait(false);
        await context.Tree.FlushAsync(cancellationToken).ConfigureAwait(false);
        if (first is not null)
        {
            throw new DataLayerException(first.Code, first.Message, first);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
        await FlushSomeAsync(Snapshot(TimeSpan.Zero), CancellationToken.None).ConfigureAwait(false);
        await context.Tree.FlushAsync(CancellationToken.None).ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        TimeSpan delay = context.Options.WritebackDelay;
        using PeriodicTimer timer = new(delay / 2, context.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                await FlushSomeAsync(Snapshot(delay / 2), _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped; what is left is flushed by the disposal.
        }
    }

    private async ValueTask<DataLayerException?> FlushSomeAsync(
        List<ContentState> contents, CancellationToken cancellationToken)
    {
        DataLayerException? first = null;
        foreach (ContentState content in contents)
        {
            try
            {
                await writer.FlushAsync(content, relaxed: true, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException error)
            {
                // Counted on the content, so that its descriptors report it; tried again at the next turn.
                first ??= error;
            }
        }

        return first;
    }

    private List<ContentState> Snapshot(TimeSpan age)
    {
        List<ContentState> due = [];
        lock (_sync)
        {
            foreach (ContentState content in _tracked.Values)
            {
                if (!content.IsOrphan && context.Time.GetElapsedTime(content.DirtySince) >= age)
                {
                    due.Add(content);
                }
            }
        }

        return due;
    }
}
