using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Commit;

namespace DataLayer.Metadata;

/// <content>Versions of the tiering policy.</content>
public sealed partial class TreeStore
{
    private long _policyStamp;

    /// <summary>
    /// Changes whenever another version may be the active one: what was read of it before may be old.
    /// </summary>
    public long PolicyStamp => Interlocked.Read(ref _policyStamp);

    /// <summary>
    /// Adds a version of the policy, and makes it the active one where asked, in one transaction. The text of the
    /// newest version given again adds nothing.
    /// </summary>
    /// <param name="policy">The version; the caller has checked its text.</param>
    /// <param name="activate">Whether it decides from now on.</param>
    /// <param name="ifActive">The version that must be active now, 0 for none; null for any.</param>
    /// <param name="cancellationToken">Gives up while the change waits.</param>
    /// <returns>The version added, or the newest one where the text is its.</returns>
    /// <exception cref="DataLayerException">Stale: another version is active.</exception>
    public async ValueTask<PolicyVersion> AddPolicyAsync(
        NewPolicy policy, bool activate, long? ifActive, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(policy);
        PolicyVersion added = await ChangeAsync(w => AddPolicy(w, policy, activate, ifActive), cancellationToken)
            .ConfigureAwait(false);
        Interlocked.Increment(ref _policyStamp);
        return added;
    }

    /// <summary>Makes a version the active one; 0 leaves none active.</summary>
    /// <param name="version">The version.</param>
    /// <param name="ifActive">The version that must be active now, 0 for none; null for any.</param>
    /// <param name="cancellationToken">Gives up while the change waits.</param>
    /// <returns>The version; null for none.</returns>
    /// <exception cref="DataLayerException">NotFound; Stale: another version is active.</exception>
    public async ValueTask<PolicyVersion?> ActivatePolicyAsync(
        long version, long? ifActive, CancellationToken cancellationToken)
    {
        PolicyVersion? active = await ChangeAsync(
            w =>
            {
                CheckActive(w, ifActive);
                if (version != 0 && w.Tables.Policies.Find(version) is null)
                {
                    throw NoPolicy(version);
                }

                w.Tables.Policies.Activate(version, w.Now);
                return w.Tables.Policies.Find(version);
            },
            cancellationToken).ConfigureAwait(false);
        Interlocked.Increment(ref _policyStamp);
        return active;
    }

    /// <summary>The active version with its text; null where none is active.</summary>
    public ValueTask<PolicyVersion?> GetActivePolicyAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync(static t => t.Policies.FindActive(), cancellationToken);

    /// <summary>A version with its text.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<PolicyVersion> GetPolicyAsync(long version, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => t.Policies.Find(version) ?? throw NoPolicy(version), cancellationToken);

    /// <summary>Versions, newest first, without their texts.</summary>
    /// <param name="before">Only versions below this number; null from the newest on.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public ValueTask<IReadOnlyList<PolicyVersion>> ListPoliciesAsync(
        long? before, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<PolicyVersion>>(
            t => t.Policies.List(before ?? long.MaxValue, limit), cancellationToken);
    }

    private static PolicyVersion AddPolicy(TreeWriter writer, NewPolicy policy, bool activate, long? ifActive)
    {
        CheckActive(writer, ifActive);
        PolicyVersion? version = writer.Tables.Policies.FindNewest();
        if (version is null || !string.Equals(version.Text, policy.Text, StringComparison.Ordinal))
        {
            version = new PolicyVersion
            {
                Version = writer.Tables.Reserve("policy", 1),
                CreatedNanoseconds = writer.Now,
                Author = policy.Author,
                Comment = policy.Comment,
                Hash = policy.Hash,
                Text = policy.Text,
            };
            writer.Tables.Policies.Add(version);
        }

        if (activate && !version.IsActive)
        {
            writer.Tables.Policies.Activate(version.Version, writer.Now);
            version = version with { IsActive = true, ActivatedNanoseconds = writer.Now };
        }

        return version;
    }

    private static void CheckActive(TreeWriter writer, long? expected)
    {
        if (expected is null)
        {
            return;
        }

        long active = writer.Tables.Policies.FindActive()?.Version ?? 0;
        if (active != expected)
        {
            throw new DataLayerException(
                ErrorCode.Stale,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Version {active} of the policy is active, not {expected} (0 is none): read it, and ask again."));
        }
    }

    private static DataLayerException NoPolicy(long version) =>
        new(
            ErrorCode.NotFound,
            string.Create(CultureInfo.InvariantCulture, $"There is no version {version} of the policy."));
}
