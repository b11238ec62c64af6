using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Http;

/// <summary>Attachments, tiers, targets, checks and counters.</summary>
internal sealed class UpkeepEndpoints(NodeHost node, StatisticsSource statistics, TimeProvider time)
{
    private const double MaxAgeLimitSeconds = 365 * 86400.0;

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations() => [.. Attachments(), .. Tiers(), .. Targets(), .. Upkeep()];

    private IEnumerable<ApiOperation> Attachments()
    {
        const string Route = ApiRoutes.Attachments;
        yield return new ApiOperation(
            "GET", Route, "listAttachments", "The attachments the caller may reach.", ListAttachmentsAsync)
        {
            Access = ApiAccess.Caller,
            Tag = "attachments",
            Answer = typeof(IReadOnlyList<AttachmentStatus>),
            Statuses = [200, 304],
            Parameters = CollectionPage.Parameters,
        };
        yield return new ApiOperation(
            "POST", Route, "attach", "Attaches a bucket prefix and lists it; goes on with an interrupted listing.",
            AttachAsync)
        {
            Tag = "attachments",
            Body = typeof(AttachCommand),
            AnswerMedia = ApiRoutes.ProgressMediaType,
            Answer = typeof(ProgressLine<ListingReport, AttachmentStatus>),
        };
        yield return new ApiOperation(
            "DELETE", Route, "detach", "Removes an attachment and its names, never an object.", DetachAsync)
        {
            Tag = "attachments",
            Statuses = [204],
            Parameters =
            [
                new("path", ApiParameterPlace.Query, "string", "The attachment's folder.", Required: true),
                new("force", ApiParameterPlace.Query, "boolean", "Also with uploads due, which are then lost."),
                new("If-Match", ApiParameterPlace.Header, "string", "The entity tag of the list that must hold."),
            ],
        };
        yield return new ApiOperation(
            "POST", Route + "/refresh", "refresh", "Lists an attachment's bucket again and takes over what changed.",
            RefreshAsync)
        {
            Tag = "attachments",
            Body = typeof(PathCommand),
            AnswerMedia = ApiRoutes.ProgressMediaType,
            Answer = typeof(ProgressLine<ListingReport, ListingReport>),
        };
    }

    private IEnumerable<ApiOperation> Tiers()
    {
        yield return Operation(
            "warm",
            "Brings everything below a path into the hot tier, verified.",
            WarmAsync,
            typeof(WarmCommand)
        ) with
        {
            Access = ApiAccess.Write,
            Answer = typeof(ProgressLine<WarmReport, WarmReport>),
            AnswerMedia = ApiRoutes.ProgressMediaType,
        };
        yield return Operation(
            "evict",
            "Drops memory copies, and hot copies of premigrated contents.",
            EvictAsync,
            typeof(EvictCommand)
        ) with
        {
            Access = ApiAccess.Write,
            Answer = typeof(EvictReport),
        };
        yield return Operation(
            "flush", "fsync of a file, or waits for the uploads below a path.", FlushAsync, typeof(FlushCommand)) with
        {
            Access = ApiAccess.Write,
            Statuses = [204],
        };
        yield return Operation("du", "Files, folders and bytes below a path.", UsageAsync, typeof(PathCommand)) with
        {
            Access = ApiAccess.Read,
            Answer = typeof(UsageReport),
        };
    }

