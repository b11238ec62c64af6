using DataLayer.Core.Cluster;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Nodes;
using DataLayer.TestSupport.Postgres;
using DataLayer.TestSupport.Trees;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Nodes of one tree: who is alive, who is fenced, who waits for whom. Waits are for conditions, never for times.</summary>
public sealed class NodeRegistryTests
{
    private static readonly TimeSpan _look = TimeSpan.FromMilliseconds(10);
    private static readonly string _a = new('a', 32);
    private static readonly string _b = new('b', 32);

    [Fact]
    public async Task Nodes_see_each_other_come_and_go()
    {
        await using TreeFixture fixture = await TreeFixture.OpenAsync((await PostgresServer.GetSharedAsync()).NewTree());
        await using NodeRegistry first = await JoinAsync(fixture, _a, NodeRole.Writer);
        int changes = 0;
        first.Changed += (_, _) => Interlocked.Increment(ref changes);
        NodeRegistry second = await JoinAsync(fixture, _b, NodeRole.Reader);

        await UntilAsync(() => first.Live.Count == 2);
        Assert.Equal([_a, _b], second.Live.Select(n => n.Id));
        Assert.Equal(second.Self, first.Live[1]);
        Assert.Equal((NodeRole.Reader, "east", new Uri("http://node-b:7070")), (second.Self.Role, second.Self.Zone, second.Self.PeerEndpoint));
        IReadOnlyList<NodeStatus> listed = await fixture.Tree.ListNodesAsync(default);
        Assert.Equal([(_a, 1L), (_b, 1L)], listed.Select(n => (n.Node.Id, n.Node.Epoch)));
        Assert.All(listed, n => Assert.True(n.IsLive));

        await second.DisposeAsync();
        await UntilAsync(() => first.Live.Count == 1);
        await UntilAsync(() => Volatile.Read(ref changes) >= 2);
        Assert.Equal([_a], (await fixture.Tree.ListNodesAsync(default)).Select(n => n.Node.Id));
    }

    [Fact]
    public async Task A_node_whose_heartbeats_are_lost_is_fenced_until_they_are_back()
    {
        await using PostgresServer server = await PostgresServer.StartAsync(isDurable: false);
        await using TreeFixture fixture = await TreeFixture.OpenAsync(server.NewTree());
        await using NodeRegistry first = await JoinAsync(fixture, _a, NodeRole.Writer, expiryMilliseconds: 400);
        await using NodeRegistry second = await JoinAsync(fixture, _b, NodeRole.Reader);
        await UntilAsync(() => first.Live.Count == 2);

        await server.StopAsync();
        await UntilAsync(() => first.IsFenced && first.Live.Count == 1);
        await server.StartAgainAsync();

        await UntilAsync(() => !first.IsFenced && first.Live.Count == 2);
        Assert.Equal(1, first.Self.Epoch);
    }

    [Fact]
    public async Task A_service_under_the_same_id_fences_the_one_before_for_good()
    {
        await using TreeFixture fixture = await TreeFixture.OpenAsync((await PostgresServer.GetSharedAsync()).NewTree());
        await using NodeRegistry writer = await JoinAsync(fixture, _a, NodeRole.Writer);
        await using NodeRegistry first = await JoinAsync(fixture, _b, NodeRole.Reader);
        await using NodeRegistry second = await JoinAsync(fixture, _b, NodeRole.Reader);

        await UntilAsync(() => first.IsFenced);
        Assert.Equal([first.Self], first.Live);
        Assert.Equal((1, 2), (first.Self.Epoch, second.Self.Epoch));
        Assert.False(second.IsFenced);
        await first.DisposeAsync();
        Assert.Equal([_a, _b], (await fixture.Tree.ListNodesAsync(default)).Select(n => n.Node.Id));
    }

    [Fact]
    public async Task A_writer_joins_only_when_the_one_before_it_is_fenced()
    {
        await using TreeFixture fixture = await TreeFixture.OpenAsync((await PostgresServer.GetSharedAsync()).NewTree());
        await using NodeRegistry before = await JoinAsync(fixture, _a, NodeRole.Writer, expiryMilliseconds: 600);

        // The tree changes hands while the heartbeats of the one before still reach the database.
        await fixture.ReopenAsync();
        await using NodeRegistry after = await JoinAsync(fixture, _b, NodeRole.Writer);

        Assert.True(before.IsFenced);
        Assert.False(after.IsFenced);
    }

    [Fact]
    public async Task A_tree_in_a_file_has_one_node()
    {
        await using TreeFixture fixture = await TreeFixture.OpenAsync();
        INodeDirectory sole = await NodeRegistry.JoinAsync(
            fixture.Tree, new NodeOptions { Id = _a }, TimeProvider.System, NullLogger<NodeRegistry>.Instance, default);

        Assert.Equal([sole.Self], sole.Live);
        Assert.False(sole.IsFenced);
        Assert.Empty(await fixture.Tree.ListNodesAsync(default));
        await Assert.ThrowsAsync<DataLayerException>(async () => await NodeRegistry.JoinAsync(
            fixture.Tree, new NodeOptions { Id = "x", Expiry = TimeSpan.FromSeconds(6) }, TimeProvider.System,
            NullLogger<NodeRegistry>.Instance, default));
    }

    private static async Task<NodeRegistry> JoinAsync(TreeFixture fixture, string id, NodeRole role, int expiryMilliseconds = 20_000) =>
        (NodeRegistry)await NodeRegistry.JoinAsync(
            fixture.Tree,
            new NodeOptions
            {
                Id = id,
                Name = "node-" + id[0],
                Role = role,
                Zone = "east",
                PeerEndpoint = new Uri($"http://node-{id[0]}:7070"),
                Heartbeat = TimeSpan.FromMilliseconds(100),
                Expiry = TimeSpan.FromMilliseconds(expiryMilliseconds),
            },
            TimeProvider.System, NullLogger<NodeRegistry>.Instance, default);

    internal static async Task UntilAsync(Func<bool> condition)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromMinutes(1));
        while (!condition())
        {
            await Task.Delay(_look, patience.Token);
        }
    }
}
