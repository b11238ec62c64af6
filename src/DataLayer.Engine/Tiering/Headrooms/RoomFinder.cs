using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>
/// Chooses whose hot copies go to make room: files that an object holds, outside of all reserved shares, not pinned
/// and not excluded by the policy; the longest unread first. Memory is bounded by what has to go.
/// </summary>
internal static class RoomFinder
{
    /// <summary>Looks at all files.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="policy">The active policy, or null.</param>
    /// <param name="neededBytes">What has to go, bytes with copies.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The files, and what they hold.</returns>
    public static async ValueTask<(IReadOnlyList<string> Paths, long Bytes)> FindAsync(
        FileEngine engine, CompiledPolicy? policy, long neededBytes, CancellationToken cancellationToken)
    {
        DateTimeOffset now = engine.Context.Time.GetUtcNow();
        PolicyMoment moment = new(now, PoolFill.Read(engine.Context.Hot), new HashSet<int>());

        // The one that was read last is at the head, to stay where the others suffice.
        PriorityQueue<(string Path, long Bytes), long> chosen = new();
        long sum = 0;
        await foreach (FileFacts file in engine.Facts.ReadAsync("/", cancellationToken).ConfigureAwait(false))
        {
            if (file.State is not (TierState.Premigrated or TierState.Recalling) || file.HotBytes == 0
                || !file.HasObject || file.IsPinned || engine.Context.Shares.Find(file.Path) is not null
                || file.Path.AsSpan().ContainsAny('\r', '\n')
                || policy?.Decide(file, moment) is { } decision && (decision.Exclude || decision.Pin))
            {
                continue;
            }

            long bytes = file.HotBytes * Math.Max(1, file.CopyCount);
            chosen.Enqueue((file.Path, bytes), -(file.AccessedAt ?? file.ModifiedAt).UtcTicks);
            sum += bytes;
            while (chosen.TryPeek(out (string Path, long Bytes) last, out _) && sum - last.Bytes >= neededBytes)
            {
                _ = chosen.Dequeue();
                sum -= last.Bytes;
            }
        }

        List<string> paths = new(chosen.Count);
        while (chosen.TryDequeue(out (string Path, long Bytes) file, out _))
        {
            paths.Add(file.Path);
        }

        paths.Reverse();
        return (paths, sum);
    }
}
