using DataLayer.Core.Tree;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Recurrence;

/// <summary>A time in which something was read without a long pause.</summary>
/// <param name="Start">The first access.</param>
/// <param name="End">The last access.</param>
/// <param name="ReadBytes">Bytes read in it.</param>
public readonly record struct DatasetUse(DateTimeOffset Start, DateTimeOffset End, long ReadBytes)
{
    /// <summary>
    /// The uses in rows of history (of minutes or hours, in order of time): rows whose accesses are no further apart
    /// than a pause are one use; a use that read less than a number of bytes is none.
    /// </summary>
    /// <param name="rows">The rows. Hours do: they know their first and last access.</param>
    /// <param name="pause">What ends a use; positive.</param>
    /// <param name="minBytes">What a use reads at least.</param>
    public static IReadOnlyList<DatasetUse> Find(IReadOnlyList<AccessBucket> rows, TimeSpan pause, long minBytes)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(pause, TimeSpan.Zero);
        List<DatasetUse> uses = [];
        DatasetUse? open = null;
        foreach (AccessBucket row in rows)
        {
            if (row.Sums.ReadBytes == 0)
            {
                continue;
            }

            DatasetUse next = new(
                UnixTime.ToTime(row.FirstNanoseconds), UnixTime.ToTime(row.LastNanoseconds), row.Sums.ReadBytes);
            if (open is { } known && next.Start - known.End <= pause)
            {
                open = new DatasetUse(known.Start, next.End, known.ReadBytes + next.ReadBytes);
                continue;
            }

            Close(uses, open, minBytes);
            open = next;
        }

        Close(uses, open, minBytes);
        return uses;
    }

    private static void Close(List<DatasetUse> uses, DatasetUse? use, long minBytes)
    {
        if (use is { } closed && closed.ReadBytes >= minBytes)
        {
            uses.Add(closed);
        }
    }
}
