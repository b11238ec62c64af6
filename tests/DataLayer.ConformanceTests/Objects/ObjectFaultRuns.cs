using DataLayer.Core.Memory;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Objects.Decorators;
using DataLayer.Storage.Objects.Folders;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Relay;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit.Abstractions;

namespace DataLayer.ConformanceTests.Objects;

/// <summary>Long seeded runs against stores that fail: never wrong bytes, no acknowledged write lost.</summary>
public sealed class ObjectFaultRuns(CephFixture ceph, ITestOutputHelper output) : IClassFixture<CephFixture>
{
    [Theory]
    [InlineData(1, 0.1)]
    [InlineData(2, 0.3)]
    [InlineData(3, 0.6)]
    [InlineData(4, 0.3)]
    public async Task Four_thousand_faulted_calls_on_a_directory_lose_and_falsify_nothing(int seed, double share)
    {
        using TempFolder folder = new("objects");
        using NativeBufferPool buffers = new(64 << 20);
        await using DirectoryObjectStore directory = new(folder.Path, new RequestMeter("test"), buffers, TimeProvider.System);
        FaultyObjectStore faulty = new(directory, seed, share,
            ObjectFault.Unavailable, ObjectFault.LostAcknowledgement, ObjectFault.TimedOut, ObjectFault.TimedOutAfter,
            ObjectFault.Truncated, ObjectFault.Flipped, ObjectFault.Slow);
        ObjectStoreOptions options = new()
        {
            Name = "test",
            Kind = "directory",
            AttemptLimit = 4,
            RetryDelay = TimeSpan.FromMicroseconds(100),
            MaximumRetryDelay = TimeSpan.FromMicroseconds(200),
            RetryBudget = 1_000_000,
        };
        IObjectStore store = new RetryingObjectStore(faulty, new RetryPolicy(options, TimeProvider.System), buffers);
        ObjectStoreModelRun[] runs = [.. Enumerable.Range(0, 4).Select(i => new ObjectStoreModelRun(store, $"r{i}/", (seed * 10) + i))];
        await Task.WhenAll(runs.Select(run => run.RunAsync(1000)));
        foreach (ObjectStoreModelRun run in runs)
        {
            await run.VerifyAsync(directory);
        }

        output.WriteLine($"seed {seed}: {faulty.CallCount} calls below, {faulty.FaultCount} hurt, {runs.Sum(run => run.Answered)} answered, "
            + $"{runs.Sum(run => run.Failed)} failed");
        Assert.True(faulty.FaultCount > 300);
        Assert.True(runs.Sum(run => run.Answered) > 1500);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public async Task A_broken_network_in_front_of_Ceph_loses_and_falsifies_nothing(int seed)
    {
        await using LatencyRelay relay = LatencyRelay.StartWithoutLatency(ceph.Cluster.Address, seed);
        RelayFaultPlan plan = new(seed, 0.2);
        relay.Fault = plan.Next;
        ObjectStoreOptions sound = ceph.Cluster.CreateStoreOptions(endpoint: relay.Endpoint);
        ObjectStoreOptions options = new()
        {
            Name = "default",
            Kind = "s3",
            Endpoint = sound.Endpoint,
            AccessKey = sound.AccessKey,
            SecretKey = sound.SecretKey,
            // Long enough that a busy machine does not time out what the gateway still applies: without a condition, such a
            // late write may come after the next one.
            AttemptTimeout = TimeSpan.FromSeconds(5),
            AttemptLimit = 6,
            RetryDelay = TimeSpan.FromMilliseconds(1),
            MaximumRetryDelay = TimeSpan.FromMilliseconds(5),
            RetryBudget = 1_000_000,
        };
        await using ObjectStoreRegistry registry = new([options], TimeProvider.System, NullLoggerFactory.Instance);
        IObjectStore store = registry.Open("default", ObjectSource.Parse("s3://" + ceph.Bucket), "test");
        ObjectStoreModelRun[] runs = [.. Enumerable.Range(0, 8).Select(i => new ObjectStoreModelRun(store, $"n{seed}-{i}/", (seed * 10) + i))];
        await Task.WhenAll(runs.Select(run => run.RunAsync(150)));
        relay.Fault = _ => RelayFault.None;
        await using ObjectStoreRegistry direct = new([ceph.Cluster.CreateStoreOptions()], TimeProvider.System, NullLoggerFactory.Instance);
        IObjectStore healthy = direct.Open("default", ObjectSource.Parse("s3://" + ceph.Bucket), "check");
        foreach (ObjectStoreModelRun run in runs)
        {
            await run.VerifyAsync(healthy);
        }

        output.WriteLine($"seed {seed}: {plan.Seen} requests, {plan.Hurt} hurt, {runs.Sum(run => run.Answered)} answered, "
            + $"{runs.Sum(run => run.Failed)} failed");
        Assert.True(plan.Hurt > 100);
        Assert.True(runs.Sum(run => run.Answered) > 1000);
    }
}
