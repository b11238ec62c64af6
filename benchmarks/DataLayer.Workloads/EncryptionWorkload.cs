using System.Diagnostics;
using System.Security.Cryptography;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;
using DataLayer.Workloads.Reporting;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Workloads;

/// <summary>
/// Encrypted contents of the hot tier against the same ones without encryption, on the same targets with the same calls,
/// from a warm page cache: what encryption costs where no disk hides it.
/// </summary>
internal sealed class EncryptionWorkload : IWorkload
{
    private const long LargeBytes = 256L << 20;
    private const int CallBytes = 1 << 20;
    private const int SmallBytes = 16 << 10;
    private const int SmallCount = 8_192;
    private const int Runs = 5;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(CallBytes, pinned: true);

    public string Name => "encryption";

    public async Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        new Random(1).NextBytes(_buffer);
        string root = Directory.CreateTempSubdirectory("datalayer-bench-encryption-").FullName;
        try
        {
            HotTierOptions options = new()
            {
                Pools = [new PoolOptions { Name = "default", Directories = [Path.Combine(root, "a")], ReserveBytes = 0 }],
            };
            await using HotTier tier = await HotTier.OpenAsync(
                options, TimeProvider.System, NullLogger<HotTier>.Instance, cancellationToken);
            tier.Keys.Put(1, RandomNumberGenerator.GetBytes(32));
            Part encrypted = Place(tier, 2, 1);
            Part plain = Place(tier, 3, 0);
            await report.MeasureAsync(
                "write-blocks", "MB/s", Runs, () => WriteAsync(tier, encrypted, cancellationToken),
                () => WriteAsync(tier, plain, cancellationToken));
            await report.MeasureAsync(
                "read-blocks", "MB/s", Runs, () => ReadAsync(tier, encrypted, cancellationToken),
                () => ReadAsync(tier, plain, cancellationToken));
            await report.MeasureAsync(
                "read-blocks-2-readers", "MB/s", Runs, () => ReadByTwoAsync(tier, encrypted, cancellationToken),
                () => ReadByTwoAsync(tier, plain, cancellationToken));
            await report.MeasureAsync(
                "read-16k-random", "reads/s", Runs, () => ReadSmallAsync(tier, encrypted, cancellationToken),
                () => ReadSmallAsync(tier, plain, cancellationToken));
            await report.MeasureAsync(
                "overwrite-16k-random", "writes/s", Runs, () => OverwriteAsync(tier, encrypted, cancellationToken),
                () => OverwriteAsync(tier, plain, cancellationToken));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static Part Place(HotTier tier, long inode, long key)
    {
        ContentId content = new(new InodeId(inode), 1);
        return new Part(content, tier.PlaceStriped(null, content, LargeBytes, key));
    }

    private async Task<double> WriteAsync(HotTier tier, Part part, CancellationToken stop)
    {
        await tier.DeleteAsync(part.Content, part.Placement, stop);
        long start = Stopwatch.GetTimestamp();
        for (long offset = 0; offset < LargeBytes; offset += CallBytes)
        {
            await tier.WriteAsync(part.Content, part.Placement, offset, _buffer, stop);
        }

        double rate = BenchmarkReport.MegabytesPerSecond(LargeBytes, start);
        await tier.FlushAsync(part.Content, part.Placement, stop);
        return rate;
    }

    private async Task<double> ReadAsync(HotTier tier, Part part, CancellationToken stop)
    {
        long start = Stopwatch.GetTimestamp();
        for (long offset = 0; offset < LargeBytes; offset += CallBytes)
        {
            await tier.ReadAsync(part.Content, part.Placement, LargeBytes, offset, _buffer, stop);
        }

        return BenchmarkReport.MegabytesPerSecond(LargeBytes, start);
    }

    private static async Task<double> ReadByTwoAsync(HotTier tier, Part part, CancellationToken stop)
    {
        long start = Stopwatch.GetTimestamp();
        await Parallel.ForAsync(0, 2, stop, async (reader, token) =>
        {
            byte[] buffer = GC.AllocateUninitializedArray<byte>(CallBytes, pinned: true);
            for (long offset = reader * (LargeBytes / 2); offset < (reader + 1) * (LargeBytes / 2); offset += CallBytes)
            {
                await tier.ReadAsync(part.Content, part.Placement, LargeBytes, offset, buffer, token);
            }
        });
        return BenchmarkReport.MegabytesPerSecond(LargeBytes, start);
    }

    private async Task<double> ReadSmallAsync(HotTier tier, Part part, CancellationToken stop)
    {
        Random random = new(3);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < SmallCount; i++)
        {
            long offset = random.NextInt64(LargeBytes / SmallBytes) * SmallBytes;
            await tier.ReadAsync(part.Content, part.Placement, LargeBytes, offset, _buffer.AsMemory(0, SmallBytes), stop);
        }

        return SmallCount / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private async Task<double> OverwriteAsync(HotTier tier, Part part, CancellationToken stop)
    {
        Random random = new(4);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < SmallCount / 4; i++)
        {
            long offset = random.NextInt64(LargeBytes / SmallBytes) * SmallBytes;
            await tier.WriteAsync(part.Content, part.Placement, offset, _buffer.AsMemory(0, SmallBytes), stop);
        }

        double rate = SmallCount / 4 / Stopwatch.GetElapsedTime(start).TotalSeconds;
        await tier.FlushAsync(part.Content, part.Placement, stop);
        return rate;
    }

    private sealed record Part(ContentId Content, StripedPlacement Placement);
}
