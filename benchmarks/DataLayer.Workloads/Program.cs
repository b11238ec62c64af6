using DataLayer.Workloads;
using DataLayer.Workloads.Mounts;
using DataLayer.Workloads.Mounts.Peers;
using DataLayer.Workloads.Reporting;

if (args is [MountClient.Verb, ..])
{
    return MountClient.Run(args);
}

if (args is [PeerReader.Verb, ..])
{
    return PeerReader.Run(args);
}

// Every class that implements IWorkload is found by reflection: a new benchmark needs no registration.
List<IWorkload> workloads = [.. typeof(IWorkload).Assembly.GetTypes()
    .Where(type => type is { IsClass: true, IsAbstract: false } && type.IsAssignableTo(typeof(IWorkload)))
    .Select(type => (IWorkload)Activator.CreateInstance(type)!)
    .OrderBy(workload => workload.Name, StringComparer.Ordinal)];
string? only = args.FirstOrDefault(arg => arg.StartsWith("--only=", StringComparison.Ordinal))?["--only=".Length..];
string results = args.FirstOrDefault(arg => arg.StartsWith("--results=", StringComparison.Ordinal))?["--results=".Length..]
    ?? Path.Combine("benchmarks", "results");
string? runs = args.FirstOrDefault(arg => arg.StartsWith("--runs=", StringComparison.Ordinal))?["--runs=".Length..];
int most = runs is null ? int.MaxValue : int.Parse(runs, System.Globalization.CultureInfo.InvariantCulture);
string? files = args.FirstOrDefault(arg => arg.StartsWith("--files=", StringComparison.Ordinal))?["--files=".Length..];
string? kept = args.FirstOrDefault(arg => arg.StartsWith("--tree=", StringComparison.Ordinal))?["--tree=".Length..];
HashSet<string> wanted = [.. args.Where(arg => !arg.StartsWith('-'))];
if (wanted.FirstOrDefault(name => workloads.TrueForAll(workload => workload.Name != name)) is { } unknown)
{
    await Console.Error.WriteLineAsync($"There is no benchmark '{unknown}'. There are: {string.Join(", ", workloads.Select(w => w.Name))}.");
    return 2;
}

using CancellationTokenSource stop = new();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
foreach (IWorkload workload in workloads.Where(workload => wanted.Count == 0 || wanted.Contains(workload.Name)))
{
    BenchmarkReport report = new(workload.Name, only, most)
    {
        Files = files is null ? null : int.Parse(files, System.Globalization.CultureInfo.InvariantCulture),
        KeptFolder = kept,
    };
    await workload.RunAsync(report, stop.Token);
    await report.WriteAsync(results, TimeProvider.System);
}

return 0;
