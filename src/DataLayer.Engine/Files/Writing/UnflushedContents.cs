using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// The contents that mounts wrote to and that are not flushed yet. Each has a slot in the mapped file and is kept in
/// use
/// until it is flushed, after its last descriptor closed too; a loop flushes what waited for
/// <see cref="FileEngineOptions.WritebackDelay"/>, and what it can when room runs short.
/// </summary>
/// <remarks>
/// The order of a flush is data, then the tree; the tree's change is relaxed, so no length gets durable before its
/// data.
/// Many small contents are flushed together: their records are appended, one fsync covers them, one transaction names
/// them. Lock order: <c>_batch</c>, then write gates (only its holder takes more than one), then <c>_sync</c>, a leaf.
/// Who waits for room holds the gate of a content that is not tracked, which no flush wants.
/// </remarks>
internal sealed class UnflushedContents : IAsyncDisposable
{
    private const string FileName = "unflushed";

    /// <summary>Contents flushed together, a count: an fsync of 10 ms then costs each 40 µs.</summary>
    private const int BatchLength = 256;

    private readonly EngineContext _context;
    private readonly FileWriter _writer;
    private readonly StagedWriter _staging;
    private readonly Lock _sync = new();
    private readonly Dictionary<ContentId, ContentState> _tracked = [];
    private readonly SemaphoreSlim _batch = new(1, 1);
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly CancellationTokenSource _stop = new();
    private TaskCompletionSource _turnEnded = NewTurn();
    private Task _loop = Task.CompletedTask;

    public UnflushedContents(EngineContext context, FileWriter writer, StagedWriter staging)
    {
        _context = context;
        _writer = writer;
        _staging = staging;
        string? folder = context.Options.StateDirectory;
        File = UnflushedFile.Open(
            folder is null ? null : Path.Combine(folder, FileName), context.Options.UnflushedBytes);
    }

    /// <summary>The mapped file.</summary>
    public UnflushedFile File { get; }

    public void Start() => _loop = RunAsync();

