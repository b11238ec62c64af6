using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Tiering.Simulation;

/// <summary>
/// Reads traces as text: a line an access, <c>SECONDS ACTION BYTES PATH [DATASET [TENANT [OFFSET]]]</c>, fields apart
/// by tabs, or
/// by blanks where a line has no tab. ACTION is <c>write</c>, <c>read</c> or <c>delete</c> (or its first letter); a
/// write gives the file's whole length. Seconds count from the trace's start; negative ones are history. Lines that
/// start with '#' are comments, but <c># start 2026-03-02T00:00:00Z</c> says when second 0 was. Lines may be out of
/// order.
/// </summary>
public static class AccessTraceReader
{
    private const int MaxErrors = 20;
    private const string StartMark = "# start ";

    /// <summary>Reads a whole trace.</summary>
    /// <param name="reader">The text.</param>
    /// <param name="name">Its name for messages.</param>
    /// <exception cref="DataLayerException">InvalidArgument: the first twenty bad lines, each with its
    /// number.</exception>
    public static AccessTrace Read(TextReader reader, string name)
    {
        ArgumentNullException.ThrowIfNull(reader);
        DateTimeOffset start = DateTimeOffset.UnixEpoch;
        Dictionary<string, int> numbers = new(StringComparer.Ordinal);
        List<TraceFile> files = [];
        List<TraceEvent> events = [];
        StringBuilder errors = new();
        int bad = 0;
        for (int number = 1; bad < MaxErrors && reader.ReadLine() is { } line; number++)
        {
            string? wrong = null;
            if (line.StartsWith(StartMark, StringComparison.Ordinal))
            {
                wrong = DateTimeOffset.TryParse(
                    line.AsSpan(StartMark.Length), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal,
                    out start)
                    ? null
                    : "the start is not a time, as 2026-03-02T00:00:00Z";
            }
            else if (line.Length > 0 && line[0] != '#')
            {
                wrong = ReadLine(line, numbers, files, events);
            }

            if (wrong is not null)
            {
                bad++;
                errors.Append(CultureInfo.InvariantCulture, $"\n{name}:{number}: {wrong}");
            }
        }

        if (bad > 0 || events.Count == 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                bad > 0 ? $"The trace has bad lines:{errors}" : $"The trace '{name}' has no accesses.");
        }

        // Stable, so that accesses of one second stay in the order of the file.
        TraceEvent[] sorted = [.. events];
        int[] order = new int[sorted.Length];
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        Array.Sort(
            order, (a, b) => sorted[a].At != sorted[b].At ? sorted[a].At.CompareTo(sorted[b].At) : a.CompareTo(b));
        List<TraceEvent> inOrder = new(order.Length);
        foreach (int i in order)
        {
            inOrder.Add(sorted[i]);
        }

        return new AccessTrace
        {
            Start = start,
            Length = TimeSpan.FromDays(Math.Max(1, Math.Ceiling(inOrder[^1].At.TotalDays))),
            Files = files,
            Events = inOrder,
        };
    }

    private static string? ReadLine(
        string line, Dictionary<string, int> numbers, List<TraceFile> files, List<TraceEvent> events)
    {
        string[] fields = line.Contains('\t', StringComparison.Ordinal)
            ? line.Split('\t')
            : line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        long offset = 0;
        if (fields.Length is < 4 or > 7)
        {
            return $"{fields.Length} fields; write SECONDS ACTION BYTES PATH [DATASET [TENANT [OFFSET]]]";
        }

        if (fields.Length == 7
            && !long.TryParse(fields[6], NumberStyles.None, CultureInfo.InvariantCulture, out offset))
        {
            return $"'{fields[6]}' is not an offset in bytes";
        }

        if (
            !double.TryParse(fields[0], NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds)
            || Math.Abs(seconds) > 1e9)
        {
            return $"'{fields[0]}' is not a number of seconds";
        }

        TraceAction? action = fields[1] switch
        {
            "write" or "w" => TraceAction.Write,
            "read" or "r" => TraceAction.Read,
            "delete" or "d" => TraceAction.Delete,
            _ => null,
        };
        if (action is null)
        {
            return $"'{fields[1]}' is not an action: write, read or delete";
        }

        if (!long.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out long bytes))
        {
            return $"'{fields[2]}' is not a number of bytes";
        }

        string path = fields[3];
        if (path.Length < 2 || path[0] != '/')
        {
            return $"'{path}' is not a path from '/'";
        }

        if (!numbers.TryGetValue(path, out int file))
        {
            file = files.Count;
            numbers.Add(path, file);
            files.Add(new TraceFile(path, FieldOf(fields, 4), FieldOf(fields, 5)));
        }

        events.Add(new TraceEvent(TimeSpan.FromSeconds(seconds), action.Value, file, bytes) { OffsetBytes = offset });
        return null;
    }

    private static string? FieldOf(string[] fields, int index) =>
        fields.Length > index && fields[index].Length > 0 && fields[index] != "-" ? fields[index] : null;
}
