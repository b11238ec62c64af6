using System.Globalization;
using Amazon.S3;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Processes;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Mounts.Peers;

/// <summary>
/// One bucket of a Ceph gateway on loopback (its defaults, no delay added) mounted by DataLayer, s3fs and rclone, each with a cache of
/// its own; the better of the others is the baseline.
/// </summary>
/// <remarks>
/// A round of a side: the program's cache emptied and the kernel's dropped; one untimed walk over all names (DataLayer's tree knows
/// them since the attach, so the others may too); page cache dropped, the cold pass; page cache dropped again, the program's own
/// cache kept, the warm pass. Rounds of the three alternate. Each pass checks every byte (<see cref="PeerReader"/>).
/// <c>docs/decisions/0140-peers-of-the-mount.md</c> has the settings and why.
/// </remarks>
internal static class PeerCases
{
    private const int SmallBytes = 16 << 10;
    private const int SmallCount = 400;
    private const int SmallFolders = 4;
    private const int WarmUpRounds = 6;
    private const int SmallReaders = 4;
    private const int SmallRuns = 5;
    private const int LargeBytes = 256 << 20;
    private const int LargeCount = 2;
    private const int LargeRuns = 5;

    /// <summary>Adds the rows <c>peer-small-cold</c>, <c>peer-small-warm</c>, <c>peer-seq-cold</c> and <c>peer-seq-warm</c>.</summary>
    public static async Task MeasureAsync(BenchmarkReport report, CancellationToken stop)
    {
        CephCluster cluster = await CephCluster.GetSharedAsync();
        string bucket = await cluster.CreateBucketAsync("peers");
        try
        {
            using AmazonS3Client client = cluster.CreateClient();
            PeerFiles small = await PeerFiles.PutAsync(client, bucket, "small", SmallCount, SmallFolders, SmallBytes, stop);
            PeerFiles large = await PeerFiles.PutAsync(client, bucket, "large", LargeCount, 1, LargeBytes, stop);
            await using OwnMount own = await OwnMount.StartAsync(cluster.CreateStoreOptions(), bucket, stop);
            await using PeerMount s3fs = PeerMount.S3fs(cluster, bucket);
            await using PeerMount rclone = PeerMount.Rclone(cluster, bucket);
            IBucketMount[] sides = [own, s3fs, rclone];
            if (report.Wants("peers", "peer-seq"))
            {
                await MeasureAsync(report, sides, new Case("peer-seq", "MB/s", large, LargeBytes * (long)LargeCount / 1e6, 1, report.RunsOf(LargeRuns)), stop);
            }

            if (report.Wants("peers", "peer-small"))
            {
                await MeasureAsync(report, sides, new Case("peer-small", "files/s", small, SmallCount, SmallReaders, report.RunsOf(SmallRuns)), stop);
            }
        }
        finally
        {
            await cluster.DeleteBucketAsync(bucket);
        }
    }

    private static async Task MeasureAsync(BenchmarkReport report, IBucketMount[] sides, Case @case, CancellationToken stop)
    {
        using TempFolder folder = new("peer-list");
        string listing = folder.Combine("names");
        await File.WriteAllLinesAsync(listing, @case.Files.Names, stop);
        List<double>[] cold = [.. sides.Select(_ => new List<double>())];
        List<double>[] warm = [.. sides.Select(_ => new List<double>())];

        // Some rounds of ours first: a service runs for weeks, and the runtime compiles what is hot only then. Of the first six, each
        // took less processor time than the one before.
        for (int run = -WarmUpRounds; run < 0; run++)
        {
            await RoundAsync(sides[0], @case, listing, [], [], stop);
        }

        for (int run = 0; run < @case.Runs; run++)
        {
            for (int i = 0; i < sides.Length; i++)
            {
                int side = (i + run) % sides.Length;
                await RoundAsync(sides[side], @case, listing, cold[side], warm[side], stop);
            }
        }

        Add(report, @case, "cold", sides, cold);
        Add(report, @case, "warm", sides, warm);
    }

    private static async Task RoundAsync(
        IBucketMount side, Case @case, string listing, List<double> cold, List<double> warm, CancellationToken stop)
    {
        await side.MakeColdAsync(stop);
        MountWorkload.DropCaches(namesToo: true);
        Command.Run("ls", "-lR", side.Path);
        MountWorkload.DropCaches();
        cold.Add(@case.Work / await PeerReader.RunAsync(side.Path, listing, @case.Readers, @case.Files));
        await side.SettleAsync();
        MountWorkload.DropCaches();
        warm.Add(@case.Work / await PeerReader.RunAsync(side.Path, listing, @case.Readers, @case.Files));
    }

    private static void Add(BenchmarkReport report, Case @case, string state, IBucketMount[] sides, List<double>[] rates)
    {
        double[] medians = [.. rates.Select(BenchmarkReport.Median)];
        string others = string.Join(", ", Enumerable.Range(1, sides.Length - 1).Select(side => string.Create(
            CultureInfo.InvariantCulture, $"{sides[side].Name} {medians[side]:F1} {@case.Unit}")));
        Console.WriteLine($"mount      {@case.Name}-{state}: {others}");
        report.Add($"{@case.Name}-{state}", @case.Unit, medians[0], medians.Skip(1).Max(), @case.Runs);
    }

    /// <summary>What is read, by how many readers, and what the whole of it counts.</summary>
    private sealed record Case(string Name, string Unit, PeerFiles Files, double Work, int Readers, int Runs);
}
