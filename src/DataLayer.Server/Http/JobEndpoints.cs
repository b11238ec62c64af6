using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Profiles;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using Microsoft.Extensions.Primitives;

namespace DataLayer.Server.Http;

/// <summary>
/// Jobs and schedules. A scoped caller sees and changes the jobs of its scope only; others are not there.
/// </summary>
internal sealed class JobEndpoints(NodeHost node, JobEvents events, TimeProvider time)
{
    private const int MaxPaths = 1000;
    private const int DefaultPage = 100;
    private const int MaxPage = 1000;
    private const string OneJob = ApiRoutes.Jobs + "/{id}";

    /// <summary>The job, or schedule, in the path.</summary>
    public static ApiParameter Id { get; } = new(
        "id", ApiParameterPlace.Path, "integer", "The number.", Required: true);

    /// <summary>The caller's key that makes asking twice make one job.</summary>
    public static ApiParameter Key { get; } = new(
        ApiRoutes.IdempotencyHeader, ApiParameterPlace.Header, "string",
        "The caller's own key of this request, 1 to 200 printable characters; asked again with it within a day, the "
        + "answer is the job that was made the first time.");

    private static readonly ApiParameter _ifMatch = new(
        "If-Match", ApiParameterPlace.Header, "string", "The entity tag that must hold.");

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations() => [.. Making(), .. Reading(), .. Steps(), .. Schedules()];

