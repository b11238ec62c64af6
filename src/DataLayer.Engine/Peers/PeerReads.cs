using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Peers;

/// <summary>Reads a range of a content's object at the object store.</summary>
/// <param name="offsetBytes">Where it starts in the content.</param>
/// <param name="destination">Where the bytes go.</param>
/// <param name="cancellationToken">Gives up.</param>
internal delegate ValueTask<ReadTimes> OriginRead(
    long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken);

/// <summary>
/// Reads of objects by way of the node that reads them for all (<see cref="PeerRing"/>), so that many nodes cost one
/// read of the object store. The store itself is asked where this node is the one, and where the other has not the
/// object, is busy, slow or gone: another node's trouble is a miss, never an error.
/// </summary>
/// <remarks>
/// <para>One request: it waits for its place beside the others (<see cref="Peer.Gate"/>) → asks → the node says that it
/// is at it → the bytes come. Each of the last two has its time, learnt from the node's answers; past it the store is
/// asked as well, into a buffer of ours, and who comes first wins. The other is cancelled, and has ended before its
/// bytes are copied over: nothing writes into the caller's buffer after the call.</para>
/// <para>Hedges are bounded (<see cref="Peer.TrySpendToken"/>). Past the bound, a node that has not even said that it
/// is at it is given up; one that has is waited for: it may wait for a store that is slow for all.</para>
/// <para>What another node asks of this one never comes here, so no request goes on to a third.</para>
/// </remarks>
internal sealed class PeerReads(EngineContext context, PeerParts parts) : IDisposable
{
    private readonly Dictionary<PeerNode, Peer> _peers = [];
    private readonly Lock _lock = new();
    private Known _known = new([], new PeerRing(string.Empty, []));

    /// <summary>The nodes that are asked, and what is known of them.</summary>
    public IReadOnlyList<Peer> Peers
    {
        get
        {
            _ = Ring();
            lock (_lock)
            {
                List<Peer> all = [];
                foreach (PeerNode node in _known.Nodes)
                {
                    if (_peers.TryGetValue(node, out Peer? peer))
                    {
                        all.Add(peer);
                    }
                }

                return all;
            }
        }
    }

