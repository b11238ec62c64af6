using DataLayer.Core.Cluster;
using DataLayer.Engine.Peers;

namespace DataLayer.Tests.Peers;

/// <summary>Who reads what for all.</summary>
public sealed class PeerRingTests
{
    [Fact]
    public void All_nodes_name_the_same_owner_and_each_has_its_share()
    {
        string[] names = ["a", "b", "c", "d"];
        Dictionary<string, int> shares = [];
        for (int i = 0; i < 4000; i++)
        {
            ulong hash = PeerRing.HashOf("https://s3.example.org/bucket", $"images/{i / 4}.jpg", "0123");
            string[] told = [.. names.Select(n => OwnerOf(n, names, hash, i % 4))];
            Assert.Single(told.Distinct());
            shares[told[0]] = shares.GetValueOrDefault(told[0]) + 1;
        }

        Assert.All(names, n => Assert.InRange(shares[n], 850, 1150));
    }

    [Fact]
    public void A_node_that_goes_moves_its_own_share_only()
    {
        for (int i = 0; i < 1000; i++)
        {
            ulong hash = PeerRing.HashOf("s", $"{i}", "e");
            string before = OwnerOf("a", ["a", "b", "c"], hash, 0);
            string after = OwnerOf("a", ["a", "c"], hash, 0);
            Assert.True(before == after || before == "b");
        }
    }

    [Fact]
    public void Another_version_store_or_range_is_another_matter()
    {
        ulong[] hashes = [PeerRing.HashOf("s", "k", "e"), PeerRing.HashOf("s", "k", "f"), PeerRing.HashOf("t", "k", "e"), PeerRing.HashOf("s", "ke", "")];
        Assert.Equal(hashes.Length, hashes.Distinct().Count());
        Assert.Equal([0L, 0L, 1L], new[] { 0L, PeerRing.RangeBytes - 1, PeerRing.RangeBytes }.Select(PeerRing.RangeOf));
        Assert.True(Enumerable.Range(0, 64).Select(r => OwnerOf("a", ["a", "b"], hashes[0], r)).Distinct().Count() == 2);
    }

    [Fact]
    public void The_nodes_of_a_tree_are_known_by_their_ids_and_asked_where_that_is_safe()
    {
        Nodes nodes = new();
        ClusterNode self = nodes.Self;
        ClusterNode near = new("2", "same") { PeerEndpoint = new Uri("http://127.0.0.1:7071"), Zone = "z" };
        ClusterNode safe = new("3", "same") { PeerEndpoint = new Uri("https://node3:7070") };
        ClusterNode open = new("4", "open") { PeerEndpoint = new Uri("http://node4:7070") };
        ClusterNode mute = new("5", "mute");
        nodes.Live = [self, near, safe, open, mute];
        TreePeers peers = new(nodes, clearText: false);

        Assert.Equal("1", peers.Self.Id);
        Assert.Equal([("2", "same", "z"), ("3", "same", null)], peers.Live.Select(p => (p.Id, p.Name, p.Zone)));
        Assert.Same(peers.Live, peers.Live);
        Assert.Equal(["2", "3", "4"], new TreePeers(nodes, clearText: true).Live.Select(p => p.Id));
        nodes.Live = [self];
        Assert.Empty(peers.Live);
    }

    /// <summary>As the node <paramref name="self"/> sees it.</summary>
    internal static string OwnerOf(string self, IEnumerable<string> names, ulong hash, long range)
    {
        List<Peer> others = [.. names.Where(n => n != self).Select(n => new Peer(new PeerNode(n, null, null), new PeerOptions(), TimeProvider.System))];
        return new PeerRing(self, others).OwnerOf(hash, range)?.Node.Name ?? self;
    }

    private sealed class Nodes : INodeDirectory
    {
        public event EventHandler? Changed
        {
            add { }
            remove { }
        }

        public ClusterNode Self { get; } = new("1", "self") { PeerEndpoint = new Uri("https://node1:7070") };

        public IReadOnlyList<ClusterNode> Live { get; set; } = [];

        public bool IsFenced => false;
    }
}
