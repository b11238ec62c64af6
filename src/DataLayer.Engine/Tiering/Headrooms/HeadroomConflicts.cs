using DataLayer.Core.Errors;
using DataLayer.Core.Text;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>
/// Finds what keeps a headroom from being kept beside others: two at a time for the same files, or more reserved at a
/// time than there is. Pure.
/// </summary>
internal static class HeadroomConflicts
{
    /// <summary>Refuses a headroom that cannot be kept beside the others within the horizon.</summary>
    /// <param name="wanted">The headroom.</param>
    /// <param name="others">All others.</param>
    /// <param name="memoryLimit">What may be reserved of memory at a time, bytes.</param>
    /// <param name="hotLimit">What may be reserved at a time of the pool that it is of, bytes.</param>
    /// <param name="now">The time.</param>
    /// <exception cref="DataLayerException">InvalidArgument, with the numbers and what to change.</exception>
    public static void Demand(
        TimedHeadroom wanted, IReadOnlyList<TimedHeadroom> others, long memoryLimit, long hotLimit, DateTimeOffset now)
    {
        List<(DateTimeOffset Start, DateTimeOffset End)> spans = wanted.GetReserved(now);
        if (spans.Count == 0)
        {
            throw Refused("Its window never opens in the next 400 days.", "Give another one.");
        }

        List<(DateTimeOffset At, int Sign, TimedHeadroom Of)> events = [];
        AddEvents(events, spans, wanted);
        foreach (TimedHeadroom other in others)
        {
            List<(DateTimeOffset Start, DateTimeOffset End)> theirs = other.GetReserved(now);
            if ((LiesIn(wanted.Spec.Path, other.Spec.Path) || LiesIn(other.Spec.Path, wanted.Spec.Path))
                && FirstOverlap(spans, theirs) is { } at)
            {
                throw Refused(
                    $"'{other.Name}' reserves for '{other.Spec.Path}' and this for '{wanted.Spec.Path}', which share "
                        + $"files, both at {TimedHeadroom.Show(at)} (leads included).",
                    "Give windows or leads that do not meet, or folders that do not lie in each other.");
            }

            AddEvents(events, theirs, other);
        }

        // Ends come before the starts of the same moment.
        events.Sort(static (a, b) => (a.At, a.Sign).CompareTo((b.At, b.Sign)));
        HashSet<TimedHeadroom> active = [];
        int depth = 0;
        foreach ((DateTimeOffset at, int sign, TimedHeadroom of) in events)
        {
            depth += of == wanted ? sign : 0;
            _ = sign > 0 ? active.Add(of) : active.Remove(of);
            if (depth > 0 && sign > 0)
            {
                DemandRoom("memory", active, static s => s.MemoryBytes, memoryLimit, at);
                string? pool = wanted.Spec.Pool;
                DemandRoom(
                    pool is null ? "the hot tier" : $"pool '{pool}'", active,
                    s => s.Pool == pool ? s.HotBytes : 0, hotLimit, at);
            }
        }
    }

    private static bool LiesIn(string path, string folder) =>
        path == folder || path.StartsWith(folder + "/", StringComparison.Ordinal);

    private static void AddEvents(
        List<(DateTimeOffset At, int Sign, TimedHeadroom Of)> events,
        List<(DateTimeOffset Start, DateTimeOffset End)> spans, TimedHeadroom of)
    {
        DateTimeOffset busyUntil = DateTimeOffset.MinValue;
        for (int i = 0; i < spans.Count; i++)
        {
            // A lead may begin before the window before is over: that is one stretch.
            DateTimeOffset start = spans[i].Start;
            if (i > 0 && start <= busyUntil)
            {
                events.RemoveAt(events.Count - 1);
            }
            else
            {
                events.Add((start, 1, of));
            }

            busyUntil = spans[i].End;
            events.Add((busyUntil, -1, of));
        }
    }

    private static DateTimeOffset? FirstOverlap(
        List<(DateTimeOffset Start, DateTimeOffset End)> ours, List<(DateTimeOffset Start, DateTimeOffset End)> theirs)
    {
        for (int i = 0, j = 0; i < ours.Count && j < theirs.Count;)
        {
            DateTimeOffset start = ours[i].Start > theirs[j].Start ? ours[i].Start : theirs[j].Start;
            DateTimeOffset end = ours[i].End < theirs[j].End ? ours[i].End : theirs[j].End;
            if (start < end)
            {
                return start;
            }

            _ = ours[i].End < theirs[j].End ? i++ : j++;
        }

        return null;
    }

    private static void DemandRoom(
        string tier, HashSet<TimedHeadroom> active, Func<HeadroomSpec, long> bytesOf, long limit, DateTimeOffset at)
    {
        long sum = 0;
        List<string> parts = [];
        foreach (TimedHeadroom headroom in active)
        {
            long bytes = bytesOf(headroom.Spec);
            sum += bytes;
            if (bytes > 0)
            {
                parts.Add($"{UnitText.FormatSize(bytes)} for '{headroom.Name}'");
            }
        }

        if (sum > limit)
        {
            parts.Sort(StringComparer.Ordinal);
            throw Refused(
                $"At {TimedHeadroom.Show(at)} {UnitText.FormatSize(sum)} of {tier} would be reserved "
                    + $"({string.Join(", ", parts)}), and {UnitText.FormatSize(limit)} may be.",
                "Reserve less, or move one of the windows, or give the service more.");
        }
    }

    private static DataLayerException Refused(string fault, string remedy) =>
        new(ErrorCode.InvalidArgument, $"{fault} {remedy}");
}
