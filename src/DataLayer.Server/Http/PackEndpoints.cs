using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Packs: what there is, and jobs that repack, unpack and index.</summary>
internal sealed class PackEndpoints(NodeHost node, TimeProvider time)
{
    private const int DefaultPage = 100;
    private const int MaxPage = 1000;

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Packs, "listPacks",
            "The packs of small cold files, by number, with what of each is still needed.", ListAsync)
        {
            Tag = "packs",
            Answer = typeof(PackPage),
            Parameters =
            [
                new("after", ApiParameterPlace.Query, "integer", "Packs with larger numbers; 0 for the first."),
                new("limit", ApiParameterPlace.Query, "integer", "At most so many, 1 to 1,000; default 100."),
            ],
        };
        yield return new ApiOperation(
            "POST", ApiRoutes.Packs + "/jobs", "packJob",
            "Makes a job that repacks, unpacks or indexes what lies at or below a path.", AddAsync)
        {
            Tag = "packs",
            Body = typeof(PackCommand),
            Answer = typeof(JobStatus),
            Statuses = [202],
            Parameters = [JobEndpoints.Key],
        };
    }

    private async Task ListAsync(HttpContext context)
    {
        long after = RequestTarget.Number(context, "after", 0, 0, long.MaxValue);
        int limit = RequestTarget.Count(context, "limit", DefaultPage, 1, MaxPage);
        IReadOnlyList<PackUse> packs = await node.Open.Tree.ListPacksAsync(after, limit, context.RequestAborted);
        IReadOnlyList<Attachment> attachments = await node.Open.Engine.ListAttachmentsAsync(context.RequestAborted);
        PackPage page = new()
        {
            Packs = [.. packs.Select(p => ToStatus(p, attachments))],
            Next = packs.Count == limit ? packs[^1].Pack.Id : null,
        };
        await ApiJson.WriteAsync(context, page, ProtocolJson.Default.PackPage);
    }

    private async Task AddAsync(HttpContext context)
    {
        PackCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.PackCommand);
        RequestCaller.DemandPath(context, command.Path);
        PackSpec spec = new()
        {
            Action = command.Action switch
            {
                "repack" => PackAction.Repack,
                "unpack" => PackAction.Unpack,
                "index" => PackAction.Index,
                _ => throw new DataLayerException(
                    ErrorCode.InvalidArgument, "action is none: give repack, unpack or index."),
            },
            Path = command.Path,
            DeadShare = command.DeadShare is null or (>= 0.01 and <= 1)
                ? command.DeadShare
                : throw new DataLayerException(ErrorCode.InvalidArgument, "deadShare is not 0.01 to 1."),
        };
        await node.Open.Engine.StatAsync(command.Path, followLast: true, context.RequestAborted);
        Caller caller = RequestCaller.Of(context);
        string text = spec.ToText();
        (JobRecord job, _) = await node.Jobs.AddAsync(
            PackRunner.KindName, text, caller.Name, caller.Scopes,
            JobEndpoints.KeyOf(context, JobEndpoints.Fingerprint(text)), context.RequestAborted);
        context.Response.Headers.Location = string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Jobs}/{job.Id}");
        context.Response.Headers.ETag = JobWire.TagOf(job);
        await ApiJson.WriteAsync(
            context, JobWire.ToStatus(job, time), ProtocolJson.Default.JobStatus, StatusCodes.Status202Accepted);
    }

    private static PackStatus ToStatus(PackUse use, IReadOnlyList<Attachment> attachments) => new()
    {
        Id = use.Pack.Id,
        Attachment = attachments.FirstOrDefault(a => a.Id == use.Pack.AttachmentId)?.Path,
        Key = use.Pack.Key,
        State = WireWord.Of(use.Pack.State),
        SizeBytes = use.Pack.SizeBytes,
        Members = use.Pack.MemberCount,
        LiveMembers = use.LiveCount,
        LiveBytes = use.LiveBytes,
        DeadShare = use.DeadShare,
        CreatedAt = UnixTime.ToTime(use.Pack.CreatedTimeNanoseconds),
    };
}
