using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Moving;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Moves between the tiers: apply a plan, undo that, and what became of each file.</summary>
internal sealed class MoveEndpoints(
    NodeHost node, PlanDesk desk, ServerConfiguration configuration, TimeProvider time)
{
    private const int DefaultPage = 1000;
    private const int MaxPage = 10_000;

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "POST", ApiRoutes.Plans + "/{plan}/apply", "applyPlan",
            "Makes a job that carries out a plan's moves within limits; a stale plan is refused (409).", ApplyAsync)
        {
            Tag = "plans",
            Body = typeof(MoveCommand),
            Answer = typeof(JobStatus),
            Statuses = [202],
            Parameters = [PlanEndpoints.Id, JobEndpoints.Key],
        };
        yield return new ApiOperation(
            "POST", ApiRoutes.Jobs + "/{id}/undo", "undoJob",
            "Makes a job that brings the files another one moved back to where they were.", UndoAsync)
        {
            Tag = "jobs",
            Body = typeof(MoveCommand),
            Answer = typeof(JobStatus),
            Statuses = [202],
            Parameters = [JobEndpoints.Id, JobEndpoints.Key],
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.Jobs + "/{id}/moves", "listJobMoves",
            "The moves of a job that applies or undoes, by number: what became of each file.", ListAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "jobs",
            Answer = typeof(MovePage),
            Parameters =
            [
                JobEndpoints.Id,
                new("from", ApiParameterPlace.Query, "integer", "The first move's number; 0 for the first."),
                new("limit", ApiParameterPlace.Query, "integer", "At most so many, 1 to 10,000; default 1,000."),
            ],
        };
    }

    private async Task ApplyAsync(HttpContext context)
    {
        MoveCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.MoveCommand);
        MoveLimits limits = ToLimits(command);
        TieringPlan plan = await desk.Store.GetAsync(PlanEndpoints.IdOf(context), context.RequestAborted);
        RequestCaller.DemandPath(context, plan.Path);
        ApplyRunner.DemandFresh(plan, await desk.FindStaleAsync(plan, context.RequestAborted));
        ApplySpec spec = new() { Plan = plan.Id, Limits = limits };
        await AddAsync(context, ApplyRunner.KindName, spec.ToText());
    }

    private async Task UndoAsync(HttpContext context)
    {
        MoveCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.MoveCommand);
        MoveLimits limits = ToLimits(command);
        JobRecord job = await JobEndpoints.FindAsync(context, node.Jobs);
        UndoRunner.DemandUndoable(job, configuration.Tiering.UndoWindow, time.GetUtcNow());
        UndoSpec spec = new() { Job = job.Id, Limits = limits };
        await AddAsync(context, UndoRunner.KindName, spec.ToText());
    }

    private async Task ListAsync(HttpContext context)
    {
        JobRecord job = await JobEndpoints.FindAsync(context, node.Jobs);
        long from = RequestTarget.Number(context, "from", 0, 0, long.MaxValue);
        int limit = RequestTarget.Count(context, "limit", DefaultPage, 1, MaxPage);
        IReadOnlyList<MoveEntry> moves = await node.Open.Tree.ListMovesAsync(
            job.Id, from, limit, context.RequestAborted);
        MovePage page = new()
        {
            Moves = [.. moves.Select(ToReport)],
            Next = moves.Count == limit ? moves[^1].Number + 1 : null,
        };
        await ApiJson.WriteAsync(context, page, ProtocolJson.Default.MovePage);
    }

    private async Task AddAsync(HttpContext context, string kind, string spec)
    {
        Caller caller = RequestCaller.Of(context);
        IdempotencyKey? key = JobEndpoints.KeyOf(context, JobEndpoints.Fingerprint(spec));
        (JobRecord job, _) = await node.Jobs.AddAsync(
            kind, spec, caller.Name, caller.Scopes, key, context.RequestAborted);
        context.Response.Headers.Location = string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Jobs}/{job.Id}");
        context.Response.Headers.ETag = JobWire.TagOf(job);
        await ApiJson.WriteAsync(
            context, JobWire.ToStatus(job, time), ProtocolJson.Default.JobStatus, StatusCodes.Status202Accepted);
    }

    private static MoveLimits ToLimits(MoveCommand command)
    {
        MoveWindow window = MoveWindow.Parse(command.Window ?? "00:00-00:00", command.Zone);
        MoveLimits limits = new()
        {
            BytesPerSecond = command.BytesPerSecond,
            Window = command.Window is null ? null : window,
            MaxRequests = command.MaxRequests,
            MaxCost = command.MaxCost,
            Parallelism = command.Parallelism,
            Verify = command.Verify switch
            {
                "checksum" => MoveVerification.Checksum,
                "content" => MoveVerification.Content,
                _ => throw new DataLayerException(
                    ErrorCode.InvalidArgument, "verify is none: give checksum or content."),
            },
        };
        limits.Validate();
        return limits;
    }

    private static MoveReport ToReport(MoveEntry move) => new()
    {
        Number = move.Number,
        Plan = move.PlanId,
        PolicyVersion = move.PolicyVersion,
        Rule = move.RuleIndex,
        Path = move.Path,
        Kinds = PlanReports.ToWords((MoveKinds)move.Kinds),
        Done = PlanReports.ToWords((MoveKinds)move.DoneKinds),
        State = WireWord.Of(move.State),
        Reason = move.Reason,
        SizeBytes = move.SizeBytes,
        FromHotBytes = move.FromHotBytes,
        FromClass = move.FromClass,
        ToClass = move.ToClass,
        MovedBytes = move.MovedBytes,
        Requests = move.Requests,
        Cost = move.CostNano / 1e9,
        StartedTimeNanoseconds = move.StartedTime,
        EndedTimeNanoseconds = move.EndedTime,
    };
}
