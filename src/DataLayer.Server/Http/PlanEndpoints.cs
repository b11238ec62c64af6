using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Plans: make, list, show, page through moves, forget.</summary>
internal sealed class PlanEndpoints(PlanDesk desk, TimeProvider time)
{
    private const int MaxPlans = 200;
    private const int MaxMoves = 10_000;

    /// <summary>The plan in the path.</summary>
    public static ApiParameter Id { get; } = new(
        "plan", ApiParameterPlace.Path, "integer", "The plan's number.", Required: true);

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "POST", ApiRoutes.Plans, "makePlan", "Plans what a policy would do below a path, prices it and keeps it.",
            MakeAsync)
        {
            Tag = "plans",
            Body = typeof(PlanCommand),
            Answer = typeof(ProgressLine<PlanProgressReport, PlanReport>),
            AnswerMedia = ApiRoutes.ProgressMediaType,
        };
        yield return new ApiOperation("GET", ApiRoutes.Plans, "listPlans", "The plans kept, newest first.", ListAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "plans",
            Answer = typeof(PlanPage),
            Parameters =
            [
                new("before", ApiParameterPlace.Query, "integer", "Only plans with a smaller number."),
                new("limit", ApiParameterPlace.Query, "integer", "At most so many, 1 to 200; default 50."),
            ],
        };
        yield return new ApiOperation("GET", ApiRoutes.Plans + "/{plan}", "getPlan", "One plan.", GetAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "plans",
            Answer = typeof(PlanReport),
            Parameters = [Id],
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.Plans + "/{plan}/moves", "listPlanMoves", "A plan's moves, heaviest first.", MovesAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "plans",
            Answer = typeof(PlanMovePage),
            Parameters =
            [
                Id,
                new("after", ApiParameterPlace.Query, "integer", "Where the page before ended; 0 for the first."),
                new("limit", ApiParameterPlace.Query, "integer", "At most so many, 1 to 10,000; default 1,000."),
            ],
        };
        yield return new ApiOperation(
            "DELETE", ApiRoutes.Plans + "/{plan}", "removePlan", "Forgets a plan with its moves.", RemoveAsync)
        {
            Tag = "plans",
            Statuses = [204],
            Parameters = [Id],
        };
    }

    private async Task MakeAsync(HttpContext context)
    {
        PlanCommand command = await ApiJson.ReadAsync(
            context, ProtocolJson.Default.PlanCommand, PolicyEndpoints.MaxBodyBytes);
        RequestCaller.DemandPath(context, command.Path);
        PlanPolicy policy = command.Policy is { } text
            ? PlanDesk.ParsePolicy(text)
            : await desk.GetActivePolicyAsync(context.RequestAborted);
        await ProgressStream.RunAsync<PlanProgressReport, PlanReport>(
            context, time,
            async (progress, token) =>
            {
                TieringPlan plan = await desk.MakeAsync(
                    command.Path, policy,
                    new Relay(progress), token);
                return await ReportAsync(plan, token);
            },
            ProtocolJson.Default.ProgressLinePlanProgressReportPlanReport);
    }

    private async Task ListAsync(HttpContext context)
    {
        long before = RequestTarget.Number(context, "before", long.MaxValue, 0, long.MaxValue);
        int limit = RequestTarget.Count(context, "limit", 50, 1, MaxPlans);
        IReadOnlyList<TieringPlan> plans = await desk.Store.ListAsync(before, limit, context.RequestAborted);
        List<PlanReport> reports = [];
        foreach (TieringPlan plan in plans)
        {
            reports.Add(await ReportAsync(plan, context.RequestAborted));
        }

        PlanPage page = new() { Plans = reports, Next = plans.Count == limit ? plans[^1].Id : null };
        await ApiJson.WriteAsync(context, page, ProtocolJson.Default.PlanPage);
    }

    private async Task GetAsync(HttpContext context)
    {
        TieringPlan plan = await desk.Store.GetAsync(IdOf(context), context.RequestAborted);
        PlanReport report = await ReportAsync(plan, context.RequestAborted);
        await ApiJson.WriteAsync(context, report, ProtocolJson.Default.PlanReport);
    }

    private async Task MovesAsync(HttpContext context)
    {
        TieringPlan plan = await desk.Store.GetAsync(IdOf(context), context.RequestAborted);
        long after = RequestTarget.Number(context, "after", 0, 0, long.MaxValue);
        int limit = RequestTarget.Count(context, "limit", 1000, 1, MaxMoves);
        List<PlanMoveReport> moves = [];
        using MoveFile file = desk.Store.OpenMoves(plan, after);
        while (moves.Count < limit && file.Read() is { } move)
        {
            moves.Add(PlanReports.ToReport(move));
        }

        PlanMovePage page = new()
        {
            Moves = moves,
            Next = file.Position < plan.SpoolBytes ? file.Position : null,
        };
        await ApiJson.WriteAsync(context, page, ProtocolJson.Default.PlanMovePage);
    }

    private async Task RemoveAsync(HttpContext context)
    {
        await desk.Store.RemoveAsync(IdOf(context), context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async ValueTask<PlanReport> ReportAsync(TieringPlan plan, CancellationToken cancellationToken) =>
        PlanReports.ToReport(plan, await desk.FindStaleAsync(plan, cancellationToken));

    /// <summary>The number in the path.</summary>
    /// <exception cref="DataLayerException">NotFound: it is none.</exception>
    public static long IdOf(HttpContext context)
    {
        string text = (string?)context.Request.RouteValues["plan"] ?? string.Empty;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long id)
            ? id
            : throw new DataLayerException(
                ErrorCode.NotFound, $"There is no plan '{text}': list them with 'datalayer plan list'.");
    }

    private sealed class Relay(IProgress<PlanProgressReport> to) : IProgress<PlanProgress>
    {
        public void Report(PlanProgress value) =>
            to.Report(new PlanProgressReport { Files = value.Files, Moves = value.Moves });
    }
}