    /// <summary>Whether a read would be another node's, all or part of it.</summary>
    public bool WouldAsk(ContentState content, long offsetBytes, int lengthBytes)
    {
        PeerRing ring = Ring();
        if (ring.OtherCount == 0 || SourceOf(content, out string store) is not { } source)
        {
            return false;
        }

        ulong hash = PeerRing.HashOf(store, source.Key, source.ETag);
        long last = PeerRing.RangeOf(offsetBytes + lengthBytes - 1);
        for (long range = PeerRing.RangeOf(offsetBytes); range <= last; range++)
        {
            if (ring.OwnerOf(hash, range) is not null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads an extent of a content's object, each range by way of its node.</summary>
    /// <exception cref="Core.Errors.DataLayerException">As <paramref name="origin"/>.</exception>
    public ValueTask<ReadTimes> ReadAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, Core.Objects.OriginPurpose purpose,
        OriginRead origin, CancellationToken cancellationToken)
    {
        PeerRing ring = Ring();
        if (ring.OtherCount == 0 || SourceOf(content, out string store) is not { } source)
        {
            return origin(offsetBytes, destination, cancellationToken);
        }

        ulong hash = PeerRing.HashOf(store, source.Key, source.ETag);
        List<(Peer? Owner, int LengthBytes)> split = Split(ring, hash, offsetBytes, destination.Length);
        PeerRequest whole = new(store, source.Key, source.ETag, source.SizeBytes, offsetBytes, destination.Length)
        {
            Purpose = purpose,
        };
        return split.Count == 1
            ? ReadPartAsync(split[0].Owner, whole, destination, origin, cancellationToken)
            : ReadPartsAsync(split, whole, destination, origin, cancellationToken);
    }

    public void Dispose()
    {
        lock (_lock)
        {
            foreach (Peer peer in _peers.Values)
            {
                peer.Dispose();
            }

            _peers.Clear();
        }
    }

    /// <summary>The object that holds a content's bytes, where other nodes can know it too; else null.</summary>
    private ObjectReference? SourceOf(ContentState content, out string store)
    {
        FileContent known = content.Content;
        store = string.Empty;
        if (known.Object is not { IsPacked: false } source || known.Attributes.State == TierState.Hot
            || context.Attachments.StoreNameOf(source.AttachmentId) is not { } name)
        {
            return null;
        }

        store = name;
        return source;
    }

    /// <summary>The parts of an extent by owner; what this node reads itself in a row is one.</summary>
    private static List<(Peer? Owner, int LengthBytes)> Split(
        PeerRing ring, ulong hash, long offsetBytes, int lengthBytes)
    {
        List<(Peer? Owner, int LengthBytes)> split = new(2);
        long end = offsetBytes + lengthBytes;
        for (long at = offsetBytes; at < end;)
        {
            long range = PeerRing.RangeOf(at);
            int length = (int)(Math.Min(end, (range + 1) * PeerRing.RangeBytes) - at);
            Peer? owner = ring.OwnerOf(hash, range);
            if (owner is null && split.Count > 0 && split[^1].Owner is null)
            {
                split[^1] = (null, split[^1].LengthBytes + length);
            }
            else
            {
                split.Add((owner, length));
            }

            at += length;
        }

        return split;
    }

    /// <summary>The ring of the nodes that live now; the peers' state is kept while they do.</summary>
    private PeerRing Ring()
    {
        IReadOnlyList<PeerNode> live = parts.Directory.Live;
        Known known = Volatile.Read(ref _known);
        return ReferenceEquals(known.Nodes, live) ? known.Ring : Renew(live);
    }

    private PeerRing Renew(IReadOnlyList<PeerNode> live)
    {
        PeerNode self = parts.Directory.Self;
        lock (_lock)
        {
            List<Peer> others = [];
            HashSet<PeerNode> kept = [];
            foreach (PeerNode node in live)
            {
                if (node.Id == self.Id || node.Endpoint is null
                    || (parts.Options.SameZone && node.Zone != self.Zone) || !kept.Add(node))
                {
                    continue;
                }

                if (!_peers.TryGetValue(node, out Peer? peer))
                {
                    peer = new Peer(node, parts.Options, context.Time);
                    _peers.Add(node, peer);
                }

                others.Add(peer);
            }

            List<PeerNode> gone = [];
            foreach (PeerNode node in _peers.Keys)
            {
                if (!kept.Contains(node))
                {
                    gone.Add(node);
                }
            }

            foreach (PeerNode node in gone)
            {
                _peers.Remove(node); // Requests under way end by themselves; it holds nothing that has to be closed.
            }

            PeerRing ring = new(self.Id, others);
            Volatile.Write(ref _known, new Known(live, ring));
            return ring;
        }
    }

    private async ValueTask<ReadTimes> ReadPartsAsync(
        List<(Peer? Owner, int LengthBytes)> split, PeerRequest whole, Memory<byte> destination, OriginRead origin,
        CancellationToken cancellationToken)
    {
        Task<ReadTimes>[] reads = new Task<ReadTimes>[split.Count];
        int done = 0;
        for (int i = 0; i < reads.Length; i++)
        {
            int length = split[i].LengthBytes;
            PeerRequest part = whole with { OffsetBytes = whole.OffsetBytes + done, LengthBytes = length };
            reads[i] = ReadPartAsync(
                split[i].Owner, part, destination.Slice(done, length), origin, cancellationToken).AsTask();
            done += length;
        }

        // All of them have ended after this, also where one failed: the buffer is the caller's again.
        ReadTimes[] times = await Task.WhenAll(reads).ConfigureAwait(false);
        ReadTimes longest = times[0];
        foreach (ReadTimes one in times)
        {
            longest = one.Total > longest.Total ? one : longest;
        }

        return longest;
    }

    private ValueTask<ReadTimes> ReadPartAsync(
        Peer? owner, PeerRequest request, Memory<byte> destination, OriginRead origin,
        CancellationToken cancellationToken)
    {
        if (owner is null)
        {
            return origin(request.OffsetBytes, destination, cancellationToken);
        }

        PeerTurn turn = new(context, owner, parts, request, destination, origin);
        return turn.RunAsync(cancellationToken);
    }

    private sealed record Known(IReadOnlyList<PeerNode> Nodes, PeerRing Ring);
}
