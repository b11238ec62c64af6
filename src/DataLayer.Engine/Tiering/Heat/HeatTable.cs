using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Heat;

/// <summary>
/// How hot files are: an access score for each that halves with every half-life, and one for all below an attachment
/// (kept with its folder's inode).
/// </summary>
/// <remarks>
/// <para>Reads count into the cells of their contents (<see cref="AccessCell"/>) and never come here. Every flush
/// interval, and as soon as many files have counts, one flush takes the cells' counts, reads the stored scores of
/// files not known here, adds, and writes the changed rows in batches; the same batch carries the access history. A
/// flush that fails leaves its changes for the next one. So a killed service loses one interval at most.</para>
/// <para>The table is a cache over the store: past its bound the coldest tenth goes, all of which is stored.</para>
/// <para>An access is of the time of the flush that took it. What the kernel's page cache answers is seen by nobody
/// here; a file that the kernel reads by itself (passthrough) counts one read of the whole at its open.</para>
/// <para>Life: made by the engine → started → disposed, which flushes. Locks: <c>_gate</c> is held by one flush over
/// its awaits; <c>_lock</c> guards the entries and is a leaf.</para>
/// </remarks>
public sealed class HeatTable : IAsyncDisposable
{
    private const int LookupInodes = 1000;
    private const int SavedRecords = 1000;
    private readonly EngineContext _context;
    private readonly HeatOptions _options;
    private readonly HeatDecay _decay;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly SemaphoreSlim _signal = new(0, 1);
    private readonly Lock _lock = new();
    private readonly Dictionary<long, HeatEntry> _entries = [];
    private readonly HashSet<long> _dirty = [];
    private readonly Dictionary<long, AccessTally> _taken = [];
    private Task _loop = Task.CompletedTask;
    private bool _hasFailed;

    internal HeatTable(EngineContext context)
    {
        _context = context;
        _options = context.Options.Heat;
        _decay = new HeatDecay(_options.HalfLife);
        History = new AccessHistory(context);
        context.Accesses.Full = Signal;
    }

    /// <summary>What was read when, rolled up.</summary>
    public AccessHistory History { get; }

    /// <summary>Files whose heat is in memory, a count.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>A file's heat now; all zero where it is not known to have been read.</summary>
    public async ValueTask<FileHeat> GetAsync(InodeId inode, CancellationToken cancellationToken)
    {
        try
        {
            await FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException)
        {
            // The store takes nothing for now; what is known in memory is told.
        }

        HeatEntry entry;
        lock (_lock)
        {
            if (_entries.TryGetValue(inode.Value, out entry))
            {
                return ToHeat(entry, _context.NowNanoseconds());
            }
        }

        IReadOnlyList<HeatLookup> stored = await _context.Tree.LookupHeatAsync([inode], cancellationToken)
            .ConfigureAwait(false);
        return stored[0].Heat is { } record ? ToHeat(HeatEntry.Of(record), _context.NowNanoseconds()) : default;
    }

    /// <summary>
    /// The heat of all below an attachment: reads of all its objects' bytes. All zero where there is none.
    /// </summary>
    public ValueTask<FileHeat> GetAttachmentAsync(long attachmentId, CancellationToken cancellationToken) =>
        _context.Attachments.Find(attachmentId) is { } attachment
            ? GetAsync(attachment.Folder, cancellationToken)
            : ValueTask.FromResult(default(FileHeat));

    /// <summary>What is stored of a file's heat, as it is at a time.</summary>
    internal FileHeat At(in HeatRecord record, long nowNanoseconds) => ToHeat(HeatEntry.Of(record), nowNanoseconds);

    internal void Start() => _loop = Task.Run(LoopAsync);

    /// <summary>Brings everything counted so far into the store.</summary>
    /// <exception cref="DataLayerException">What the store says; nothing is lost.</exception>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            TakeCells();
            if (_taken.Count > 0)
            {
                await AddTakenAsync(cancellationToken).ConfigureAwait(false);
            }

