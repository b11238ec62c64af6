using System.Threading.Channels;
using DataLayer.Core.Errors;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>
/// Notes what is read while profiles are recorded. Readers put notes into a bounded queue, whose only reader sorts them
/// into the recordings; a note that finds the queue full is missed, and the profile says how many were.
/// </summary>
/// <remarks>
/// Where nothing is recorded the read path sees null in its context and pays one look for it. Lock: <c>_gate</c> guards
/// the recordings, over the look-up of a path.
/// </remarks>
internal sealed class ProfileRecorder : IAsyncDisposable
{
    /// <summary>Recordings at a time.</summary>
    public const int MaxRecordings = 8;

    private const int QueueNotes = 1 << 16;
    private readonly EngineContext _context;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly List<ProfileRecording> _recordings = [];
    private readonly List<AccessTap> _taps = [];
    private readonly Channel<ReadNote> _notes = Channel.CreateBounded<ReadNote>(
        new BoundedChannelOptions(QueueNotes) { SingleReader = false, SingleWriter = false });
    private Task _loop = Task.CompletedTask;
    private long _dropped;

    public ProfileRecorder(EngineContext context) => _context = context;

    public void Start() => _loop = Task.Run(LoopAsync);

    /// <summary>A read begins. Never waits.</summary>
    public void Note(ContentState content, long offsetBytes, int lengthBytes)
    {
        ReadNote note = new(
            content.Id.Inode, content.SizeBytes, offsetBytes, lengthBytes, _context.Time.GetUtcNow());
        if (!_notes.Writer.TryWrite(note))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    /// <summary>Begins a recording.</summary>
    /// <exception cref="DataLayerException">AlreadyExists: one of that name runs. Overloaded: too many.</exception>
    public async ValueTask BeginAsync(ProfileRecording recording, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_recordings.Exists(one => one.Name == recording.Name))
            {
                throw new DataLayerException(
                    ErrorCode.AlreadyExists, $"Profile '{recording.Name}' is being recorded: stop that first.");
            }

            if (_recordings.Count >= MaxRecordings)
            {
                throw new DataLayerException(
                    ErrorCode.Overloaded, $"{MaxRecordings} profiles are being recorded: stop one first.");
            }

            await SortAsync(cancellationToken).ConfigureAwait(false); // What was read before is not of it.
            _recordings.Add(recording);
            _context.Recorder = this;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Ends a recording with all that was read until now; null if there is none of that name.</summary>
    public async ValueTask<ProfileRecording?> EndAsync(string name, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await SortAsync(cancellationToken).ConfigureAwait(false);
            int index = _recordings.FindIndex(one => one.Name == name);
            if (index < 0)
            {
                return null;
            }

            ProfileRecording ended = _recordings[index];
            _recordings.RemoveAt(index);
            RestLocked();

            return ended;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Begins to tell a tap of reads.</summary>
    public async ValueTask AddAsync(AccessTap tap, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await SortAsync(cancellationToken).ConfigureAwait(false);
            _taps.Add(tap);
            _context.Recorder = this;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Tells a tap nothing any more.</summary>
    public async ValueTask RemoveAsync(AccessTap tap)
    {
        await _gate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            _taps.Remove(tap);
            tap.End();
            RestLocked();
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>The recordings under way, each looked at while nothing is added to it.</summary>
    public async ValueTask<List<T>> LookAsync<T>(Func<ProfileRecording, T> look, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await SortAsync(cancellationToken).ConfigureAwait(false);
            return _recordings.ConvertAll(one => look(one));
        }
        finally
        {
            _gate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _context.Recorder = null;
        _notes.Writer.TryComplete();
        await _loop.ConfigureAwait(false);
        foreach (ProfileRecording left in _recordings)
        {
            await left.Ending.CancelAsync().ConfigureAwait(false);
            left.Ending.Dispose();
        }

        _gate.Dispose();
    }

    /// <summary>Nothing is noted any more where nobody wants it.</summary>
    private void RestLocked()
    {
        if (_recordings.Count + _taps.Count == 0)
        {
            _context.Recorder = null;
        }
    }

    private async Task LoopAsync()
    {
        while (await _notes.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
        {
            await _gate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
            try
            {
                await SortAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (DataLayerException error)
            {
                EngineLog.BackgroundFailed(_context.Log, "profile recording", error);
            }
            finally
            {
                _gate.Release();
            }
        }
    }

    /// <summary>Sorts the notes at hand into the recordings. Under the gate.</summary>
    private async ValueTask SortAsync(CancellationToken cancellationToken)
    {
        for (int i = 0; i < QueueNotes && _notes.Reader.TryRead(out ReadNote note); i++)
        {
            string? path = null;
            foreach (ProfileRecording recording in _recordings)
            {
                if (!recording.Knows(note.Inode))
                {
                    path ??= await _context.Tree.GetPathAsync(note.Inode, cancellationToken).ConfigureAwait(false);
                    recording.AddFile(note.Inode, path, note.SizeBytes);
                }

                recording.Add(note);
            }

            foreach (AccessTap tap in _taps)
            {
                await tap.AddAsync(_context, note, cancellationToken).ConfigureAwait(false);
            }
        }

        long dropped = Interlocked.Exchange(ref _dropped, 0);
        foreach (ProfileRecording recording in _recordings)
        {
            recording.Miss(dropped);
        }

        foreach (AccessTap tap in _taps)
        {
            tap.Miss(dropped);
        }
    }
}