    private IEnumerable<ApiOperation> Making()
    {
        yield return new ApiOperation(
            "POST", ApiRoutes.Jobs + "/warm", "warmJob",
            "Makes a job that warms, checks or evicts paths, or warms a profile.", WarmAsync)
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Tag = "jobs",
            Body = typeof(WarmJobCommand),
            Answer = typeof(JobStatus),
            Statuses = [202],
            Parameters = [Key],
        };
        yield return new ApiOperation(
            "POST", ApiRoutes.Jobs + "/warm-list", "warmListJob",
            "The same for a list of files: a line each, a path, or JSON with path, size and etag to be held to.",
            WarmListAsync)
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Tag = "jobs",
            BodyMedia = "text/plain",
            Answer = typeof(JobStatus),
            Statuses = [202],
            Parameters =
            [
                Key,
                new("mode", ApiParameterPlace.Query, "string", "warm (default), check or evict."),
                new("intoMemory", ApiParameterPlace.Query, "boolean", "Fill memory as well."),
                new("verify", ApiParameterPlace.Query, "boolean", "Compare with checksums at the end. Default true."),
            ],
        };
    }

    private IEnumerable<ApiOperation> Reading()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Jobs, "listJobs", "The jobs, newest first, page by page.", ListAsync)
        {
            Access = ApiAccess.Caller,
            Tag = "jobs",
            Answer = typeof(JobPage),
            Parameters =
            [
                new("cursor", ApiParameterPlace.Query, "string", "Go on where 'next' of the last page says."),
                new(
                    "limit", ApiParameterPlace.Query, "integer",
                    $"At most so many jobs, 1 to {MaxPage}. Default {DefaultPage}."),
            ],
        };
        yield return new ApiOperation("GET", OneJob, "getJob", "One job.", GetAsync)
        {
            Access = ApiAccess.Caller,
            Tag = "jobs",
            Answer = typeof(JobStatus),
            Statuses = [200, 304],
            Parameters =
            [
                Id,
                new("If-None-Match", ApiParameterPlace.Header, "string", "The entity tag known; 304 if it holds."),
            ],
        };
        yield return new ApiOperation(
            "GET", OneJob + "/events", "watchJob",
            "The job's changes as server-sent events until it ends; each is the whole job, its id grows.", WatchAsync)
        {
            Access = ApiAccess.Caller,
            Tag = "jobs",
            AnswerMedia = ApiRoutes.EventMediaType,
            Answer = typeof(JobStatus),
            Statuses = [200, 204],
            Parameters =
            [
                Id,
                new(
                    "Last-Event-ID", ApiParameterPlace.Header, "integer",
                    "The last event seen; goes on after it. 204 where the job ended with it."),
            ],
        };
    }

    private IEnumerable<ApiOperation> Steps()
    {
        yield return Step(
            "pause", "Pauses a job; it has stopped when this answers.", (jobs, id, t) => jobs.PauseAsync(id, t));
        yield return Step(
            "resume", "Puts a paused job back into the queue.", (jobs, id, t) => jobs.ResumeAsync(id, t));
        yield return Step(
            "cancel", "Cancels a job at its next step; what it did stays.", (jobs, id, t) => jobs.CancelAsync(id, t));
    }

    private ApiOperation Step(
        string name, string summary, Func<JobService, long, CancellationToken, ValueTask<JobRecord>> step) =>
        new(
            "POST", $"{OneJob}/{name}", name + "Job", summary,
            async context =>
            {
                JobRecord job = await FindAsync(context, node.Jobs);
                DemandTag(context, job);
                job = await step(node.Jobs, job.Id, context.RequestAborted);
                await WriteAsync(context, job, StatusCodes.Status200OK);
            })
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Tag = "jobs",
            Answer = typeof(JobStatus),
            Parameters = [Id, _ifMatch],
        };

    private IEnumerable<ApiOperation> Schedules()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Schedules, "listSchedules", "The schedules.", ListSchedulesAsync)
        {
            Access = ApiAccess.Caller,
            Tag = "jobs",
            Answer = typeof(IReadOnlyList<ScheduleStatus>),
        };
        yield return new ApiOperation(
            "POST", ApiRoutes.Schedules, "addSchedule", "Makes jobs at times that cron's five fields name.",
            AddScheduleAsync)
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Tag = "jobs",
            Body = typeof(ScheduleCommand),
            Answer = typeof(ScheduleStatus),
            Statuses = [201],
            Parameters = [Key],
        };
        yield return new ApiOperation(
            "DELETE", ApiRoutes.Schedules + "/{id}", "removeSchedule", "Removes a schedule; its jobs stay.",
            RemoveScheduleAsync)
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Tag = "jobs",
            Statuses = [204],
            Parameters = [Id],
        };
    }

    private async Task WarmAsync(HttpContext context)
    {
        WarmJobCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.WarmJobCommand);
        string spec = (await ToSpecAsync(context, command)).ToText();
        await AddAsync(context, spec, Fingerprint(spec));
    }

    private async Task WarmListAsync(HttpContext context)
    {
        WarmMode mode = ModeOf(RequestTarget.Text(context, "mode") ?? "warm");
        bool intoMemory = RequestTarget.Flag(context, "intoMemory");
        bool verify = RequestTarget.Flag(context, "verify", fallback: true);
        _ = KeyOf(context, string.Empty);
        (string input, string digest) = await node.Open.JobInputs.SaveAsync(
            context.Request.Body, context.RequestAborted);
        WarmSpec spec = new() { Input = input, Mode = mode, IntoMemory = intoMemory, Verify = verify };
        bool kept = false;
        try
        {
            string fingerprint = Fingerprint((spec with { Input = digest }).ToText());
            kept = await AddAsync(context, spec.ToText(), fingerprint);
        }
        finally
        {
            if (!kept)
            {
                node.Open.JobInputs.Remove(input);
            }
        }
    }

    private async Task<bool> AddAsync(HttpContext context, string spec, string fingerprint)
    {
        Caller caller = RequestCaller.Of(context);
        (JobRecord job, bool isNew) = await node.Jobs.AddAsync(
            WarmRunner.KindName, spec, caller.Name, caller.Scopes, KeyOf(context, fingerprint),
            context.RequestAborted);
        context.Response.Headers.Location = string.Create(
            CultureInfo.InvariantCulture, $"{ApiRoutes.Jobs}/{job.Id}");
        await WriteAsync(context, job, StatusCodes.Status202Accepted);
        return isNew;
    }

    private async Task ListAsync(HttpContext context)
    {
        int limit = RequestTarget.Count(context, "limit", DefaultPage, 1, MaxPage);
        string? cursor = RequestTarget.Text(context, "cursor");
        long before = long.MaxValue;
        if (cursor is not null
            && !(long.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out before) && before > 0))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "cursor is none: give what 'next' of the page before said.");
        }

        IReadOnlyList<JobRecord> jobs = await node.Jobs.ListAsync(before, limit, context.RequestAborted);
        Caller caller = RequestCaller.Of(context);
        JobPage page = new()
        {
            Jobs = [.. jobs.Where(j => IsVisible(caller, j.Scopes)).Select(j => JobWire.ToStatus(j, time))],
            Next = jobs.Count == limit ? jobs[^1].Id.ToString(CultureInfo.InvariantCulture) : null,
        };
        await ApiJson.WriteAsync(context, page, ProtocolJson.Default.JobPage);
    }

    private async Task GetAsync(HttpContext context)
    {
        JobRecord job = await FindAsync(context, node.Jobs);
        string tag = JobWire.TagOf(job);
        if (context.Request.Headers.IfNoneMatch.ToString() == tag)
        {
            context.Response.Headers.ETag = tag;
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        await WriteAsync(context, job, StatusCodes.Status200OK);
    }

    private async Task WatchAsync(HttpContext context)
    {
        JobRecord job = await FindAsync(context, node.Jobs);
        await events.StreamAsync(context, node.Jobs, job);
    }

    private async Task ListSchedulesAsync(HttpContext context)
    {
        Caller caller = RequestCaller.Of(context);
        IReadOnlyList<JobSchedule> all = await node.Jobs.ListSchedulesAsync(context.RequestAborted);
        IReadOnlyList<ScheduleStatus> answer =
            [.. all.Where(s => IsVisible(caller, s.Scopes)).Select(s => JobWire.ToStatus(s, node.Jobs.NextDue(s)))];
        await ApiJson.WriteAsync(context, answer, ProtocolJson.Default.IReadOnlyListScheduleStatus);
    }

    private async Task AddScheduleAsync(HttpContext context)
    {
        ScheduleCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.ScheduleCommand);
        Caller caller = RequestCaller.Of(context);
        JobSchedule schedule = new()
        {
            Cron = command.Cron,
            Zone = command.Zone,
            Kind = WarmRunner.KindName,
            Spec = (await ToSpecAsync(context, command.Warm)).ToText(),
            Owner = caller.Name,
            Scopes = caller.Scopes,
        };
        string fingerprint = Fingerprint($"{schedule.Cron}\n{schedule.Zone}\n{schedule.Spec}");
        (JobSchedule added, _) = await node.Jobs.AddScheduleAsync(
            schedule, KeyOf(context, fingerprint), context.RequestAborted);
        context.Response.Headers.Location = string.Create(
            CultureInfo.InvariantCulture, $"{ApiRoutes.Schedules}/{added.Id}");
        await ApiJson.WriteAsync(
            context, JobWire.ToStatus(added, node.Jobs.NextDue(added)), ProtocolJson.Default.ScheduleStatus,
            StatusCodes.Status201Created);
    }

    private async Task RemoveScheduleAsync(HttpContext context)
    {
        long id = IdOf(context);
        Caller caller = RequestCaller.Of(context);
        IReadOnlyList<JobSchedule> all = await node.Jobs.ListSchedulesAsync(context.RequestAborted);
        bool seen = all.Any(s => s.Id == id && IsVisible(caller, s.Scopes));
        if (!seen || !await node.Jobs.RemoveScheduleAsync(id, context.RequestAborted))
        {
            throw new DataLayerException(
                ErrorCode.NotFound, $"There is no schedule {id}: 'datalayer job schedule list' shows them.");
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static bool IsVisible(Caller caller, IReadOnlyList<string> scopes) =>
        caller.Confinement is null || (scopes.Count > 0 && scopes.All(caller.MayReach));

    private static long IdOf(HttpContext context)
    {
        string text = (string?)context.Request.RouteValues["id"] ?? string.Empty;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long id) && id > 0
            ? id
            : throw new DataLayerException(
                ErrorCode.NotFound, "The path does not end in a job's or schedule's number: list them first.");
    }

    private static void DemandTag(HttpContext context, JobRecord job)
    {
        string wanted = context.Request.Headers.IfMatch.ToString();
        if (wanted.Length > 0 && wanted != "*" && wanted != JobWire.TagOf(job))
        {
            throw new DataLayerException(
                ErrorCode.Stale, $"Job {job.Id} has the entity tag {JobWire.TagOf(job)} now, not {wanted}.");
        }
    }

    /// <summary>Says what was asked for, beside the caller's key.</summary>
    public static string Fingerprint(string spec) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(spec)));

    /// <summary>The caller's key, or null.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public static IdempotencyKey? KeyOf(HttpContext context, string fingerprint)
    {
        StringValues values = context.Request.Headers[ApiRoutes.IdempotencyHeader];
        if (values.Count == 0)
        {
            return null;
        }

        string key = values.ToString();
        return values.Count == 1 && key.Length is > 0 and <= 200 && key.All(c => c is > ' ' and < (char)127)
            ? new IdempotencyKey(key, fingerprint)
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"{ApiRoutes.IdempotencyHeader} has to be 1 to 200 printable characters without spaces.");
    }

    private async ValueTask<WarmSpec> ToSpecAsync(HttpContext context, WarmJobCommand command)
    {
        WarmMode mode = ModeOf(command.Mode);
        if (command.Profile is { } profile)
        {
            await DemandProfileAsync(context, command, mode, profile);
        }
        else if (command.Paths is null or { Count: 0 or > MaxPaths })
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"paths has {command.Paths?.Count ?? 0} entries: give 1 to {MaxPaths}, or a profile, or a list "
                + $"({ApiRoutes.Jobs}/warm-list).");
        }

        foreach (string path in command.Paths ?? [])
        {
            RequestCaller.DemandPath(context, path);
        }

        return new WarmSpec
        {
            Paths = command.Paths ?? [],
            Profile = command.Profile,
            Learned = command.Learned,
            Mode = mode,
            IntoMemory = command.IntoMemory,
            Verify = command.Verify,
        };
    }

    /// <summary>A profile stands alone, and a scoped caller may reach all of its files.</summary>
    private async ValueTask DemandProfileAsync(
        HttpContext context, WarmJobCommand command, WarmMode mode, string profile)
    {
        if (command.Paths is { Count: > 0 } || command.Learned || command.IntoMemory || mode == WarmMode.Evict)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                "A profile is warmed or checked as it is: leave out paths, learned, intoMemory and mode evict.");
        }

        AccessProfile kept = await node.Engine.Profiles.GetAsync(profile, context.RequestAborted);
        RequestCaller.DemandPath(context, kept.Path);
        foreach (ProfileFile file in kept.Files)
        {
            RequestCaller.DemandPath(context, file.Path);
        }
    }

    private static WarmMode ModeOf(string text) => text switch
    {
        "warm" => WarmMode.Warm,
        "check" => WarmMode.Check,
        "evict" => WarmMode.Evict,
        _ => throw new DataLayerException(ErrorCode.InvalidArgument, "mode is none: give warm, check or evict."),
    };

    /// <summary>The job in the path, where the caller may see it.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public static async ValueTask<JobRecord> FindAsync(HttpContext context, JobService jobs)
    {
        long id = IdOf(context);
        JobRecord? job = await jobs.GetAsync(id, context.RequestAborted);
        return job is not null && IsVisible(RequestCaller.Of(context), job.Scopes)
            ? job
            : throw new DataLayerException(
                ErrorCode.NotFound, $"There is no job {id}: it was never made, or ended long ago and was forgotten.");
    }

    private Task WriteAsync(HttpContext context, JobRecord job, int status)
    {
        context.Response.Headers.ETag = JobWire.TagOf(job);
        return ApiJson.WriteAsync(context, JobWire.ToStatus(job, time), ProtocolJson.Default.JobStatus, status);
    }
}
