using System.Collections;
using DataLayer.Core.Cluster;
using DataLayer.Metadata.Nodes;
using DataLayer.Server.Configuration;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

/// <summary>Section <c>node</c> of a configuration, and the id that a state directory keeps.</summary>
public sealed class NodeSectionTests
{
    [Theory]
    [InlineData("node: {role: reader}", "node.role")]
    [InlineData("node: {role: owner}", "node.role")]
    [InlineData("node: {endpoint: nowhere}", "node.endpoint")]
    [InlineData("node: {endpoint: 'ftp://host'}", "node.name")]
    [InlineData("node: {heartbeat: 20s}", "node.name")]
    public void A_node_that_cannot_be_is_named_with_its_place(string text, string place)
    {
        ConfigurationResult result = ServerConfigurationReader.ReadText(text, "test.yaml", new Hashtable());

        Assert.Null(result.Configuration);
        Assert.Contains(result.Reading.Problems, p => p.Key == place);
    }

    [Fact]
    public void A_reader_of_a_tree_in_PostgreSQL_opens_it_to_read()
    {
        ConfigurationResult result = ServerConfigurationReader.ReadText(
            "metadata: {kind: postgres}\nnode: {role: reader, name: n, zone: z, endpoint: 'http://n:7070'}", "test.yaml", new Hashtable());

        NodeOptions node = result.Configuration!.Node;
        Assert.Equal((NodeRole.Reader, "n", "z", new Uri("http://n:7070")), (node.Role, node.Name, node.Zone, node.PeerEndpoint));
        Assert.True(result.Configuration.Tree.IsReader);
    }

    [Fact]
    public void A_state_directory_keeps_its_nodes_id()
    {
        using TempFolder one = new("node");
        using TempFolder other = new("node");
        NodeOptions options = new() { Id = new string('0', 32) };

        string id = NodeSection.Identify(options, one.Path).Id;

        Assert.Equal(id, NodeSection.Identify(options, one.Path).Id);
        Assert.NotEqual(id, NodeSection.Identify(options, other.Path).Id);
        (options with { Id = id }).Validate();
    }
}
