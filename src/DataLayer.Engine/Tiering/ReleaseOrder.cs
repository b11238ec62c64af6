using System.Collections.Immutable;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Engine.Tiering;

/// <summary>
/// Which hot copies go first where somebody needs their room: those that the active policy wants released, heaviest
/// rule first; then those that it says nothing of, coldest first and of equals the longest unread; last those that it
/// wants hot. Pinned files and excluded ones never go, nor does what no object holds or a headroom keeps.
/// </summary>
/// <remarks>One look reads the facts of all files (a page at a time) and keeps the first: so many, or so many bytes.
/// </remarks>
internal sealed class ReleaseOrder(EngineContext context, FactSource facts)
{
    /// <summary>Files that one look keeps, a count.</summary>
    public const int MaxFiles = 20_000;

    /// <summary>The versions of the policy; null where none decides.</summary>
    public PolicyVersions? Policies { get; set; }

    /// <summary>Looks at all files for a writer that needs room, and for those after it.</summary>
    public ValueTask<ReleaseList> ListAsync(string pool, CancellationToken cancellationToken) =>
        ListAsync(pool, long.MaxValue, MaxFiles, cancellationToken);

    /// <summary>Looks at all files.</summary>
    /// <param name="pool">The pool whose room is needed.</param>
    /// <param name="neededBytes">How much of it: no more files are kept than hold that.</param>
    /// <param name="maxFiles">And no more than so many.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async ValueTask<ReleaseList> ListAsync(
        string pool, long neededBytes, int maxFiles, CancellationToken cancellationToken)
    {
        CompiledPolicy? policy = Policies is null
            ? null
            : (await Policies.GetActiveAsync(cancellationToken).ConfigureAwait(false))?.Policy;
        IReadOnlyDictionary<string, double> fills = PoolFill.Read(context.Hot);
        PolicyMoment moment = new(
            context.Time.GetUtcNow(), fills,
            policy is null ? new HashSet<int>() : PolicyMarks.Next(policy, fills, new HashSet<int>()));

        // The file that goes last is at the head, to be dropped when there are too many.
        PriorityQueue<FileFacts, (int, double, long)> first = new(
            Comparer<(int, double, long)>.Create(static (a, b) => b.CompareTo(a)));
        long releasable = 0;
        long listed = 0;
        long kept = 0;
        long only = 0;
        bool isCut = false;
        await foreach (FileFacts file in facts.ReadAsync("/", cancellationToken).ConfigureAwait(false))
        {
            if (file.HotBytes == 0 || file.Pool != pool)
            {
                continue;
            }

            long bytes = file.HotCopiesBytes;
            if (!file.HasObject || file.State == TierState.Hot)
            {
                only += bytes;
                continue;
            }

            PlacementDecision decision = policy?.Decide(file, moment) ?? PlacementDecision.None;
            if (file.IsPinned || decision.Pin || decision.Exclude || context.Shares.Find(file.Path) is not null)
            {
                kept += bytes;
                continue;
            }

            releasable += bytes;
            listed += bytes;
            first.Enqueue(file, RankOf(file, decision));
            while (first.Count > maxFiles
                || (listed > neededBytes && listed - first.Peek().HotCopiesBytes >= neededBytes))
            {
                listed -= first.Dequeue().HotCopiesBytes;
                isCut = true;
            }
        }

        ReleaseCandidate[] ordered = new ReleaseCandidate[first.Count];
        for (int i = ordered.Length - 1; i >= 0; i--)
        {
            FileFacts file = first.Dequeue();
            ordered[i] = new ReleaseCandidate(file.Inode, file.Path, file.HotCopiesBytes, TargetsOf(file.Placement!));
        }

        return new ReleaseList([.. ordered], releasable, kept, only, isCut);
    }

    private static ImmutableArray<int> TargetsOf(string placement) => PlacementText.Parse(placement) switch
    {
        StripedPlacement striped => striped.Targets,
        SegmentPlacement record => record.Targets,
        _ => [],
    };

    private static (int Wish, double Order, long Used) RankOf(in FileFacts file, PlacementDecision decision)
    {
        int wish = decision.Place switch
        {
            PlacementTier.Release => 0,
            PlacementTier.Hot => 2,
            _ => 1,
        };
        long used = (file.AccessedAt ?? file.ModifiedAt).UtcTicks;
        return (wish, wish == 0 ? -decision.Weight : file.Heat, used);
    }

}
