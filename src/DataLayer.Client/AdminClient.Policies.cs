using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <content>Versions of the tiering policy.</content>
public sealed partial class AdminClient
{
    /// <summary>Adds a version of the policy, active at once unless told otherwise.</summary>
    /// <returns>The version with its warnings; the newest one where the text is its.</returns>
    /// <exception cref="DataLayerException">InvalidArgument: the document has errors, all of them in the message,
    /// and nothing changed. Stale: another version is active.</exception>
    public ValueTask<PolicyStatus> SetPolicyAsync(
        SetPolicyCommand command, CancellationToken cancellationToken = default) =>
        PostAsync(
            ApiRoutes.Policies, command, ProtocolJson.Default.SetPolicyCommand, ProtocolJson.Default.PolicyStatus,
            RetryMode.WhenNotExecuted, cancellationToken);

    /// <summary>A version of the policy with its text; null for the active one.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<PolicyStatus> GetPolicyAsync(
        long? version = null, CancellationToken cancellationToken = default) =>
        GetAsync(
            $"{ApiRoutes.Policies}/{VersionText(version)}", ProtocolJson.Default.PolicyStatus, cancellationToken);

    /// <summary>Versions below a number (null: from the newest on), newest first, without their texts.</summary>
    public ValueTask<PolicyPage> ListPoliciesAsync(
        long? before = null, int limit = 100, CancellationToken cancellationToken = default) =>
        GetAsync(
            string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Policies}?limit={limit}")
                + (before is null ? string.Empty : string.Create(CultureInfo.InvariantCulture, $"&before={before}")),
            ProtocolJson.Default.PolicyPage, cancellationToken);

    /// <summary>Makes a version the active one, an older one too; 0 leaves none active.</summary>
    /// <exception cref="DataLayerException">NotFound. Stale: another version is active.</exception>
    public ValueTask ActivatePolicyAsync(
        long version, long? ifActive = null, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            ApiRoutes.Policies + "/activate", new ActivatePolicyCommand { Version = version, IfActive = ifActive },
            ProtocolJson.Default.ActivatePolicyCommand, RetryMode.WhenNotExecuted, cancellationToken);

    /// <summary>Everything that is wrong with a document, at once.</summary>
    public ValueTask<PolicyCheckReport> CheckPolicyAsync(string text, CancellationToken cancellationToken = default) =>
        PostAsync(
            ApiRoutes.Policies + "/check", new CheckPolicyCommand { Text = text },
            ProtocolJson.Default.CheckPolicyCommand, ProtocolJson.Default.PolicyCheckReport, RetryMode.Always,
            cancellationToken);

    /// <summary>Which rule decides about a file, and why each one before it does not.</summary>
    /// <exception cref="DataLayerException">NotFound: no such version, or none is active. InvalidArgument: the
    /// document given has errors.</exception>
    public ValueTask<PolicyExplanationReport> ExplainPolicyAsync(
        ExplainPolicyCommand command, CancellationToken cancellationToken = default) =>
        PostAsync(
            ApiRoutes.Policies + "/explain", command, ProtocolJson.Default.ExplainPolicyCommand,
            ProtocolJson.Default.PolicyExplanationReport, RetryMode.Always, cancellationToken);

    /// <summary>What differs between two versions; null is the active one.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<PolicyDifferences> DiffPoliciesAsync(
        long? before, long? after, CancellationToken cancellationToken = default) =>
        GetAsync(
            $"{ApiRoutes.Policies}/diff?before={VersionText(before)}&after={VersionText(after)}",
            ProtocolJson.Default.PolicyDifferences, cancellationToken);

    private static string VersionText(long? version) =>
        version?.ToString(CultureInfo.InvariantCulture) ?? "active";
}
