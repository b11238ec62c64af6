using System.Globalization;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Diagnosis;

/// <summary>
/// Names the causes of waiting in a window. What readers waited for is measured, not guessed
/// (<see cref="Engine.Files.WaitStatistics"/>); the rules below decide why that was slow, from the figures that tell
/// the candidates apart, and name the one setting that acts on it. Each cause comes at most once, the dearest first.
/// </summary>
/// <remarks>
/// What costs less than a twentieth of one reader's time is left out: a service without more is healthy. Outside the
/// waits stand two losses that no read of ours can measure: processors that are all busy while nobody waits for
/// bytes, and reads that a kernel's page cache should have answered.
/// </remarks>
internal static class Diagnosis
{
    /// <summary>Share of one reader's time below which a cause is not worth a change.</summary>
    public const double Worth = 0.05;

    /// <summary>Diagnoses a window.</summary>
    public static DoctorReport Find(DoctorWindow window, DoctorSettings settings)
    {
        ColdRules cold = new(window, settings);
        LocalRules local = new(window, settings);
        List<DoctorCause> causes = [];
        Add(window.Delta(w => w.Throttled), cold.Throttled);
        Add(window.Delta(w => w.Failed), cold.Failing);
        Add(window.Delta(w => w.Queue), cold.Queued);
        Add(window.Delta(w => w.Origin), cold.Slow);
        Add(window.Delta(w => w.Revalidate), cold.Revalidating);
        Add(Math.Min(window.Seconds, window.Requests("LIST").Duration.TotalSeconds), cold.Listing);
        Add(window.Delta(w => w.Hot), local.Hot);
        Add(window.Delta(w => w.Metadata), local.Metadata);
        Add(local.ProcessorSeconds(), local.Processor);
        Add(local.UncachedSeconds(), local.Uncached);
        return Report(window, causes);

        void Add(double seconds, Func<DoctorCause> rule)
        {
            if (seconds >= Worth * window.Seconds)
            {
                causes.Add(rule() with { LostSeconds = seconds });
            }
        }
    }

    private static DoctorReport Report(DoctorWindow window, List<DoctorCause> causes)
    {
        double lost = causes.Sum(c => c.LostSeconds);
        DoctorCause[] ordered =
        [
            .. causes.GroupBy(c => c.Cause, StringComparer.Ordinal)
                .Select(g => g.MaxBy(c => c.LostSeconds)! with { LostSeconds = g.Sum(c => c.LostSeconds) })
                .OrderByDescending(c => c.LostSeconds)
                .Select(c => c with { Share = c.LostSeconds / lost }),
        ];
        return new DoctorReport
        {
            WindowSeconds = window.Seconds,
            WaitingReaders = window.Wait / window.Seconds,
            WaitSeconds = new SortedDictionary<string, double>(StringComparer.Ordinal)
            {
                ["hot"] = window.Delta(w => w.Hot),
                ["metadata"] = window.Delta(w => w.Metadata),
                ["origin"] = window.Delta(w => w.Origin),
                ["origin_failed"] = window.Delta(w => w.Failed),
                ["origin_queue"] = window.Delta(w => w.Queue),
                ["origin_throttled"] = window.Delta(w => w.Throttled),
                ["revalidate"] = window.Delta(w => w.Revalidate),
            },
            Healthy = ordered.Length == 0,
            Verdict = ordered.Length == 0
                ? "Nothing to change: nobody waits to speak of."
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{ordered[0].Summary} ({ordered[0].Share:P0} of the loss). Change {ordered[0].Setting}."),
            Causes = ordered,
        };
    }
}