    private IEnumerable<ApiOperation> Targets()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Targets, "listTargets", "The targets of the hot tier.", ListTargetsAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "targets",
            Answer = typeof(IReadOnlyList<TargetReport>),
        };
        yield return new ApiOperation(
            "POST", ApiRoutes.Targets, "addTarget",
            "Adds a directory or a RADOS pool to a pool while the service runs.",
            AddTargetAsync)
        {
            Tag = "targets",
            Body = typeof(AddTargetCommand),
            Answer = typeof(TargetReport),
            Statuses = [201],
        };
        yield return new ApiOperation(
            "POST", ApiRoutes.Targets + "/{target}/drain", "drainTarget",
            "Moves a target's data to the others of its pool.", DrainAsync)
        {
            Tag = "targets",
            Answer = typeof(ProgressLine<DrainStatus, DrainStatus>),
            AnswerMedia = ApiRoutes.ProgressMediaType,
            Parameters = [new("target", ApiParameterPlace.Path, "integer", "The target's number.", Required: true)],
        };
    }

    private IEnumerable<ApiOperation> Upkeep()
    {
        yield return Operation("fsck", "Checks the tree against the tiers.", CheckAsync, typeof(CheckCommand)) with
        {
            Answer = typeof(CheckStatus),
        };
        yield return Operation(
            "scrub",
            "Reads and checks every hot copy below a path, and repairs.",
            ScrubAsync,
            typeof(PathCommand)
        ) with
        {
            Answer = typeof(ProgressLine<ScrubStatus, ScrubStatus>),
            AnswerMedia = ApiRoutes.ProgressMediaType,
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.Statistics, "stats", "Counters since the service started.", StatisticsAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "upkeep",
            Answer = typeof(StatisticsReport),
        };
        yield return new ApiOperation("GET", ApiRoutes.Version, "version", "The program's version.", VersionAsync)
        {
            Access = ApiAccess.Caller,
            Tag = "upkeep",
            Answer = typeof(VersionReport),
        };
    }

    private async Task ListAttachmentsAsync(HttpContext context) =>
        await CollectionPage.WriteAsync(
            context, await AttachmentsOfAsync(context), a => a.Path,
            ProtocolJson.Default.IReadOnlyListAttachmentStatus);

    /// <summary>What the caller sees of the attachments.</summary>
    private async ValueTask<IReadOnlyList<AttachmentStatus>> AttachmentsOfAsync(HttpContext context)
    {
        IReadOnlyList<Attachment> attachments = await node.Engine.ListAttachmentsAsync(context.RequestAborted);
        Caller caller = RequestCaller.Of(context);
        return [.. attachments.Where(a => caller.MayReach(a.Path)).Select(WireReports.ToStatus)];
    }

    private async Task AttachAsync(HttpContext context)
    {
        AttachCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.AttachCommand);
        RequestCaller.DemandPath(context, command.Path);
        if (command.MaxAgeSeconds is not (>= 0 and <= MaxAgeLimitSeconds))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"maxAgeSeconds is {command.MaxAgeSeconds}: give 0 to {MaxAgeLimitSeconds}.");
        }

        AttachRequest request = new()
        {
            Source = command.Source,
            Path = command.Path,
            StoreName = command.Store,
            Mode = command.Mode,
            Freshness = command.Freshness,
            MaxAge = TimeSpan.FromSeconds(command.MaxAgeSeconds),
            Flush = command.Flush,
            Encrypt = command.Encrypt,
        };
        await ProgressStream.RunAsync(
            context, time,
            async (progress, token) =>
                WireReports.ToStatus(
                    await node.Engine.AttachAsync(
                        request, Map<AttachProgress, ListingReport>(progress, WireReports.ToReport), token)),
            ProtocolJson.Default.ProgressLineListingReportAttachmentStatus);
    }

    private async Task RefreshAsync(HttpContext context)
    {
        string path = await ReadPathAsync(context);
        await ProgressStream.RunAsync(
            context, time,
            async (progress, token) =>
                WireReports.ToReport(
                    await node.Engine.RefreshAsync(
                        path, Map<AttachProgress, ListingReport>(progress, WireReports.ToReport), token)),
            ProtocolJson.Default.ProgressLineListingReportListingReport);
    }

    private async Task DetachAsync(HttpContext context)
    {
        string path = RequestTarget.RequiredText(context, "path");
        RequestCaller.DemandPath(context, path);
        if (context.Request.Headers.IfMatch.Count > 0)
        {
            CollectionPage.DemandTag(
                context, await AttachmentsOfAsync(context), ProtocolJson.Default.IReadOnlyListAttachmentStatus);
        }

        await node.Engine.DetachAsync(path, RequestTarget.Flag(context, "force"), context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task WarmAsync(HttpContext context)
    {
        WarmCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.WarmCommand);
        RequestCaller.DemandPath(context, command.Path);
        await ProgressStream.RunAsync(
            context, time,
            async (progress, token) =>
                WireReports.ToReport(
                    await node.Engine.WarmAsync(
                        command.Path, command.IntoMemory, Map<WarmResult, WarmReport>(progress, WireReports.ToReport),
                        token)),
            ProtocolJson.Default.ProgressLineWarmReportWarmReport);
    }

    private async Task EvictAsync(HttpContext context)
    {
        EvictCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.EvictCommand);
        RequestCaller.DemandPath(context, command.Path);
        EvictResult result = await node.Engine.EvictAsync(command.Path, command.Hot, context.RequestAborted);
        await ApiJson.WriteAsync(context, WireReports.ToReport(result), ProtocolJson.Default.EvictReport);
    }

    private async Task FlushAsync(HttpContext context)
    {
        FlushCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.FlushCommand);
        RequestCaller.DemandPath(context, command.Path);
        if (command.Uploads)
        {
            await node.Engine.FlushUploadsAsync(command.Path, context.RequestAborted);
        }
        else
        {
            OpenFile file = await node.Engine.OpenFileAsync(command.Path, write: true, context.RequestAborted);
            await using (file)
            {
                await file.FlushAsync(context.RequestAborted);
            }
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task UsageAsync(HttpContext context)
    {
        string path = await ReadPathAsync(context);
        TreeUsage usage = await node.Engine.GetUsageAsync(path, context.RequestAborted);
        await ApiJson.WriteAsync(context, WireReports.ToReport(path, usage), ProtocolJson.Default.UsageReport);
    }

    private Task ListTargetsAsync(HttpContext context)
    {
        IReadOnlyList<TargetReport> targets = [.. node.Hot.GetTargets().Select(WireReports.ToReport)];
        return ApiJson.WriteAsync(context, targets, ProtocolJson.Default.IReadOnlyListTargetReport);
    }

    private async Task AddTargetAsync(HttpContext context)
    {
        AddTargetCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.AddTargetCommand);
        int number = await node.Hot.AddTargetAsync(command.Pool, command.Directory, context.RequestAborted);
        TargetStatus added = node.Hot.GetTargets().First(t => t.Target == number);
        await ApiJson.WriteAsync(
            context, WireReports.ToReport(added), ProtocolJson.Default.TargetReport, StatusCodes.Status201Created);
    }

    private async Task DrainAsync(HttpContext context)
    {
        string text = (string?)context.Request.RouteValues["target"] ?? string.Empty;
        if (
            !int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int target)
            || !node.Hot.GetTargets().Any(t => t.Target == target))
        {
            throw new DataLayerException(
                ErrorCode.NotFound, $"There is no target '{text}': list them with 'datalayer target list'.");
        }

        await ProgressStream.RunAsync(
            context, time,
            async (progress, token) =>
            {
                long moved = 0;
                await node.Engine.DrainTargetAsync(
                    target,
                    Map<long, DrainStatus>(
                        progress,
                        bytes =>
                        {
                            Interlocked.Exchange(ref moved, bytes);
                            return new DrainStatus { Target = target, MovedBytes = bytes };
                        }),
                    token);
                return new DrainStatus { Target = target, MovedBytes = Interlocked.Read(ref moved) };
            },
            ProtocolJson.Default.ProgressLineDrainStatusDrainStatus);
    }

    private async Task CheckAsync(HttpContext context)
    {
        CheckCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.CheckCommand);
        CheckReport report = await node.Engine.FsckAsync(command.Repair, context.RequestAborted);
        await ApiJson.WriteAsync(context, WireReports.ToStatus(report), ProtocolJson.Default.CheckStatus);
    }

    private async Task ScrubAsync(HttpContext context)
    {
        string path = await ReadPathAsync(context);
        await ProgressStream.RunAsync(
            context, time,
            async (progress, token) =>
                WireReports.ToStatus(
                    await node.Engine.ScrubAsync(
                        path, Map<ScrubReport, ScrubStatus>(progress, WireReports.ToStatus), token)),
            ProtocolJson.Default.ProgressLineScrubStatusScrubStatus);
    }

    private Task StatisticsAsync(HttpContext context) =>
        ApiJson.WriteAsync(context, statistics.Collect(), ProtocolJson.Default.StatisticsReport);

    private static Task VersionAsync(HttpContext context) =>
        ApiJson.WriteAsync(context, ProgramVersion.Report(), ProtocolJson.Default.VersionReport);

    private static async ValueTask<string> ReadPathAsync(HttpContext context)
    {
        PathCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.PathCommand);
        RequestCaller.DemandPath(context, command.Path);
        return command.Path;
    }

    private static ApiOperation Operation(string name, string summary, RequestDelegate handler, Type body) =>
        new("POST", $"{ApiRoutes.Operations}/{name}", name, summary, handler) { Tag = "operations", Body = body };

    private static MappedProgress<TFrom, TTo> Map<TFrom, TTo>(IProgress<TTo> to, Func<TFrom, TTo> map) =>
        new(to, map);

    /// <summary>Reports at once, on the reporter's thread.</summary>
    private sealed class MappedProgress<TFrom, TTo>(IProgress<TTo> to, Func<TFrom, TTo> map) : IProgress<TFrom>
    {
        public void Report(TFrom value) => to.Report(map(value));
    }
}
