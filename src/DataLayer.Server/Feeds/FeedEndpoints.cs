using DataLayer.Core.Errors;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using DataLayer.Server.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace DataLayer.Server.Feeds;

/// <summary>
/// Feeds over the API: which are open, and a connection that becomes one. A scoped caller sees those whose dataset lies
/// in its scope.
/// </summary>
internal sealed class FeedEndpoints(FeedHost feeds, NodeHost node, TimeProvider time)
{
    /// <summary>What the header Upgrade has to name.</summary>
    public const string UpgradeName = "datalayer-feed";

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Feeds, "listFeeds", "The feeds that are open: who reads what, and how far it is.",
            context => ApiJson.WriteAsync(context, List(context), ProtocolJson.Default.IReadOnlyListFeedStatus))
        {
            Access = ApiAccess.Caller,
            Tag = "feeds",
            Answer = typeof(IReadOnlyList<FeedStatus>),
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.Feeds + "/connect", "connectFeed",
            "With 'Upgrade: datalayer-feed' the connection becomes a feed (docs/FORMATS/feed.md).", ConnectAsync)
        {
            Access = ApiAccess.Caller,
            Tag = "feeds",
            Statuses = [101],
        };
    }

    private IReadOnlyList<FeedStatus> List(HttpContext context)
    {
        Caller caller = RequestCaller.Of(context);
        DatasetService datasets = node.Engine.Datasets;
        return
        [
            .. (feeds.Service?.List() ?? [])
                .Where(run => caller.Confinement is null
                    || (datasets.Find(run.Request.Dataset) is { } set && caller.MayReach(set.Spec.Path)))
                .Select(ToStatus),
        ];
    }

    private static FeedStatus ToStatus(FeedRun run)
    {
        FeedProgress progress = run.Progress;
        return new FeedStatus
        {
            Dataset = run.Request.Dataset,
            Client = run.Owner,
            Feed = run.Order.FeedId,
            Order = run.Order.Spec.ToCanonicalText(),
            Rank = run.Request.Rank,
            World = run.Request.World,
            Batch = run.Request.Batch,
            OpenedAt = run.OpenedAt,
            Cursor = progress.Cursor,
            PassLength = run.Order.PassLength,
            Batches = progress.Batches,
            Samples = progress.Samples,
            Queued = progress.QueuedCount,
            Leased = progress.LeasedCount,
            SlabBytes = progress.SlabBytes,
            WaitSeconds = progress.WaitNanoseconds / 1e9,
            MemoryBytes = progress.MemoryBytes,
            HotBytes = progress.HotBytes,
            OriginBytes = progress.OriginBytes,
        };
    }

    private async Task ConnectAsync(HttpContext context)
    {
        IHttpUpgradeFeature? upgrade = context.Features.Get<IHttpUpgradeFeature>();
        if (upgrade is not { IsUpgradableRequest: true }
            || !string.Equals(context.Request.Headers.Upgrade, UpgradeName, StringComparison.OrdinalIgnoreCase))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"This is no request for an upgrade: send 'Connection: Upgrade' and 'Upgrade: {UpgradeName}' over "
                + "HTTP/1.1.");
        }

        _ = node.Engine; // Not before the node is open.
        if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } slowest)
        {
            slowest.MinDataRate = null;
        }

        if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { } slow)
        {
            slow.MinDataRate = null;
        }

        context.Response.Headers.Upgrade = UpgradeName;
        Stream stream = await upgrade.UpgradeAsync();
        await feeds.ServeAsync(new StreamFeedWire(stream, time), RequestCaller.Of(context));
    }
}
