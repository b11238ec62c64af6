using DataLayer.Core.Errors;
using DataLayer.Core.Identity;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// One place that holds stripe units and segments: a process edge. A target verifies what it reads (checksum and
/// identity) and keeps its own crash promises; placement, copies and repair are the hot tier's.
/// </summary>
/// <remarks>
/// Every call is safe from any thread, waits a bounded time for its turn, and fails with a <see
/// cref="DataLayerException"/> that names the target. A buffer is free again when the call has ended. NotFound means
/// the column or segment is gone while the target is well; a target that is gone says TargetFailed.
/// </remarks>
internal interface ITarget : IAsyncDisposable
{
    /// <summary>The persistent number that placements name.</summary>
    int Number { get; }

    /// <summary>The pool it belongs to.</summary>
    string Pool { get; }

    /// <summary>Where it is, for people.</summary>
    string Location { get; }

    /// <summary>What it can do now.</summary>
    TargetState State { get; }

    /// <summary>Why it is not <see cref="TargetState.Ok"/>, or null.</summary>
    string? Fault { get; }

    /// <summary>Operations under way or waiting, a count.</summary>
    int LoadCount { get; }

    /// <summary>Capacity, free bytes past the reserve, bytes used by our files; the last known values if the target is
    /// missing.</summary>
    TargetSpace GetSpace();

    /// <summary>
    /// Whether it would take this many bytes of an inode now. What is held for other shares is not free for it; for no
    /// inode in particular it is.
    /// </summary>
    bool HasRoom(long bytes, InodeId inode = default);

    /// <summary>Holds free bytes for shares, instead of what was held before; see
    /// <see cref="HotTier.SetHolds"/>.</summary>
    void SetHolds(ShareMap? shares, IReadOnlyList<SpaceHold> holds);

    /// <summary>Stops or resumes taking new content.</summary>
    void SetDraining(bool draining);

    /// <summary>Looks whether the target is there and well, and ends a fence that may end. Never throws for a bad
    /// target.</summary>
    ValueTask CheckAsync(CancellationToken cancellationToken);

    /// <summary>Reads a range of a column, every chunk verified; holes are zeros.</summary>
    ValueTask ReadAsync(ColumnId column, long offsetBytes, int lengthBytes, StripeView view,
        CancellationToken cancellationToken);

    /// <summary>Makes the column if <paramref name="create"/> and it is missing, and whatever must be durable before
    /// flushed bytes are overwritten.</summary>
    ValueTask PrepareWriteAsync(ColumnId column, long offsetBytes, int lengthBytes, bool create,
        CancellationToken cancellationToken);

    /// <summary>Writes a range of a column that exists; durable after <see cref="FlushAsync"/>.</summary>
    ValueTask WriteAsync(ColumnId column, long offsetBytes, int lengthBytes, StripeView view,
        CancellationToken cancellationToken);

    /// <summary>Makes a column's writes durable. A failure fences the target and is remembered until the data was
    /// written again.</summary>
    ValueTask FlushAsync(ColumnId column, CancellationToken cancellationToken);

    /// <summary>Cuts a column; longer than it is does nothing (a hole needs no bytes).</summary>
    ValueTask TruncateAsync(ColumnId column, long lengthBytes, CancellationToken cancellationToken);

    /// <summary>Gives back the space of the whole chunks of a range.</summary>
    ValueTask PunchAsync(ColumnId column, long offsetBytes, long lengthBytes, CancellationToken cancellationToken);

    /// <summary>The first byte of a range that is data, or a hole; the range's end where there is none.</summary>
    ValueTask<long> SeekAsync(ColumnId column, long offsetBytes, long endBytes, bool hole,
        CancellationToken cancellationToken);

    /// <summary>Deletes a column; false if it was gone.</summary>
    ValueTask<bool> DeleteAsync(ColumnId column, CancellationToken cancellationToken);

    /// <summary>Whether any part of the column is there.</summary>
    ValueTask<bool> ExistsAsync(ColumnId column, CancellationToken cancellationToken);

