using System.Diagnostics;
using System.Globalization;
using DataLayer.EndToEndTests.Load;
using DataLayer.Protocol.Http;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Budgets;

/// <summary>
/// The process's resident memory stays within its budget while random reads go over a dataset five times as large.
/// <c>DATALAYER_MEMORY_SECONDS=600 HANG_TIMEOUT=15min eng/test --filter …</c> runs the ten minutes of the promise.
/// </summary>
public sealed class MemoryBudgetTests(ITestOutputHelper output)
{
    private const long BudgetBytes = 384L << 20;
    private const int FileBytes = 16 << 20;
    private const int Readers = 8;
    private const int ReadBytes = 256 << 10;

    [Fact]
    public async Task Resident_memory_stays_within_the_budget_and_fifteen_percent()
    {
        var seed = TestSeed.Take(output);
        var duration = TimeSpan.FromSeconds(TestSeed.Count("DATALAYER_MEMORY_SECONDS", 60));
        var fileCount = (int)(BudgetBytes * 5 / FileBytes);
        await using var it = await Installation.StartAsync(s => s with { ProcessBytes = BudgetBytes, MemoryBytes = null });
        var source = it.Folder.MakeFolder("source");
        for (var i = 0; i < fileCount; i++)
        {
            await File.WriteAllBytesAsync($"{source}/f{i}", FileOf(i).ToBytes());
        }

        await it.Client.Admin.AttachAsync(new AttachCommand { Source = $"file://{source}", Path = "/data", Store = "files" });
        var (peak, reads) = (0L, 0L);
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Readers).Select(reader => Task.Run(async () =>
        {
            var random = new Random((seed * 100) + reader);
            var buffer = new byte[ReadBytes];
            while (clock.Elapsed < duration)
            {
                var (file, offset) = (random.Next(fileCount), random.Next(FileBytes - ReadBytes));
                var count = await it.Client.ReadAtAsync($"/data/f{file}", offset, buffer);
                Assert.Equal(ReadBytes, count);
                Assert.True(buffer.AsSpan().SequenceEqual(FileOf(file).Slice(offset, ReadBytes)), $"wrong bytes of f{file} at {offset}");
                Interlocked.Increment(ref reads);
                var resident = it.Service.ResidentBytes;
                for (var seen = Volatile.Read(ref peak); resident > seen; seen = Volatile.Read(ref peak))
                {
                    Interlocked.CompareExchange(ref peak, resident, seen);
                }
            }
        })));
        output.WriteLine(string.Join(", ", File.ReadLines($"/proc/{it.Service.ProcessId}/status").Where(line => line.StartsWith("Rss", StringComparison.Ordinal)).Select(line => line.Replace("\t", " ", StringComparison.Ordinal))));
        var statistics = await it.Client.Admin.GetStatisticsAsync();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{reads} reads in {clock.Elapsed.TotalSeconds:F0} s, budget {BudgetBytes >> 20} MiB, peak {peak >> 20} MiB ({100.0 * peak / BudgetBytes:F1} %), "
            + $"cache {statistics.Cache.UsedBytes >> 20} of {statistics.Cache.CapacityBytes >> 20} MiB, managed {statistics.Process.ManagedBytes >> 20} MiB"));
        Assert.InRange(peak, 1, BudgetBytes + (BudgetBytes * 15 / 100));
        Assert.True(statistics.Cache.UsedBytes > BudgetBytes / 8, "The cache should have been in use.");
    }

    private static Content FileOf(int file) => new((ulong)file + 1, FileBytes);
}
