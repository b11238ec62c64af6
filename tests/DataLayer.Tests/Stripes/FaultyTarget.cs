using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Stripes;

namespace DataLayer.Tests.Stripes;

/// <summary>
/// Puts seeded faults in front of a target: calls that fail before or after they were done, and chunks that come back
/// damaged. Off until <see cref="IsOn"/>.
/// </summary>
internal sealed class FaultyTarget(ITarget inner, int seed) : ITarget
{
    private readonly Random _random = new(seed);

    /// <summary>Whether faults happen.</summary>
    public bool IsOn { get; set; }

    /// <summary>Which share of calls fails.</summary>
    public double Rate { get; set; } = 0.1;

    /// <summary>How much longer each read takes, as on a slow disk.</summary>
    public TimeSpan ReadDelay { get; set; }

    /// <summary>Whether it has room for nothing.</summary>
    public bool IsFull { get; set; }

    /// <summary>Whether it makes no hard links.</summary>
    public bool SharesNothing { get; set; }

    /// <summary>How many calls failed, a count.</summary>
    public int FaultCount { get; private set; }

    /// <summary>How many calls passed through here, a count.</summary>
    public int CallCount { get; private set; }

    /// <summary>Whether every flush fails, before anything was done, as on a device that takes no more writes.</summary>
    public bool FailsFlushes { get; set; }

    /// <summary>Runs before a tombstone is written: a test may hold it there.</summary>
    public Func<Task>? BeforeTombstone { get; set; }

    public int Number => inner.Number;

    public string Pool => inner.Pool;

    public string Location => inner.Location;

    public TargetState State => inner.State;

    public string? Fault => inner.Fault;

    public int LoadCount => inner.LoadCount;

    public TargetSpace GetSpace() => inner.GetSpace();

    public bool HasRoom(long bytes, InodeId inode = default) => !IsFull && inner.HasRoom(bytes, inode);

    public void SetHolds(ShareMap? shares, IReadOnlyList<SpaceHold> holds) => inner.SetHolds(shares, holds);

    public void SetDraining(bool draining) => inner.SetDraining(draining);

    public ValueTask CheckAsync(CancellationToken cancellationToken) => inner.CheckAsync(cancellationToken);

    public ValueTask ReadAsync(ColumnId column, long offsetBytes, int lengthBytes, StripeView view, CancellationToken cancellationToken) =>
        RunAsync("read", () => inner.ReadAsync(column, offsetBytes, lengthBytes, view, cancellationToken));

    public ValueTask PrepareWriteAsync(ColumnId column, long offsetBytes, int lengthBytes, bool create, CancellationToken cancellationToken) =>
        RunAsync("prepare", () => inner.PrepareWriteAsync(column, offsetBytes, lengthBytes, create, cancellationToken));

    public ValueTask WriteAsync(ColumnId column, long offsetBytes, int lengthBytes, StripeView view, CancellationToken cancellationToken) =>
        RunAsync("write", () => inner.WriteAsync(column, offsetBytes, lengthBytes, view, cancellationToken));

    public ValueTask FlushAsync(ColumnId column, CancellationToken cancellationToken) =>
        RunAsync("flush", () => FailsFlushes ? throw FlushFault() : inner.FlushAsync(column, cancellationToken));

    public ValueTask TruncateAsync(ColumnId column, long lengthBytes, CancellationToken cancellationToken) =>
        RunAsync("truncate", () => inner.TruncateAsync(column, lengthBytes, cancellationToken));

    public ValueTask PunchAsync(ColumnId column, long offsetBytes, long lengthBytes, CancellationToken cancellationToken) =>
        RunAsync("punch", () => inner.PunchAsync(column, offsetBytes, lengthBytes, cancellationToken));

    public ValueTask<long> SeekAsync(ColumnId column, long offsetBytes, long endBytes, bool hole, CancellationToken cancellationToken) =>
        inner.SeekAsync(column, offsetBytes, endBytes, hole, cancellationToken);

    public ValueTask<bool> DeleteAsync(ColumnId column, CancellationToken cancellationToken) => inner.DeleteAsync(column, cancellationToken);

    public ValueTask<bool> ExistsAsync(ColumnId column, CancellationToken cancellationToken) => inner.ExistsAsync(column, cancellationToken);

    public ValueTask<bool> IsUnbornAsync(ColumnId column, CancellationToken cancellationToken) =>
        inner.IsUnbornAsync(column, cancellationToken);

    public ValueTask<long> GetChunkCountAsync(ColumnId column, CancellationToken cancellationToken) =>
        inner.GetChunkCountAsync(column, cancellationToken);

    public ValueTask<int> ReadChunkAsync(ColumnId column, long chunkIndex, Memory<byte> destination, CancellationToken cancellationToken) =>
        ComputeAsync("read", () => inner.ReadChunkAsync(column, chunkIndex, destination, cancellationToken));

