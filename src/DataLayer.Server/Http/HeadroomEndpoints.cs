using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Headrooms;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Headrooms: shares of memory and hot tier that are reserved in windows.</summary>
internal sealed class HeadroomEndpoints(NodeHost node)
{
    private const string One = ApiRoutes.Headrooms + "/{id}";
    private const double MaxLeadSeconds = 1e9;

    private static readonly ApiParameter _id = new(
        "id", ApiParameterPlace.Path, "integer", "The headroom's number.", Required: true);

    private static readonly ApiParameter _ifMatch = new(
        "If-Match", ApiParameterPlace.Header, "string", "The entity tag that must hold.");

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Headrooms, "listHeadrooms", "The headrooms, with how each is doing.", ListAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "headrooms",
            Answer = typeof(IReadOnlyList<HeadroomReport>),
        };
        yield return new ApiOperation(
            "POST", ApiRoutes.Headrooms, "addHeadroom",
            "Reserves a share of memory and hot tier for a folder in windows, refilled ahead.", AddAsync)
        {
            IsAudited = true,
            Tag = "headrooms",
            Body = typeof(HeadroomCommand),
            Answer = typeof(HeadroomReport),
            Statuses = [201],
            Parameters = [JobEndpoints.Key],
        };
        yield return new ApiOperation("GET", One, "getHeadroom", "One headroom.", GetAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "headrooms",
            Answer = typeof(HeadroomReport),
            Parameters = [_id],
        };
        yield return new ApiOperation(
            "PUT", One, "replaceHeadroom",
            "Changes a headroom; where what it reserves changes, a window that is on begins anew.", ReplaceAsync)
        {
            IsAudited = true,
            Tag = "headrooms",
            Body = typeof(HeadroomCommand),
            Answer = typeof(HeadroomReport),
            Parameters = [_id, _ifMatch],
        };
        yield return new ApiOperation(
            "DELETE", One, "removeHeadroom", "Removes a headroom and gives back what it reserves.", RemoveAsync)
        {
            IsAudited = true,
            Tag = "headrooms",
            Statuses = [204],
            Parameters = [_id, _ifMatch],
        };
    }

    private async Task ListAsync(HttpContext context)
    {
        IReadOnlyList<HeadroomStatus> all = await node.Headrooms.ListAsync(context.RequestAborted);
        IReadOnlyList<HeadroomReport> answer = [.. all.Select(ToReport)];
        await ApiJson.WriteAsync(context, answer, ProtocolJson.Default.IReadOnlyListHeadroomReport);
    }

    private async Task AddAsync(HttpContext context)
    {
        HeadroomCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.HeadroomCommand);
        HeadroomSpec spec = ToSpec(context, command);
        string fingerprint = JobEndpoints.Fingerprint($"{command.Name}\n{spec.ToText()}");
        HeadroomStatus added = await node.Headrooms.AddAsync(
            command.Name, spec, RequestCaller.Of(context).Name, JobEndpoints.KeyOf(context, fingerprint),
            context.RequestAborted);
        context.Response.Headers.Location = string.Create(
            CultureInfo.InvariantCulture, $"{ApiRoutes.Headrooms}/{added.Record.Id}");
        await WriteAsync(context, added, StatusCodes.Status201Created);
    }

    private async Task GetAsync(HttpContext context)
    {
        long id = IdOf(context);
        HeadroomStatus found = await node.Headrooms.GetAsync(id, context.RequestAborted) ?? throw Unknown(id);
        await WriteAsync(context, found, StatusCodes.Status200OK);
    }

    private async Task ReplaceAsync(HttpContext context)
    {
        HeadroomCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.HeadroomCommand);
        HeadroomSpec spec = ToSpec(context, command);
        long id = IdOf(context);
        long? version = await VersionOfAsync(context, id);
        HeadroomStatus changed = await node.Headrooms.ReplaceAsync(
            id, version, command.Name, spec, context.RequestAborted);
        await WriteAsync(context, changed, StatusCodes.Status200OK);
    }

    private async Task RemoveAsync(HttpContext context)
    {
        long id = IdOf(context);
        await node.Headrooms.RemoveAsync(id, await VersionOfAsync(context, id), context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    /// <summary>The version that a change must find, by If-Match; null for any.</summary>
    private async ValueTask<long?> VersionOfAsync(HttpContext context, long id)
    {
        string wanted = context.Request.Headers.IfMatch.ToString();
        if (wanted.Length == 0)
        {
            return null;
        }

        HeadroomStatus known = await node.Headrooms.GetAsync(id, context.RequestAborted) ?? throw Unknown(id);
        return wanted == "*" || wanted == TagOf(known)
            ? known.Record.Version
            : throw new DataLayerException(
                ErrorCode.Stale, $"Headroom {id} has the entity tag {TagOf(known)} now, not {wanted}.");
    }

    private static Task WriteAsync(HttpContext context, HeadroomStatus headroom, int status)
    {
        context.Response.Headers.ETag = TagOf(headroom);
        return ApiJson.WriteAsync(context, ToReport(headroom), ProtocolJson.Default.HeadroomReport, status);
    }

    private static string TagOf(HeadroomStatus headroom) =>
        string.Create(CultureInfo.InvariantCulture, $"\"{headroom.Record.Id}-{headroom.Record.Version}\"");

    private static long IdOf(HttpContext context)
    {
        string text = (string?)context.Request.RouteValues["id"] ?? string.Empty;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long id) && id > 0
            ? id
            : throw new DataLayerException(
                ErrorCode.NotFound, "The path does not end in a headroom's number: list them first.");
    }

    private static DataLayerException Unknown(long id) =>
        new(ErrorCode.NotFound, $"There is no headroom {id}: 'datalayer headroom list' shows them.");

    private static HeadroomSpec ToSpec(HttpContext context, HeadroomCommand command)
    {
        RequestCaller.DemandPath(context, command.Path);
        HeadroomWindowTimes times = command.Window;
        return new HeadroomSpec
        {
            Path = command.Path,
            MemoryBytes = command.MemoryBytes,
            HotBytes = command.HotBytes,
            Pool = command.Pool,
            Lead = command.LeadSeconds is >= 0 and <= MaxLeadSeconds
                ? TimeSpan.FromSeconds(command.LeadSeconds)
                : throw new DataLayerException(ErrorCode.InvalidArgument, "leadSeconds is from 0 to 172800 (2 days)."),
            Refill = command.Refill ?? [],
            RefillProfile = command.RefillProfile,
            Window = new HeadroomWindow
            {
                Days = times.Days,
                Months = times.Months,
                MonthDays = times.MonthDays,
                From = times.From,
                To = times.To,
                TimeZone = times.TimeZone,
                Calendar = times.Calendar,
                On = times.On,
                Cron = times.Cron,
                For = times.For,
            },
        };
    }

    private static HeadroomReport ToReport(HeadroomStatus status)
    {
        HeadroomSpec spec = status.Spec;
        HeadroomWindow window = spec.Window;
        HeadroomState? state = status.State;
        return new HeadroomReport
        {
            Id = status.Record.Id,
            Owner = status.Record.Owner,
            InForce = status.IsInForce,
            Phase = WireWord.Of(state?.Phase ?? HeadroomPhase.Waiting),
            WindowStartTimeNanoseconds = ToNanoseconds(status.WindowStart),
            WindowEndTimeNanoseconds = ToNanoseconds(status.WindowEnd),
            PresentHotBytes = status.HotBytes,
            PresentMemoryBytes = status.MemoryBytes,
            Message = status.Obstacle ?? state?.Message,
            Headroom = new HeadroomCommand
            {
                Name = status.Record.Name,
                Path = spec.Path,
                MemoryBytes = spec.MemoryBytes,
                HotBytes = spec.HotBytes,
                Pool = spec.Pool,
                LeadSeconds = spec.Lead.TotalSeconds,
                Refill = spec.Refill,
                RefillProfile = spec.RefillProfile,
                Window = new HeadroomWindowTimes
                {
                    Days = window.Days,
                    Months = window.Months,
                    MonthDays = window.MonthDays,
                    From = window.From,
                    To = window.To,
                    TimeZone = window.TimeZone,
                    Calendar = window.Calendar,
                    On = window.On,
                    Cron = window.Cron,
                    For = window.For,
                },
            },
            Course = state is null ? null : ToReport(state),
        };
    }

    private static HeadroomCourseReport ToReport(HeadroomState state) => new()
    {
        WindowStartTimeNanoseconds = ToNanoseconds(state.WindowStart),
        RoomBytes = state.RoomBytes,
        RoomJob = state.RoomJob,
        RefillJob = state.RefillJob,
        Refills = state.Refills,
        Files = state.Files,
        Resident = state.Resident,
        Checksummed = state.Checksummed,
        Missing = state.Missing,
        ReadyTimeNanoseconds = ToNanoseconds(state.ReadyAt),
        WasLate = state.WasLate,
    };

    private static long ToNanoseconds(DateTimeOffset? at) =>
        at is { } known ? UnixTime.ToNanoseconds(known) : 0;
}
