using System.Globalization;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Engine.Tiering.Simulation;
using DataLayer.Server.Configuration;
using DataLayer.TestSupport;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Tiering;

/// <summary>
/// Planning at scale, and 90 days of a research group under the policy in docs/examples, billed day by day. The hot tier has room for
/// all files at their peak, since that is where tiering starts from; the rows named <c>steady</c> leave the first 30 days out and take
/// the most that was then hot for the capacity. Baselines are what is wanted; of rows in "less" units less is better.
/// </summary>
internal sealed class TieringWorkload : IWorkload
{
    private const int Seed = 90;
    private const int OtherSeeds = 8;
    private const int SteadyDay = 30;
    private const double MoveBudget = 0.05;

    public string Name => "tiering";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        // First, in a young process: its peak memory is the plan's.
        PlanScale.Measure(report);
        await PlanScale.MeasureTreeAsync(report, cancellationToken);
        TierPricing pricing = new(PriceTableReader.Load("aws-us-east-1").Table!, new TransferShape());
        string text = await File.ReadAllTextAsync(Path.Combine(RepositoryRoot.Path, "docs", "examples", "policy-research.yaml"), cancellationToken);
        CompiledPolicy policy = PolicyDocument.Parse(text).Policy!.Compile();
        SimulationResult result = Simulate(Seed, policy, pricing, cancellationToken);
        report.Add("trace90-cost-saved", "%", 100 * result.SavedShare, 50, 1);
        report.Add("trace90-served-hot", "%", 100 * result.ServedHotShare, 99, 1);
        report.Add("trace90-churn", "% a day, less", 100 * result.WorstChurn, 10, 1);
        report.Add("trace90-plan-error", "%, less", 100 * result.PlanError, 3, 1);
        report.Add("trace90-plan-error-each-day", "%, less", 100 * result.MeanPlanError, 3, 1);
        SimulationResult alone = Simulate(Seed, policy, pricing, cancellationToken, follows: false);
        report.Add("trace90-served-hot-without-group-recall", "%", 100 * alone.ServedHotShare, 99, 1);
        List<SimulatedDay> steady = [.. result.Days.Skip(SteadyDay)];
        double most = steady.Max(d => d.HotBytes);
        report.Add("trace90-steady-cost-saved", "%", 100 * (1 - (steady.Sum(d => d.Billed) / steady.Sum(d => d.AllHotCost))), 50, 1);
        report.Add("trace90-steady-churn", "% a day, less", 100 * steady.Max(d => d.RecalledBytes + d.ReleasedBytes) / most, 10, 1);
        report.Add("trace90-steady-mean-churn", "% a day, less", 100 * steady.Average(d => d.RecalledBytes + d.ReleasedBytes) / most, 10, 1);
        List<SimulationResult> others = [];
        for (int seed = 1; seed <= OtherSeeds; seed++)
        {
            others.Add(Simulate(seed, policy, pricing, cancellationToken));
        }

        report.Add("trace90-worst-cost-saved", "%", 100 * others.Min(r => r.SavedShare), 50, OtherSeeds);
        report.Add("trace90-worst-served-hot", "%", 100 * others.Min(r => r.ServedHotShare), 99, OtherSeeds);
        report.Add("trace90-worst-churn", "% a day, less", 100 * others.Max(r => r.WorstChurn), 10, OtherSeeds);
        report.Add("trace90-worst-plan-error", "%, less", 100 * others.Max(r => r.PlanError), 3, OtherSeeds);
    }

    private static SimulationResult Simulate(
        int seed, CompiledPolicy policy, TierPricing pricing, CancellationToken cancellationToken, bool follows = true)
    {
        cancellationToken.ThrowIfCancellationRequested();
        AccessTrace trace = ResearchTrace.Make(seed);
        long capacity = trace.FindPeakBytes() * 100 / 90;
        SimulationOptions options = new()
        {
            HotCapacityBytes = capacity,
            MoveBytesPerPlan = (long)(capacity * MoveBudget),
            PolicyHash = policy.Hash,
            GroupRecall = follows ? new GroupRecallOptions() : null,
        };
        IReadOnlySet<int> marks = new HashSet<int>();
        SimulationResult result = TieringSimulator.Run(
            trace,
            (now, fill) =>
            {
                marks = PolicyMarks.Next(policy, fill, marks);
                return PolicyAtMoment.Make(policy, now, fill, marks);
            },
            pricing, options);
        (double predicted, double billed) = (result.Plans.Sum(p => p.Predicted), result.Plans.Sum(p => p.Billed));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"seed {seed}: {trace.Files.Count:N0} files, {trace.Events.Count:N0} accesses; billed {billed:N2} of {result.AllHotCost:N2}, foretold {predicted:N2}; saved {result.SavedShare:P1}, hot {result.ServedHotShare:P2}, churn {result.WorstChurn:P1}, error {result.PlanError:P2}; once {result.Days.Sum(d => d.Once.Total):N2}, of it retrieval {result.Days.Sum(d => d.Once.RetrievalCost):N2}"));
        return result;
    }
}
