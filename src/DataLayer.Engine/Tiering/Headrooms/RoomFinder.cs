using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>
/// Chooses whose hot copies go to make room for shares: in the order in which they go for writers
/// (<see cref="ReleaseOrder"/>). Memory is bounded by what has to go.
/// </summary>
internal static class RoomFinder
{
    /// <summary>Looks at all files.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="policies">The versions of the policy.</param>
    /// <param name="pool">The pool that it is needed in.</param>
    /// <param name="neededBytes">What has to go, bytes with copies.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The files, and what they hold.</returns>
    public static async ValueTask<(IReadOnlyList<string> Paths, long Bytes)> FindAsync(
        FileEngine engine, PolicyVersions policies, string pool, long neededBytes,
        CancellationToken cancellationToken)
    {
        ReleaseOrder order = new(engine.Context, engine.Facts) { Policies = policies };
        ReleaseList list = await order
            .ListAsync(pool, neededBytes, int.MaxValue, cancellationToken)
            .ConfigureAwait(false);
        List<string> paths = [];
        long bytes = 0;
        foreach (ReleaseCandidate file in list.Take([], neededBytes, int.MaxValue))
        {
            // The job that evicts them takes a list with a path on each line.
            if (!file.Path.AsSpan().ContainsAny('\r', '\n'))
            {
                paths.Add(file.Path);
                bytes += file.Bytes;
            }
        }

        return (paths, bytes);
    }
}
