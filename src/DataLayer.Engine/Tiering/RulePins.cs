using DataLayer.Core.Identity;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Engine.Tiering;

/// <summary>
/// Whether a rule of the active policy keeps a file's hot copy: asked in the last step before each release, so that no
/// way leads around it, however long ago a plan was made or a list was drawn up. Costs a comparison where no rule of
/// the
/// policy pins, else the file's facts. Any thread.
/// </summary>
internal sealed class RulePins(EngineContext context, FactSource facts, PolicyVersions policies)
{
    private Known? _known;

    /// <summary>Which rule keeps a file hot, in words; null where none does.</summary>
    public async ValueTask<string?> KeeperOfAsync(InodeId inode, CancellationToken cancellationToken)
    {
        Known known = await GetAsync(cancellationToken).ConfigureAwait(false);
        if (known.Policy is not { } policy
            || await context.Tree.GetPathAsync(inode, cancellationToken).ConfigureAwait(false) is not { } path
            || await facts.ReadOneAsync(inode, path, cancellationToken).ConfigureAwait(false) is not { } file)
        {
            return null;
        }

        IReadOnlyDictionary<string, double> fills = PoolFill.Read(context.Hot);
        PolicyMoment moment = new(
            context.Time.GetUtcNow(), fills, PolicyMarks.Next(policy, fills, new HashSet<int>()));
        PlacementDecision decision = policy.Decide(file.Facts, moment);
        return decision.Pin ? $"Rule '{decision.RuleName}' of the policy keeps it hot." : null;
    }

    /// <summary>The active policy where a rule of it pins.</summary>
    private async ValueTask<Known> GetAsync(CancellationToken cancellationToken)
    {
        long stamp = context.Tree.PolicyStamp;
        if (Volatile.Read(ref _known) is { } known && known.Stamp == stamp)
        {
            return known;
        }

        CompiledPolicy? policy = (await policies.GetActiveAsync(cancellationToken).ConfigureAwait(false))?.Policy;
        bool pins = false;
        foreach (PolicyRule rule in policy?.Document.Rules ?? [])
        {
            pins |= rule.Decision.Pin;
        }

        Known made = new(stamp, pins ? policy : null);
        Volatile.Write(ref _known, made);
        return made;
    }

    private sealed record Known(long Stamp, CompiledPolicy? Policy);
}