    public ValueTask RepairChunkAsync(ColumnId column, long chunkIndex, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        RunAsync("repair", () => inner.RepairChunkAsync(column, chunkIndex, bytes, cancellationToken));

    public ValueTask RenameColumnAsync(ColumnId from, ColumnId to, CancellationToken cancellationToken) =>
        inner.RenameColumnAsync(from, to, cancellationToken);

    public ValueTask<bool> TryShareAsync(ColumnId from, ColumnId to, long lengthBytes, CancellationToken cancellationToken) =>
        SharesNothing ? ValueTask.FromResult(false) : ComputeAsync("share", () => inner.TryShareAsync(from, to, lengthBytes, cancellationToken));

    public ValueTask<List<long>> BeginRecoveryAsync(ColumnId column, CancellationToken cancellationToken) =>
        inner.BeginRecoveryAsync(column, cancellationToken);

    public ValueTask EndRecoveryAsync(ColumnId column, CancellationToken cancellationToken) => inner.EndRecoveryAsync(column, cancellationToken);

    public IAsyncEnumerable<ColumnId> EnumerateColumnsAsync(CancellationToken cancellationToken) => inner.EnumerateColumnsAsync(cancellationToken);

    public ValueTask<List<ColumnId>> FindColumnsAsync(ContentId content, CancellationToken cancellationToken) =>
        inner.FindColumnsAsync(content, cancellationToken);

    public ValueTask<List<string>> DeleteStrayFilesAsync(CancellationToken cancellationToken) => inner.DeleteStrayFilesAsync(cancellationToken);

    public ValueTask WriteSegmentAsync(long segment, long offsetBytes, ReadOnlyMemory<byte> record, CancellationToken cancellationToken) =>
        RunAsync("append", () => inner.WriteSegmentAsync(segment, offsetBytes, record, cancellationToken));

    public ValueTask<int> ReadSegmentAsync(
        long segment, long offsetBytes, Memory<byte> header, Memory<byte> content, CancellationToken cancellationToken) =>
        ComputeAsync("read", async () =>
        {
            int length = await inner.ReadSegmentAsync(segment, offsetBytes, header, content, cancellationToken);
            if (IsOn && content.Length > 0 && Draw() < Rate)
            {
                content.Span[Next(content.Length)] ^= 0x10;
                FaultCount++;
            }

            return length;
        });

    public ValueTask FlushSegmentAsync(long segment, CancellationToken cancellationToken) =>
        RunAsync("flush", () => FailsFlushes ? throw FlushFault() : inner.FlushSegmentAsync(segment, cancellationToken));

    public ValueTask DeleteSegmentAsync(long segment, CancellationToken cancellationToken) => inner.DeleteSegmentAsync(segment, cancellationToken);

    public ValueTask PunchSegmentAsync(long segment, long offsetBytes, long lengthBytes, CancellationToken cancellationToken) =>
        RunAsync("punch", () => inner.PunchSegmentAsync(segment, offsetBytes, lengthBytes, cancellationToken));

    public ValueTask AppendTombstoneAsync(long segment, SegmentTombstone tombstone, CancellationToken cancellationToken) =>
        RunAsync("tombstone", async () =>
        {
            await (BeforeTombstone?.Invoke() ?? Task.CompletedTask);
            await inner.AppendTombstoneAsync(segment, tombstone, cancellationToken);
        });

    public ValueTask<List<SegmentTombstone>> ReadTombstonesAsync(long segment, CancellationToken cancellationToken) =>
        inner.ReadTombstonesAsync(segment, cancellationToken);

    public ValueTask<List<(long Segment, long LengthBytes)>> ListSegmentsAsync(CancellationToken cancellationToken) =>
        inner.ListSegmentsAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async ValueTask RunAsync(string call, Func<ValueTask> run) => await ComputeAsync(call, async () =>
    {
        await run();
        return 0;
    });

    private async ValueTask<T> ComputeAsync<T>(string call, Func<ValueTask<T>> run)
    {
        CallCount++;
        if (call == "read" && ReadDelay > TimeSpan.Zero)
        {
            await Task.Delay(ReadDelay);
        }

        bool fails = IsOn && Draw() < Rate;
        bool wasDone = fails && Draw() < 0.5;
        T result = fails && !wasDone ? default! : await run();
        if (!fails)
        {
            return result;
        }

        FaultCount++;
        ErrorCode code = Draw() < 0.5 ? ErrorCode.TargetFailed : call is "read" ? ErrorCode.Corrupt : ErrorCode.TimedOut;
        throw new DataLayerException(code, $"Target {Number}: {call} failed on purpose {(wasDone ? "after" : "before")} it was done.");
    }

    private DataLayerException FlushFault() => new(ErrorCode.TargetFailed, $"Target {Number}: fsync failed on purpose.");

    private double Draw()
    {
        lock (_random)
        {
            return _random.NextDouble();
        }
    }

    private int Next(int limit)
    {
        lock (_random)
        {
            return _random.Next(limit);
        }
    }
}
