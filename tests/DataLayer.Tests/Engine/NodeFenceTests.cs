using DataLayer.Core.Cluster;
using DataLayer.Core.Errors;

namespace DataLayer.Tests.Engine;

/// <summary>A node whose heartbeats are lost changes nothing, reads on, and goes on where it was once they are back.</summary>
public sealed class NodeFenceTests
{
    [Fact]
    public async Task A_fenced_node_refuses_writes_reads_on_and_goes_on_when_the_fence_lifts()
    {
        Nodes nodes = new();
        await using EngineFixture fixture = await new EngineFixture { Nodes = nodes }.StartAsync();
        byte[] bytes = [.. Enumerable.Range(0, 300_000).Select(i => (byte)i)];
        await fixture.WriteFileAsync("/f", bytes);

        nodes.IsFenced = true;
        DataLayerException[] refused =
        [
            await Assert.ThrowsAsync<DataLayerException>(() => fixture.WriteFileAsync("/g", bytes)),
            await Assert.ThrowsAsync<DataLayerException>(
                async () => await fixture.Engine.OpenFileAsync("/f", write: true, CancellationToken.None)),
        ];
        Assert.All(refused, error => Assert.Equal(ErrorCode.Overloaded, error.Code));
        Assert.Equal(bytes, await fixture.ReadAllAsync("/f"));

        nodes.IsFenced = false;
        await fixture.WriteFileAsync("/g", bytes);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/g"));
    }

    private sealed class Nodes : INodeDirectory
    {
        public event EventHandler? Changed
        {
            add { }
            remove { }
        }

        public ClusterNode Self { get; } = new("0", "self");

        public IReadOnlyList<ClusterNode> Live => [Self];

        public bool IsFenced { get; set; }
    }
}
