using System.Diagnostics;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Simulation;
using DataLayer.Server.Configuration;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Tiering;

/// <summary>
/// Tiering over a 90-day trace, billed day by day, and planning at scale.
/// </summary>
internal sealed class TieringWorkload : IWorkload
{
    private const int Seed = 90;
    private const long GiB = 1L << 30;

    public string Name => "tiering";

    public Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        AccessTrace trace = ResearchTrace.Make(Seed);
        Console.WriteLine($"trace: {trace.Files.Count:N0} files, {trace.Events.Count:N0} accesses, {Stopwatch.GetElapsedTime(start).TotalSeconds:N1} s");
        TierPricing pricing = new(PriceTableReader.Load("aws-us-east-1").Table!, new TransferShape());
        long capacity = PeakBytes(trace);
        SimulationOptions options = new() { HotCapacityBytes = capacity, MoveBytesPerPlan = capacity * 8 / 100 };
        start = Stopwatch.GetTimestamp();
        SimulationResult result = TieringSimulator.Run(trace, Policy, pricing, options);
        Console.WriteLine($"simulated in {Stopwatch.GetElapsedTime(start).TotalSeconds:N1} s, capacity {capacity / GiB:N0} GiB");
        foreach (SimulatedDay d in result.Days)
        {
            SimulatedPlan? p = result.Plans.FirstOrDefault(p => (int)p.At.TotalDays == d.Day);
            Console.WriteLine($"{d.Day,3} hot {d.HotCost,7:N2} cold {d.ColdCost,6:N2} once {d.Once.Total,6:N2} allhot {d.AllHotCost,7:N2} served {d.ServedBytes / GiB,6:N0} waited {d.WaitedBytes / (double)GiB,6:N2} recalled {d.RecalledBytes / (double)GiB,6:N1} released {d.ReleasedBytes / (double)GiB,6:N1} hotGiB {d.HotBytes / GiB,6:N0} of {d.Bytes / GiB,6:N0} pred {p?.Predicted,6:N2} billed {p?.Billed,6:N2} def {p?.Deferred}");
        }

        Console.WriteLine($"saved {result.SavedShare:P2} served {result.ServedHotShare:P3} churn worst {result.WorstChurn:P2} mean {result.MeanChurn:P2} planError {result.PlanError:P2} mean {result.MeanPlanError:P2}");
        return Task.CompletedTask;
    }

    private static PlacementRule Policy(DateTimeOffset now, IReadOnlyDictionary<string, double> fill)
    {
        return (in FileFacts f) =>
        {
            TimeSpan idle = now - (f.AccessedAt ?? f.ModifiedAt);
            return idle > TimeSpan.FromDays(45) ? new PlacementDecision { RuleIndex = 0, RuleName = "old", Place = PlacementTier.Release, StorageClass = "GLACIER_IR", Weight = idle.TotalDays }
                : idle > TimeSpan.FromDays(10) ? new PlacementDecision { RuleIndex = 1, RuleName = "idle", Place = PlacementTier.Release, Weight = idle.TotalDays }
                : PlacementDecision.None;
        };
    }

    private static long PeakBytes(AccessTrace trace)
    {
        long[] sizes = new long[trace.Files.Count];
        long now = 0;
        long peak = 0;
        foreach (TraceEvent e in trace.Events)
        {
            if (e.Action != TraceAction.Read)
            {
                now += e.Bytes - sizes[e.File];
                sizes[e.File] = e.Bytes;
                peak = Math.Max(peak, now);
            }
        }

        return peak;
    }
}
