using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <content>Tiering plans.</content>
public sealed partial class AdminClient
{
    /// <summary>Plans what a policy would do below a path, and keeps the plan.</summary>
    /// <exception cref="DataLayerException">
    /// InvalidArgument: the policy has errors, all named. NotFound: no such path, or no policy is active. Overloaded:
    /// another plan is being made.
    /// </exception>
    public ValueTask<PlanReport> MakePlanAsync(
        PlanCommand command, IProgress<PlanProgressReport>? progress = null,
        CancellationToken cancellationToken = default) =>
        RunAsync(
            ApiRoutes.Plans, command, ProtocolJson.Default.PlanCommand,
            ProtocolJson.Default.ProgressLinePlanProgressReportPlanReport, progress, cancellationToken);

    /// <summary>A page of the plans kept, newest first.</summary>
    /// <param name="before">Only plans with a smaller number; null for all.</param>
    /// <param name="limit">At most so many, a count from 1 to 200.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public ValueTask<PlanPage> ListPlansAsync(
        long? before = null, int limit = 50, CancellationToken cancellationToken = default) =>
        GetAsync(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{ApiRoutes.Plans}?limit={limit}{(before is null ? string.Empty : $"&before={before}")}"),
            ProtocolJson.Default.PlanPage, cancellationToken);

    /// <summary>One plan.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<PlanReport> GetPlanAsync(long id, CancellationToken cancellationToken = default) =>
        GetAsync(PlanTarget(id), ProtocolJson.Default.PlanReport, cancellationToken);

    /// <summary>A page of a plan's moves, heaviest first.</summary>
    /// <param name="id">The plan.</param>
    /// <param name="after">Where the page before ended (<see cref="PlanMovePage.Next"/>); 0 for the first.</param>
    /// <param name="limit">At most so many, a count from 1 to 10,000.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">NotFound; Corrupt: make the plan again.</exception>
    public ValueTask<PlanMovePage> ListPlanMovesAsync(
        long id, long after = 0, int limit = 1000, CancellationToken cancellationToken = default) =>
        GetAsync(
            string.Create(CultureInfo.InvariantCulture, $"{PlanTarget(id)}/moves?after={after}&limit={limit}"),
            ProtocolJson.Default.PlanMovePage, cancellationToken);

    /// <summary>Forgets a plan.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public async ValueTask RemovePlanAsync(long id, CancellationToken cancellationToken = default)
    {
        await _connection.DeleteAsync(PlanTarget(id), cancellationToken).ConfigureAwait(false);
    }

    private static string PlanTarget(long id) =>
        string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Plans}/{id}");
}
