namespace DataLayer.Engine.Peers;

/// <summary>
/// Which node reads what of object stores for all: rendezvous hashing (Thaler and Ravishankar 1998). Immutable.
/// </summary>
/// <remarks>
/// <para>Objects are cut into ranges of <see cref="RangeBytes"/>. Each node's id is hashed together with a range; the
/// range is that node's whose hash is highest. All who know the same ids agree without a word, ranges spread evenly,
/// and a node that comes or goes moves its own share only. A look costs one multiplication or three a node.</para>
/// <para>A range is as long as the engine's largest request by default, so that a request has one owner; small objects
/// have one as a whole. Its size is a constant: nodes must agree on it.</para>
/// </remarks>
internal sealed class PeerRing
{
    /// <summary>What has one owner, bytes.</summary>
    public const int RangeBytes = 8 << 20;

    private const ulong FnvOffset = 0xcbf29ce484222325;
    private const ulong FnvPrime = 0x100000001b3;
    private readonly Peer?[] _peers;
    private readonly ulong[] _hashes;

    /// <summary>A ring of this node and others.</summary>
    public PeerRing(string self, IReadOnlyList<Peer> others)
    {
        _peers = new Peer?[others.Count + 1];
        _hashes = new ulong[others.Count + 1];
        _hashes[0] = Hash(FnvOffset, self);
        for (int i = 0; i < others.Count; i++)
        {
            _peers[i + 1] = others[i];
            _hashes[i + 1] = Hash(FnvOffset, others[i].Node.Id);
        }
    }

    /// <summary>The other nodes, a count.</summary>
    public int OtherCount => _peers.Length - 1;

    /// <summary>What stands for one version of one object; add the range to it.</summary>
    public static ulong HashOf(string store, string key, string etag) =>
        Hash(Hash(Hash(FnvOffset, store) * FnvPrime, key) * FnvPrime, etag);

    /// <summary>Which range of its object a byte is in.</summary>
    public static long RangeOf(long offsetBytes) => offsetBytes / RangeBytes;

    /// <summary>
    /// The node whose a range is, of those that can be asked now; null for this one.
    /// </summary>
    public Peer? OwnerOf(ulong objectHash, long range)
    {
        ulong key = Mix(objectHash + ((ulong)range * 0x9e3779b97f4a7c15));
        Peer? owner = null;
        ulong highest = Mix(key ^ _hashes[0]);
        for (int i = 1; i < _peers.Length; i++)
        {
            ulong score = Mix(key ^ _hashes[i]);
            if (score > highest && _peers[i]!.CanBeAsked)
            {
                highest = score;
                owner = _peers[i];
            }
        }

        return owner;
    }

    /// <summary>FNV-1a over the characters: the same in every process, unlike the text's own hash.</summary>
    private static ulong Hash(ulong hash, string text)
    {
        foreach (char c in text)
        {
            hash = (hash ^ c) * FnvPrime;
        }

        return hash;
    }

    /// <summary>The finalizer of SplitMix64: each bit of the input moves half of the output's.</summary>
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
        value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
        return value ^ (value >> 31);
    }
}
