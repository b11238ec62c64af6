using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads;

/// <summary>One benchmark: <c>eng/bench NAME</c> runs it and writes <c>benchmarks/results/NAME.json</c>.</summary>
internal interface IWorkload
{
    /// <summary>The benchmark's name, stable.</summary>
    string Name { get; }

    /// <summary>Measures every case against its baseline in this run and adds a row for each.</summary>
    Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken);
}
