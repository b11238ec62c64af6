using System.Globalization;
using System.Text.RegularExpressions;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;
using DataLayer.Storage.Stripes.Rados;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Processes;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.ConformanceTests.Targets;

/// <summary>What goes wrong below a hot tier in Ceph: kills of the service and of daemons, a full pool, a client shut out.</summary>
[Collection("rados")]
public sealed partial class RadosFaultTests(RadosFixture rados) : IClassFixture<RadosFixture>
{
    /// <summary>How often a condition of the cluster is looked at: it tells of no change by itself.</summary>
    private static readonly TimeSpan _look = TimeSpan.FromMilliseconds(50);
    private const int LimitBytes = RadosLoad.LimitBytes;

    [Fact]
    public async Task A_service_killed_between_any_two_changes_loses_nothing_it_wrote()
    {
        HashSet<string> steps = [];
        for (int run = 0; run < 10; run++)
        {
            string address = rados.NextAddress();
            int seed = 100 + run;
            List<string> lines = await RunKilledAsync(address, seed, 1 + (run * 4));
            byte[] expected = new byte[LimitBytes];
            string? open = Replay(expected, lines);
            byte[] found = new byte[LimitBytes];
            await using HotTier tier = await OpenAsync(address);
            ContentId content = Content(1);
            StripedPlacement placement = tier.PlaceStriped(null, content, LimitBytes);
            try
            {
                await tier.ReadAsync(content, placement, LimitBytes, 0, found, default);
            }
            catch (DataLayerException fault) when (fault.Code == ErrorCode.NotFound && run == 0)
            {
                // Killed before the first column was made.
            }

            Check(expected, found, open, $"seed {seed}: {lines[^1]}, {open}");
            steps.Add(lines[^1]);
        }

        Assert.True(steps.Count >= 4, string.Join(", ", steps));
    }

    [Fact]
    public async Task An_encrypted_content_is_read_changed_and_cut_and_stands_nowhere_in_the_pool()
    {
        string address = rados.NextAddress();
        string canary = "canary-of-the-content-4711;";
        byte[] bytes = [.. Enumerable.Range(0, (6 << 20) + 777).Select(at => (byte)canary[at % canary.Length])];
        byte[] key = new byte[32];
        new Random(1).NextBytes(key);
        ContentId content = Content(1);
        StripedPlacement placement;
        await using (HotTier tier = await OpenAsync(address))
        {
            tier.Keys.Put(3, key);
            placement = tier.PlaceStriped(null, content, bytes.Length, 3);
            await tier.WriteAsync(content, placement, 0, bytes, default);
            await tier.FlushAsync(content, placement, default);
            await tier.WriteAsync(content, placement, 1_000_000, bytes.AsMemory(5, 100_000), default);
            bytes.AsSpan(5, 100_000).ToArray().CopyTo(bytes, 1_000_000);
            await tier.TruncateAsync(content, placement, 5_000_001, default);
            await tier.TruncateAsync(content, placement, bytes.Length, default);
            bytes.AsSpan(5_000_001).Clear();
            await tier.PunchAsync(content, placement, 2 << 20, 1 << 20, default);
            bytes.AsSpan(2 << 20, 1 << 20).Clear();
            await tier.FlushAsync(content, placement, default);
        }

        await using HotTier again = await OpenAsync(address);
        byte[] read = new byte[bytes.Length];
        DataLayerException missing = await Assert.ThrowsAsync<DataLayerException>(
            async () => await again.ReadAsync(content, placement, read.Length, 0, read, default));
        Assert.Contains("erased", missing.Message, StringComparison.Ordinal);
        again.Keys.Put(3, key);
        await again.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes.Length, read.AsSpan().CommonPrefixLength(bytes));
        Assert.Empty((await again.ScrubAsync(content, placement, read.Length, default)).BadRanges);
        using TempFolder folder = new("rados-sealed");
        string space = RadosAddress.Parse(address).Namespace;
        int objects = 0;
        foreach (string name in (await rados.Cluster.RunRadosAsync("-p", rados.Pool, "-N", space, "ls")).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string copy = folder.Combine("copy");
            await rados.Cluster.RunRadosAsync("-p", rados.Pool, "-N", space, "get", name, copy);
            Assert.Equal(-1, (await File.ReadAllBytesAsync(copy)).AsSpan().IndexOf("canary-of-the"u8));
            objects++;
        }

