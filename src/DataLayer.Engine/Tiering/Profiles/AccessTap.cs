using System.Threading.Channels;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>One read of a file, as it was asked for.</summary>
/// <param name="At">When it began.</param>
/// <param name="Path">The file's path, as it was when the file was first seen.</param>
/// <param name="OffsetBytes">Where it began.</param>
/// <param name="LengthBytes">How many bytes it asked for, as far as the file has them.</param>
/// <param name="SizeBytes">The file's length.</param>
/// <param name="MissedCount">How many reads were missed so far, because nobody took them in time.</param>
public readonly record struct AccessNote(
    DateTimeOffset At, string Path, long OffsetBytes, int LengthBytes, long SizeBytes, long MissedCount);

/// <summary>
/// Somebody who looks on at the reads below a path. What they do not take in time is missed and counted; readers never
/// wait for them. Guarded by its recorder's gate, but for the queue.
/// </summary>
internal sealed class AccessTap(string path)
{
    private const int QueueNotes = 1 << 16;
    private const int MaxPaths = 1_000_000;
    private readonly string _prefix = path.TrimEnd('/') + "/";
    private readonly Dictionary<long, string?> _paths = [];
    private readonly Channel<AccessNote> _notes = Channel.CreateBounded<AccessNote>(
        new BoundedChannelOptions(QueueNotes) { SingleReader = true, SingleWriter = true });

    private long _missed;

    /// <summary>What was noted.</summary>
    public ChannelReader<AccessNote> Notes => _notes.Reader;

    /// <summary>No more is noted.</summary>
    public void End() => _notes.Writer.TryComplete();

    /// <summary>Reads that nobody could note.</summary>
    public void Miss(long count) => _missed += count;

    /// <summary>Notes one read if it is below the path.</summary>
    public async ValueTask AddAsync(EngineContext context, ReadNote note, CancellationToken cancellationToken)
    {
        if (!_paths.TryGetValue(note.Inode.Value, out string? at))
        {
            at = await context.Tree.GetPathAsync(note.Inode, cancellationToken).ConfigureAwait(false);
            at = at is not null && (at == path || at.StartsWith(_prefix, StringComparison.Ordinal)) ? at : null;
            if (_paths.Count < MaxPaths)
            {
                _paths.Add(note.Inode.Value, at);
            }
        }

        if (at is not null && !_notes.Writer.TryWrite(new AccessNote(
            note.At, at, note.OffsetBytes, note.LengthBytes, note.SizeBytes, _missed)))
        {
            _missed++;
        }
    }
}