    /// <summary>A slot, with an extent where bytes are to be staged; waits for flushes while there is none.</summary>
    /// <exception cref="DataLayerException">Overloaded: nothing that is unflushed can be flushed.</exception>
    public async ValueTask<int> TakeRoomAsync(long capacityBytes, CancellationToken cancellationToken)
    {
        for (int turns = 0; ; turns++)
        {
            Task turn = Volatile.Read(ref _turnEnded).Task;
            int slot = File.TakeSlot();
            if (slot >= 0)
            {
                if (capacityBytes == 0 || File.TryGrow(slot, capacityBytes, 0))
                {
                    if (IsShort())
                    {
                        Wake();
                    }

                    return slot;
                }

                File.FreeSlot(slot);
            }

            if (turns >= 3)
            {
                throw new DataLayerException(
                    ErrorCode.Overloaded,
                    "What was written and not flushed fills the room for it, and cannot be flushed. Check the "
                        + "targets.");
            }

            Wake();
            await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Keeps a content that becomes dirty now, under its write gate. The slot speaks for it already.</summary>
    public void TrackLocked(ContentState content, int slot)
    {
        content.UnflushedSlot = slot;
        content.IsDirty = true;
        content.DirtySince = _context.Time.GetTimestamp();
        lock (_sync)
        {
            if (content.IsTracked)
            {
                return;
            }

            content.IsTracked = true;
            _tracked.Add(content.Id, content);
        }

        _context.Contents.AddReference(content);
    }

    /// <summary>A content is flushed, or given up: it is clean. Under its write gate.</summary>
    public async ValueTask EndLockedAsync(ContentState content)
    {
        content.IsDirty = false;
        content.Staged = null;
        content.ModifyTimeNanoseconds = 0;
        if (content.UnflushedSlot >= 0)
        {
            File.FreeSlot(content.UnflushedSlot);
            content.UnflushedSlot = -1;
        }

        _context.Quotas.SettleLocked(content);
        for (int kept = content.TakeKeptReferences(); kept > 0; kept--)
        {
            await _context.ReleaseAsync(content).ConfigureAwait(false); // Never the last: the caller holds one.
        }
    }

    /// <summary>
    /// Gives a content back that is clean now; one that was replaced as a whole meanwhile is given up, unless somebody
    /// has it open, whose release does so.
    /// </summary>
    public async ValueTask ForgetAsync(ContentState content)
    {
        if (content is { IsSuperseded: true, IsDirty: true } && _context.Contents.IsOnlyTracked(content))
        {
            await DiscardAsync(content).ConfigureAwait(false);
            return;
        }

        lock (_sync)
        {
            if (!content.IsTracked || content.IsDirty)
            {
                return;
            }

            content.IsTracked = false;
            _tracked.Remove(content.Id);
        }

        await _context.ReleaseAsync(content).ConfigureAwait(false);
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

            await EndLockedAsync(content).ConfigureAwait(false);
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
        DataLayerException? first = await FlushSomeAsync(Snapshot(TimeSpan.Zero, orphans: false), cancellationToken)
            .ConfigureAwait(false);
        await _context.Tree.FlushAsync(cancellationToken).ConfigureAwait(false);
        if (first is not null)
        {
            throw new DataLayerException(first.Code, first.Message, first);
        }
    }

    /// <summary>Brings in what a process that was killed left, before anything else is served.</summary>
    /// <returns>How many contents, a count.</returns>
    public async ValueTask<int> ReplayAsync(CancellationToken cancellationToken)
    {
        int count = 0;
        foreach (UnflushedRecord record in File.ListLeft())
        {
            ContentState? content = await _context.AcquireAsync(record.Content.Inode, cancellationToken)
                .ConfigureAwait(false);
            bool isCurrent = content is not null && content.Id == record.Content && content.UnflushedSlot < 0
                && (record.IsStaged || content.Content.Placement is StripedPlacement);
            if (isCurrent && content!.Content.Placement is StripedPlacement { KeyId: > 0 and long key }
                && !_context.Hot.Keys.Has(key))
            {
                // Its slot waits for a start with the key.
            }
            else if (isCurrent)
            {
                TrackLocked(content!, record.Slot);
                content!.ModifyTimeNanoseconds = record.ModifyTime;
                content.SetSize(record.SizeBytes);
                content.Staged = record.IsStaged ? new StagedContent(File, record.Slot) : null;
                _context.Quotas.SettleLocked(content);
                await CutAsync(content, cancellationToken).ConfigureAwait(false);
                count++;
            }
            else
            {
                File.FreeSlot(record.Slot);
            }

            if (content is not null)
            {
                await _context.ReleaseAsync(content).ConfigureAwait(false);
            }
        }

        await FlushSomeAsync(Snapshot(TimeSpan.Zero, orphans: true), cancellationToken).ConfigureAwait(false);
        return count;
    }

    /// <summary>
    /// A kill in the middle of a truncation may have left bytes past the end: a later growth wants zeros.
    /// </summary>
    private async ValueTask CutAsync(ContentState content, CancellationToken cancellationToken)
    {
        if (content.Staged is null && content.Content.Placement is StripedPlacement placement)
        {
            await _context.Hot.TruncateAsync(content.Id, placement, content.SizeBytes, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        try
        {
            await FlushSomeAsync(Snapshot(TimeSpan.Zero, orphans: true), CancellationToken.None).ConfigureAwait(false);
            await _context.Tree.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (DataLayerException error)
        {
            // What is left stands in the mapped file for the next start.
            EngineLog.BackgroundFailed(_context.Log, "flush at the end", error);
        }

        Volatile.Read(ref _turnEnded).TrySetResult();
        _stop.Dispose();
        _batch.Dispose();
        _wake.Dispose();
    }

    private static TaskCompletionSource NewTurn() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private bool IsShort() => File.FreeBytes < File.AreaBytes / 2 || File.FreeSlotCount < UnflushedFile.SlotCount / 2;

    private void Wake()
    {
        lock (_sync)
        {
            if (_wake.CurrentCount == 0)
            {
                _wake.Release();
            }
        }
    }

    private async Task RunAsync()
    {
        TimeSpan delay = _context.Options.WritebackDelay;
        using PeriodicTimer timer = new(delay / 2, _context.Time);
        Task<bool> tick = timer.WaitForNextTickAsync(_stop.Token).AsTask();
        Task woken = _wake.WaitAsync(_stop.Token);
        try
        {
            while (true)
            {
                await Task.WhenAny(tick, woken).ConfigureAwait(false);
                _stop.Token.ThrowIfCancellationRequested();
                bool hurry = woken.IsCompleted;
                await FlushSomeAsync(Snapshot(hurry ? TimeSpan.Zero : delay / 2, orphans: hurry), _stop.Token)
                    .ConfigureAwait(false);
                Interlocked.Exchange(ref _turnEnded, NewTurn()).TrySetResult();
                tick = tick.IsCompleted ? timer.WaitForNextTickAsync(_stop.Token).AsTask() : tick;
                woken = hurry ? _wake.WaitAsync(_stop.Token) : woken;
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
        if (contents.Count == 0)
        {
            return null;
        }

        DataLayerException? first = null;
        await _batch.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            for (int from = 0; from < contents.Count; from += BatchLength)
            {
                List<ContentState> some = contents.GetRange(from, Math.Min(BatchLength, contents.Count - from));
                DataLayerException? error = await FlushBatchAsync(some, cancellationToken).ConfigureAwait(false);
                first ??= error;
            }
        }
        finally
        {
            _batch.Release();
        }

        return first;
    }

    private async ValueTask<DataLayerException?> FlushBatchAsync(
        List<ContentState> contents, CancellationToken cancellationToken)
    {
        DataLayerException? first = null;
        List<StagedFlush> flushes = [];
        foreach (ContentState content in contents)
        {
            try
            {
                if (await AppendAsync(content, cancellationToken).ConfigureAwait(false) is { } flush)
                {
                    flushes.Add(flush);
                    _context.Step("staged.appended");
                }
                else
                {
                    await _writer.FlushAsync(content, relaxed: true, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (DataLayerException error)
            {
                // Counted on the content, so that its descriptors report it; tried again at the next turn.
                first ??= error;
            }
        }

        DataLayerException? failed = await FlushRecordsAsync(flushes, cancellationToken).ConfigureAwait(false);
        try
        {
            await CommitAsync(flushes).ConfigureAwait(false);
        }
        catch (DataLayerException error)
        {
            failed ??= error;
            foreach (StagedFlush flush in flushes)
            {
                flush.Content.NoteFlushFault(error.Message);
                await _staging.GiveUpAsync(flush).ConfigureAwait(false);
            }
        }

        return first ?? failed;
    }

    private async ValueTask<StagedFlush?> AppendAsync(ContentState content, CancellationToken cancellationToken)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return content.Staged is null
                ? null
                : await _staging.AppendLockedAsync(content, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error)
        {
            content.NoteFlushFault(error.Message);
            EngineLog.FlushFailed(_context.Log, content.Id.ToString(), error.Message);
            throw;
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    /// <summary>Makes the records durable, mostly by one fsync; takes out those it cannot.</summary>
    private async ValueTask<DataLayerException?> FlushRecordsAsync(
        List<StagedFlush> flushes, CancellationToken cancellationToken)
    {
        DataLayerException? first = null;

        // From the last on: its fsync covers those before it.
        for (int i = flushes.Count - 1; i >= 0; i--)
        {
            StagedFlush flush = flushes[i];
            try
            {
                if (flush.Record is not null)
                {
                    await _context.Hot.FlushAsync(flush.Content.Id, flush.Record, cancellationToken)
                        .ConfigureAwait(false);
                }
            }
            catch (DataLayerException error)
            {
                flushes.RemoveAt(i);
                first ??= error;
                flush.Content.NoteFlushFault(error.Message);
                EngineLog.FlushFailed(_context.Log, flush.Content.Id.ToString(), error.Message);
                await _staging.GiveUpAsync(flush).ConfigureAwait(false);
            }
        }

        _context.Step("staged.flushed");
        return first;
    }

    /// <summary>
    /// Names the records in the tree by one transaction, of contents that were not written to meanwhile.
    /// </summary>
    private async ValueTask CommitAsync(List<StagedFlush> flushes)
    {
        if (flushes.Count == 0)
        {
            return;
        }

        foreach (StagedFlush flush in flushes)
        {
            await flush.Content.WriteGate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        }

        try
        {
            await CommitLockedAsync(flushes, relaxed: true).ConfigureAwait(false);
        }
        finally
        {
            foreach (StagedFlush flush in flushes)
            {
                flush.Content.WriteGate.Release();
            }
        }

        foreach (StagedFlush flush in flushes)
        {
            await ForgetAsync(flush.Content).ConfigureAwait(false);
        }
    }

    /// <summary>As above, of contents whose write gates the caller holds.</summary>
    public async ValueTask CommitLockedAsync(List<StagedFlush> flushes, bool relaxed)
    {
        List<StagedFlush> current = [];
        List<ContentUpdate> updates = [];
        using ChangeScope change = new(_context.Stamps, origin: ChangeScope.Unseen);
        foreach (StagedFlush flush in flushes)
        {
            if (flush.Content.Staged == flush.Staged && flush.Content.WriteEpoch == flush.Epoch)
            {
                current.Add(flush);
                updates.Add(StagedWriter.ToUpdate(flush));
                change.Inode(flush.Content.Id.Inode);
            }
            else
            {
                await _staging.GiveUpAsync(flush).ConfigureAwait(false);
            }
        }

        if (updates.Count == 0)
        {
            return;
        }

        IReadOnlyList<FileContent?> done = await _context.Tree.UpdateContentsAsync(updates, relaxed)
            .ConfigureAwait(false);
        _context.Step("staged.committed");
        change.Dispose();
        for (int i = 0; i < current.Count; i++)
        {
            ContentState content = current[i].Content;
            if (done[i] is null)
            {
                // Replaced as a whole meanwhile, or gone: what is open of it lives here until it is closed.
                content.IsSuperseded = true;
                _context.Quotas.SettleLocked(content);
                await _staging.GiveUpAsync(current[i]).ConfigureAwait(false);
                continue;
            }

            await _context.ReloadAsync(content, CancellationToken.None).ConfigureAwait(false);
            await EndLockedAsync(content).ConfigureAwait(false);
            _context.NewRecords.TryRemove(content.Id, out _);
        }

        _context.JournalSignal?.Invoke();
    }

    private List<ContentState> Snapshot(TimeSpan age, bool orphans)
    {
        List<ContentState> due = [];
        lock (_sync)
        {
            foreach (ContentState content in _tracked.Values)
            {
                if ((orphans || !content.IsOrphan) && !content.IsSuperseded
                    && _context.Time.GetElapsedTime(content.DirtySince) >= age)
                {
                    due.Add(content);
                }
            }
        }

        return due;
    }
}