        Assert.True(objects >= 3, $"{objects} objects");
    }

    [Fact]
    public async Task An_OSD_that_dies_under_load_and_comes_back_empty_costs_no_byte()
    {
        string address = rados.NextAddress();
        HashSet<ErrorCode> faults = [];
        int[] flushed = new int[4];
        byte[][] known = [.. Enumerable.Range(0, 4).Select(_ => new byte[LimitBytes])];
        await using (HotTier tier = await OpenAsync(address))
        {
            using CancellationTokenSource stop = new();
            Task[] workers = [.. Enumerable.Range(0, 4).Select(worker => Task.Run(() => WorkAsync(tier, worker, stop.Token)))];
            await WaitForAsync(2);
            await rados.Cluster.KillOsdAsync(1);
            await WaitForAsync(2);
            await rados.Cluster.StartOsdAsync(1);
            await WaitUntilActiveAsync();
            await WaitForAsync(2);
            await stop.CancelAsync();
            await Task.WhenAll(workers);
        }

        await using HotTier again = await OpenAsync(address);
        for (int worker = 0; worker < known.Length; worker++)
        {
            byte[] found = new byte[LimitBytes];
            ContentId content = Content(10 + worker);
            await again.ReadAsync(content, again.PlaceStriped(null, content, LimitBytes), LimitBytes, 0, found, default);
            Assert.True(found.AsSpan().SequenceEqual(known[worker]), $"worker {worker}");
        }

        // Flushed work after work, on all of them.
        async Task WaitForAsync(int more)
        {
            int[] goal = [.. flushed.Select((_, i) => Volatile.Read(ref flushed[i]) + more)];
            while (Enumerable.Range(0, goal.Length).Any(i => Volatile.Read(ref flushed[i]) < goal[i]))
            {
                await Task.Delay(_look);
            }
        }

        async Task WorkAsync(HotTier tier, int worker, CancellationToken stop)
        {
            ContentId content = Content(10 + worker);
            StripedPlacement placement = tier.PlaceStriped(null, content, LimitBytes);
            Random random = new(worker);
            byte[] read = new byte[300_000];
            while (!stop.IsCancellationRequested)
            {
                int at = random.Next(LimitBytes - 300_000);
                byte[] bytes = new byte[300_000];
                random.NextBytes(bytes);
                await tier.WriteAsync(content, placement, at, bytes, default);
                bytes.CopyTo(known[worker], at);
                await tier.FlushAsync(content, placement, default);
                at = random.Next(LimitBytes - 300_000);
                await tier.ReadAsync(content, placement, LimitBytes, at, read, default);
                Assert.True(read.AsSpan().SequenceEqual(known[worker].AsSpan(at, read.Length)), $"worker {worker} at {at}");
                Interlocked.Increment(ref flushed[worker]);
            }
        }
    }

    [Fact]
    public async Task A_pool_at_its_quota_is_NoSpace_loses_nothing_and_takes_writes_again()
    {
        string pool = await rados.Cluster.CreatePoolAsync("quota");
        await using HotTier tier = await OpenAsync(rados.AddressOf("n", pool));
        await rados.Cluster.RunCephAsync("osd", "pool", "set-quota", pool, "max_bytes", "12000000");
        byte[] bytes = new byte[4_000_000];
        new Random(1).NextBytes(bytes);
        List<long> written = [];
        DataLayerException? fault = null;
        for (long inode = 20; fault is null; inode++)
        {
            ContentId content = Content(inode);
            try
            {
                StripedPlacement placement = tier.PlaceStriped(null, content, bytes.Length);
                await tier.WriteAsync(content, placement, 0, bytes, default);
                await tier.FlushAsync(content, placement, default);
                written.Add(inode);
                Assert.True(written.Count < 500, "The quota does nothing.");
            }
            catch (DataLayerException full)
            {
                fault = full;
            }
        }

        Assert.Equal(ErrorCode.NoSpace, fault.Code);
        Assert.Contains(pool, fault.Message, StringComparison.Ordinal);
        Assert.True(written.Count >= 2, $"{written.Count}");
        await CheckAsync(written[0]);
        await CheckAsync(written[^1]);
        Assert.Equal("ok", tier.GetTargets()[0].State);
        foreach (long inode in written)
        {
            await tier.DeleteAsync(Content(inode), new StripedPlacement("default", 1 << 20, 1, 1, [0]), default);
        }

        await rados.Cluster.RunCephAsync("osd", "pool", "set-quota", pool, "max_bytes", "0");
        for (int tries = 0; ; tries++)
        {
            try
            {
                await tier.CheckTargetsAsync(default);
                ContentId content = Content(19);
                await tier.WriteAsync(content, tier.PlaceStriped(null, content, bytes.Length), 0, bytes, default);
                break;
            }
            catch (DataLayerException full) when (full.Code == ErrorCode.NoSpace && tries < 600)
            {
                await Task.Delay(_look); // The monitor takes the flag away at its next look.
            }
        }

        await CheckAsync(19);

        async Task CheckAsync(long inode)
        {
            byte[] read = new byte[bytes.Length];
            await tier.ReadAsync(
                Content(inode), new StripedPlacement("default", 1 << 20, 1, 1, [0]), bytes.Length, 0, read, default);
            Assert.Equal(bytes, read);
        }
    }

    [Fact]
    public async Task A_blocklisted_client_is_told_so_and_changes_nothing_and_a_new_one_works()
    {
        string address = rados.NextAddress();
        RadosTarget? target = null;
        await using HotTier tier = await OpenAsync(address, made => target = (RadosTarget)made);
        ContentId content = Content(30);
        StripedPlacement placement = tier.PlaceStriped(null, content, LimitBytes);
        await tier.WriteAsync(content, placement, 0, new byte[5_000_000], default);
        await tier.FlushAsync(content, placement, default);
        string name = target!.ClientAddress;
        await rados.Cluster.RunCephAsync("osd", "blocklist", "add", name);
        DataLayerException fault;
        do
        {
            fault = await Record.ExceptionAsync(async () => await tier.WriteAsync(
                content, placement, 0, new byte[100_000], default)) as DataLayerException
                ?? new DataLayerException(ErrorCode.Internal, string.Empty);
        }
        while (fault.Code == ErrorCode.Internal); // Until the daemon has heard of it.
        Assert.Equal(ErrorCode.TargetFailed, fault.Code);
        Assert.Contains("blocklisted this client", fault.Message, StringComparison.Ordinal);
        await tier.CheckTargetsAsync(default);
        Assert.Equal("missing", tier.GetTargets()[0].State);
        Assert.Contains(name, tier.GetTargets()[0].Fault!, StringComparison.Ordinal);
        await using HotTier other = await OpenAsync(address); // A new client, as after a restart.
        byte[] read = new byte[5_000_000];
        await other.ReadAsync(content, placement, LimitBytes, 0, read, default);
        Assert.Equal(new byte[5_000_000], read);
    }

    private static ContentId Content(long inode) => new(new InodeId(inode), 1);

    private static ValueTask<HotTier> OpenAsync(string address, Action<object>? made = null) => HotTier.OpenAsync(
        new HotTierOptions
        {
            DecorateTarget = target =>
            {
                made?.Invoke(target);
                return target;
            },
            Pools = [new PoolOptions { Name = "default", Directories = [], Rados = [address], ReserveBytes = 0 }],
            FenceTime = TimeSpan.Zero,
            CheckInterval = TimeSpan.FromHours(1),
        }, TimeProvider.System, NullLogger<HotTier>.Instance, default);

    private async Task WaitUntilActiveAsync()
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        while (!Active().IsMatch(await rados.Cluster.RunCephAsync("osd", "stat"))
            || (await rados.Cluster.RunCephAsync("pg", "stat")).Contains("degraded", StringComparison.Ordinal))
        {
            await Task.Delay(_look, limit.Token);
        }
    }

    [GeneratedRegex("2 osds: 2 up")]
    private static partial Regex Active();

    private static async Task<List<string>> RunKilledAsync(string address, int seed, int killAtStep)
    {
        string program = BuiltProgram.Find("DataLayer.TestProcess", "DataLayer.TestProcess");
        CultureInfo plain = CultureInfo.InvariantCulture;
        using System.Diagnostics.Process process = Command.Start(
            "dotnet", [program, "rados-load", address, seed.ToString(plain), killAtStep.ToString(plain)], environment: null);
        OrphanWatch.Add(process.Id);
        Task<string> error = process.StandardError.ReadToEndAsync();
        List<string> lines = [];
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.EndsWith(" .", StringComparison.Ordinal))
            {
                lines.Add(line[..^2]);
            }
        }

        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 137, $"The load ended by itself, {process.ExitCode}: {await error}");
        return lines;
    }

    /// <summary>Applies what was acknowledged; returns the change under way, or null.</summary>
    private static string? Replay(byte[] bytes, List<string> lines)
    {
        string? open = null;
        foreach (string line in lines.Where(line => line[0] is '>' or '<'))
        {
            open = line[0] == '>' ? line[2..] : null;
            if (open is null)
            {
                Apply(bytes, line[2..]);
            }
        }

        return open;
    }

    private static void Apply(byte[] bytes, string change)
    {
        int[] numbers = [.. change.Split(' ')[1..].Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
        if (change[0] == 'w')
        {
            bytes.AsSpan(numbers[0], numbers[1]).Fill((byte)numbers[2]);
        }
        else if (change[0] == 't')
        {
            bytes.AsSpan(numbers[0]).Clear();
        }
    }

    /// <summary>Of a write under way each byte is old or new; a cut under way is made or not.</summary>
    private static void Check(byte[] expected, byte[] found, string? open, string what)
    {
        byte[] after = (byte[])expected.Clone();
        if (open is not null)
        {
            Apply(after, open);
        }

        if (open is null || open[0] != 'w')
        {
            Assert.True(found.AsSpan().SequenceEqual(expected) || found.AsSpan().SequenceEqual(after), what);
            return;
        }

        for (int i = 0; i < found.Length; i++)
        {
            Assert.True(found[i] == expected[i] || found[i] == after[i], $"{what}: byte {i}");
        }
    }
}