    /// <summary>
    /// Whether a column that is there was made and never written or flushed: it holds no byte, and losing it loses
    /// none.
    /// </summary>
    ValueTask<bool> IsUnbornAsync(ColumnId column, CancellationToken cancellationToken);

    /// <summary>How many chunks the column's bytes span.</summary>
    ValueTask<long> GetChunkCountAsync(ColumnId column, CancellationToken cancellationToken);

    /// <summary>Reads one chunk as stored, verified; returns its length, 0 for a hole.</summary>
    ValueTask<int> ReadChunkAsync(ColumnId column, long chunkIndex, Memory<byte> destination,
        CancellationToken cancellationToken);

    /// <summary>Replaces one chunk of a column that exists by verified bytes of another copy.</summary>
    ValueTask RepairChunkAsync(ColumnId column, long chunkIndex, ReadOnlyMemory<byte> bytes,
        CancellationToken cancellationToken);

    /// <summary>Gives a column built under a staging name its own, replacing what is there; both names are of one
    /// content.</summary>
    ValueTask RenameColumnAsync(ColumnId from, ColumnId to, CancellationToken cancellationToken);

    /// <summary>
    /// Gives a column that nobody uses the bytes of another without copying them, durable. False where that cannot be:
    /// they are to be copied.
    /// </summary>
    ValueTask<bool> TryShareAsync(ColumnId from, ColumnId to, long lengthBytes, CancellationToken cancellationToken);

    /// <summary>Starts recovering a column after an unclean stop; see <see cref="ColumnFile.BeginRecovery"/>.</summary>
    ValueTask<List<long>> BeginRecoveryAsync(ColumnId column, CancellationToken cancellationToken);

    /// <summary>Ends a recovery: durable, marks gone.</summary>
    ValueTask EndRecoveryAsync(ColumnId column, CancellationToken cancellationToken);

    /// <summary>Every column found, also half ones; unfinished rebuilds are left out.</summary>
    IAsyncEnumerable<ColumnId> EnumerateColumnsAsync(CancellationToken cancellationToken);

    /// <summary>The columns of one content that are here, also half ones and staging ones.</summary>
    ValueTask<List<ColumnId>> FindColumnsAsync(ContentId content, CancellationToken cancellationToken);

    /// <summary>Deletes files that are none of the format's: temporary files, unfinished rebuilds; returns their
    /// paths.</summary>
    ValueTask<List<string>> DeleteStrayFilesAsync(CancellationToken cancellationToken);

    /// <summary>Writes a record at its place in a segment, making the segment if need be.</summary>
    ValueTask WriteSegmentAsync(long segment, long offsetBytes, ReadOnlyMemory<byte> record,
        CancellationToken cancellationToken);

    /// <summary>
    /// Reads from a segment into two buffers in one call, the header of a record and its content; returns how many
    /// bytes it had. The caller verifies.
    /// </summary>
    ValueTask<int> ReadSegmentAsync(
        long segment, long offsetBytes, Memory<byte> header, Memory<byte> content, CancellationToken cancellationToken);

    /// <summary>Makes a segment's records durable. A failure fences the target.</summary>
    ValueTask FlushSegmentAsync(long segment, CancellationToken cancellationToken);

    /// <summary>Deletes a segment with its list of dead records; no error if it is gone.</summary>
    ValueTask DeleteSegmentAsync(long segment, CancellationToken cancellationToken);

    /// <summary>Gives back the space of whole pages of a range that no record that is needed lies in.</summary>
    ValueTask PunchSegmentAsync(long segment, long offsetBytes, long lengthBytes, CancellationToken cancellationToken);

    /// <summary>Notes a record as dead.</summary>
    ValueTask AppendTombstoneAsync(long segment, SegmentTombstone tombstone, CancellationToken cancellationToken);

    /// <summary>The dead records of a segment.</summary>
    ValueTask<List<SegmentTombstone>> ReadTombstonesAsync(long segment, CancellationToken cancellationToken);

    /// <summary>Every segment with its length in bytes.</summary>
    ValueTask<List<(long Segment, long LengthBytes)>> ListSegmentsAsync(CancellationToken cancellationToken);
}