            await SaveAsync(cancellationToken).ConfigureAwait(false);
            Shrink();
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Stops and flushes. The engine is stopping by then.</summary>
    public async ValueTask DisposeAsync()
    {
        Signal();
        await _loop.ConfigureAwait(false);
        _context.Accesses.Full = null;
        try
        {
            await FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (DataLayerException error)
        {
            EngineLog.BackgroundFailed(_context.Log, "heat", error);
        }

        _gate.Dispose();
        _signal.Dispose();
    }

    private void Signal()
    {
        lock (_lock)
        {
            if (_signal.CurrentCount == 0)
            {
                _signal.Release();
            }
        }
    }

    private async Task LoopAsync()
    {
        long flushed = _context.Time.GetTimestamp();
        while (!_context.Stopping.IsCancellationRequested)
        {
            try
            {
                if (!await WaitAsync(flushed).ConfigureAwait(false) && !await CountAsync().ConfigureAwait(false))
                {
                    continue; // Counted, not written: there is room for more.
                }

                flushed = _context.Time.GetTimestamp();
                await FlushAsync(_context.Stopping).ConfigureAwait(false);
                await TrimAsync(_context.Stopping).ConfigureAwait(false);
                _hasFailed = false;
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (DataLayerException error)
            {
                // Said once, until it works again: the next interval tries anew.
                if (!_hasFailed)
                {
                    EngineLog.BackgroundFailed(_context.Log, "heat", error);
                }

                _hasFailed = true;
            }
        }
    }

    private async ValueTask TrimAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await History.TrimAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// Waits until the interval since the last flush is over (true) or as many files were touched as have counters.
    /// </summary>
    private async Task<bool> WaitAsync(long flushed)
    {
        TimeSpan left = _options.FlushInterval - _context.Time.GetElapsedTime(flushed);
        if (left <= TimeSpan.Zero)
        {
            return true;
        }

        using CancellationTokenSource woken = CancellationTokenSource.CreateLinkedTokenSource(_context.Stopping);
        Task signal = _signal.WaitAsync(woken.Token);
        Task ended = await Task.WhenAny(signal, Task.Delay(left, _context.Time, woken.Token)).ConfigureAwait(false);
        await woken.CancelAsync().ConfigureAwait(false);
        _context.Stopping.ThrowIfCancellationRequested();
        return ended != signal;
    }

    /// <summary>Takes the counters' counts; whether so many files have counts that they are to be written.</summary>
    private async ValueTask<bool> CountAsync()
    {
        await _gate.WaitAsync(_context.Stopping).ConfigureAwait(false);
        try
        {
            TakeCells();
            return _taken.Count >= _options.MaxCountedFiles;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Takes the counts of all touched cells. Under the gate.</summary>
    private void TakeCells()
    {
        AccessCell? cell = _context.Accesses.TakeAll();
        while (cell is not null)
        {
            AccessCell? next = cell.Next;
            cell.Next = null;
            AccessTally tally = cell.Take();
            ref AccessTally sum = ref CollectionsMarshal.GetValueRefOrAddDefault(
                _taken, cell.Content.Id.Inode.Value, out bool known);
            sum = known ? sum + tally : tally;
            cell = next;
        }
    }

    /// <summary>Adds what was taken to scores and history. Under the gate; what is left of it is tried again.</summary>
    private async ValueTask AddTakenAsync(CancellationToken cancellationToken)
    {
        long now = _context.NowNanoseconds();
        InodeId[] inodes = new InodeId[Math.Min(LookupInodes, _taken.Count)];
        Dictionary<long, double> attachments = [];
        while (_taken.Count > 0)
        {
            int count = 0;
            foreach (long inode in _taken.Keys)
            {
                inodes[count++] = new InodeId(inode);
                if (count == inodes.Length)
                {
                    break;
                }
            }

            IReadOnlyList<HeatLookup> stored = await _context.Tree.LookupHeatAsync(
                new ArraySegment<InodeId>(inodes, 0, count), cancellationToken).ConfigureAwait(false);
            await History.PrepareAsync(stored, cancellationToken).ConfigureAwait(false);
            foreach (HeatLookup file in stored)
            {
                _taken.Remove(file.Inode.Value, out AccessTally tally);
                Add(file.Inode, file.Heat, tally.Amount, tally.Sums, now);
                History.Add(file, tally.AttachmentId, tally.Sums, now);
                if (tally.AttachmentId != 0 && tally.Amount > 0)
                {
                    ref double bytes = ref CollectionsMarshal.GetValueRefOrAddDefault(
                        attachments, tally.AttachmentId, out _);
                    bytes += tally.Amount * tally.SizeBytes;
                }
            }
        }

        await AddAttachmentsAsync(attachments, now, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask AddAttachmentsAsync(
        Dictionary<long, double> attachments, long now, CancellationToken cancellationToken)
    {
        foreach ((long id, double bytes) in attachments)
        {
            if (_context.Attachments.Find(id) is not { } attachment)
            {
                continue;
            }

            IReadOnlyList<HeatLookup> stored = await _context.Tree.LookupHeatAsync(
                [attachment.Folder], cancellationToken).ConfigureAwait(false);
            AccessSums sums = new(0, 1, (long)bytes, 0, 0, 0, 0);
            Add(attachment.Folder, stored[0].Heat, bytes / Math.Max(1, attachment.ObjectBytes), sums, now);
        }
    }

    private void Add(InodeId inode, HeatRecord? stored, double amount, in AccessSums sums, long now)
    {
        lock (_lock)
        {
            ref HeatEntry entry = ref CollectionsMarshal.GetValueRefOrAddDefault(
                _entries, inode.Value, out bool known);
            if (!known && stored is { } record)
            {
                entry = HeatEntry.Of(record);
            }

            entry = new HeatEntry(
                _decay.At(entry.Score, entry.ScoreTime, now) + amount, Math.Max(now, entry.ScoreTime),
                Math.Max(now, entry.AccessTime), entry.ReadCount + sums.ReadCount, entry.ReadBytes + sums.ReadBytes);
            _dirty.Add(inode.Value);
        }
    }

    /// <summary>Writes what changed, a thousand rows a transaction. Under the gate.</summary>
    private async ValueTask SaveAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            List<HeatRecord> batch = [];
            lock (_lock)
            {
                foreach (long inode in _dirty)
                {
                    batch.Add(_entries[inode].ToRecord(new InodeId(inode)));
                    if (batch.Count == SavedRecords)
                    {
                        break;
                    }
                }
            }

            IReadOnlyList<AccessAddition> additions = History.Pending;
            if (batch.Count == 0 && additions.Count == 0)
            {
                return;
            }

            await _context.Tree.SaveAccessesAsync(batch, additions, cancellationToken).ConfigureAwait(false);
            History.Saved();
            lock (_lock)
            {
                foreach (HeatRecord saved in batch)
                {
                    _dirty.Remove(saved.Inode.Value);
                }
            }
        }
    }

    /// <summary>Past the bound the coldest go, until a tenth of the room is free. Under the gate, all saved.</summary>
    private void Shrink()
    {
        lock (_lock)
        {
            if (_entries.Count <= _options.MaxFiles)
            {
                return;
            }

            long now = _context.NowNanoseconds();
            long[] inodes = new long[_entries.Count];
            double[] scores = new double[_entries.Count];
            int i = 0;
            foreach ((long inode, HeatEntry entry) in _entries)
            {
                inodes[i] = inode;
                scores[i++] = _decay.At(entry.Score, entry.ScoreTime, now);
            }

            Array.Sort(scores, inodes);
            int excess = inodes.Length - (_options.MaxFiles * 9 / 10);
            for (i = 0; i < excess; i++)
            {
                _entries.Remove(inodes[i]);
            }
        }
    }

    private FileHeat ToHeat(in HeatEntry entry, long now) => new(
        _decay.At(entry.Score, entry.ScoreTime, now),
        entry.AccessTime == 0 ? null : UnixTime.ToTime(entry.AccessTime),
        entry.ReadCount, entry.ReadBytes);

    private readonly record struct HeatEntry(
        double Score, long ScoreTime, long AccessTime, long ReadCount, long ReadBytes)
    {
        public static HeatEntry Of(in HeatRecord record) => new(
            record.Score, record.ScoreTimeNanoseconds, record.AccessTimeNanoseconds, record.ReadCount,
            record.ReadBytes);

        public HeatRecord ToRecord(InodeId inode) => new(inode, Score, ScoreTime, AccessTime, ReadCount, ReadBytes);
    }
}
