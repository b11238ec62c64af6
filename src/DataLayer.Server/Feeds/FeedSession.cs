using DataLayer.Core.Errors;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Protocol.Feeds;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using DataLayer.Storage.Objects;

namespace DataLayer.Server.Feeds;

/// <summary>
/// One connection, which is one feed: Hello → Open → batches and releases → the end by either side. Its end, for
/// whatever reason, ends the feed and gives its slabs back when the last read into them has ended.
/// </summary>
internal sealed class FeedSession(FeedWire wire, FeedService feeds, DatasetService datasets, TimeProvider time)
{
    /// <summary>How long a client may take to say who it is, and then what it wants.</summary>
    public static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan _callerCheck = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _farewellTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Serves the connection until it is over.</summary>
    /// <param name="identify">Finds out who calls, by the token of its Hello (null for none).</param>
    /// <param name="isStillKnown">Whether a caller may go on: asked each second.</param>
    /// <param name="stopping">The service stops.</param>
    /// <returns>Why the service ended it; null where the client did.</returns>
    public async Task<DataLayerException?> RunAsync(
        Func<string?, Caller> identify, Func<Caller, bool> isStillKnown, CancellationToken stopping)
    {
        try
        {
            await ServeAsync(identify, isStillKnown, stopping);
            return null;
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.OriginUnavailable && stopping.IsCancellationRequested)
        {
            return null;
        }
        catch (DataLayerException e)
        {
            await RefuseAsync(e);
            return e;
        }
        catch (OperationCanceledException)
        {
            DataLayerException fault = stopping.IsCancellationRequested
                ? new DataLayerException(
                    ErrorCode.ShuttingDown, "The service stops. Connect again when it is back, at the cursor you have.")
                : new DataLayerException(
                    ErrorCode.TimedOut,
                    $"The client did not say within {OpenTimeout.TotalSeconds:0} seconds what it wants.");
            await RefuseAsync(fault);
            return fault;
        }
    }

    private async Task ServeAsync(
        Func<string?, Caller> identify, Func<Caller, bool> isStillKnown, CancellationToken stopping)
    {
        using CancellationTokenSource limit = new(OpenTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stopping);
        FeedHello hello = await ReceiveAsync(FeedFrameKind.Hello, FeedJson.Default.FeedHello, either.Token);
        Caller caller = identify(hello.Token);
        caller.Demand(ApiAccess.Read);
        FeedWelcome welcome = new() { Service = ProgramVersion.Text, SharedMemory = wire.HasSharedMemory };
        await wire.SendAsync(
            FeedFrameKind.Welcome, FeedPayload.Write(welcome, FeedJson.Default.FeedWelcome), either.Token);
        FeedOpen open = await ReceiveAsync(FeedFrameKind.Open, FeedJson.Default.FeedOpen, either.Token);
        FeedRequest request = FeedWords.ToRequest(open);
        CheckReach(caller, request.Dataset);
        if (caller.Use is { } use)
        {
            OriginUse.Current = use;
        }

        FeedRun run = feeds.Open(request, hello.Client is { Length: > 0 and <= 200 } name ? name : caller.Name);
        await using (run)
        {
            await wire.SendAsync(
                FeedFrameKind.Opened, FeedPayload.Write(FeedWords.ToOpened(run), FeedJson.Default.FeedOpened),
                either.Token);
            await StreamAsync(run, () => isStillKnown(caller), stopping);
        }
    }

    /// <summary>Sends batches and takes releases, until one of the two, or the caller's right, is over.</summary>
    private async Task StreamAsync(FeedRun run, Func<bool> isStillKnown, CancellationToken stopping)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Task sending = SendBatchesAsync(run, over.Token);
        Task receiving = FollowAsync(run, over.Token);
        Task watching = WatchAsync(isStillKnown, over.Token);
        Task first = await Task.WhenAny(sending, receiving, watching);
        if (first == sending && sending.IsCompletedSuccessfully)
        {
            // After the last batch the client still holds slabs: the connection is its to close.
            first = await Task.WhenAny(receiving, watching);
        }

        await over.CancelAsync();
        await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await first;
    }

    /// <summary>Ends with a fault once the caller's token is revoked or has expired.</summary>
    private async Task WatchAsync(Func<bool> isStillKnown, CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(_callerCheck, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            if (!isStillKnown())
            {
                throw new DataLayerException(
                    ErrorCode.NotAuthenticated, "The token that the feed was opened with was revoked or has expired.");
            }
        }
    }

    private async Task SendBatchesAsync(FeedRun run, CancellationToken cancellationToken)
    {
        while (await run.NextAsync(cancellationToken) is { } batch)
        {
            await wire.SendBatchAsync(batch, cancellationToken);
        }

        FeedEnd end = new() { Cursor = run.Progress.Cursor };
        await wire.SendAsync(FeedFrameKind.End, FeedPayload.Write(end, FeedJson.Default.FeedEnd), cancellationToken);
    }

    private async Task FollowAsync(FeedRun run, CancellationToken cancellationToken)
    {
        while (await wire.ReceiveAsync(cancellationToken) is { } frame)
        {
            switch (frame.Kind)
            {
                case FeedFrameKind.Release:
                    run.Release(FeedPayload.ReadSequence(frame.Payload.Span));
                    break;
                case FeedFrameKind.Ping:
                    await wire.SendAsync(FeedFrameKind.Pong, default, cancellationToken);
                    break;
                case FeedFrameKind.Pong:
                    break;
                case FeedFrameKind.Close:
                    run.Stop();
                    break;
                case FeedFrameKind.Error:
                    return;
                default:
                    throw new DataLayerException(
                        ErrorCode.InvalidArgument,
                        $"After Open a client sends Release, Ping, Close and Error, not {frame.Kind}.");
            }
        }
    }

    private async ValueTask<T> ReceiveAsync<T>(
        FeedFrameKind kind, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type,
        CancellationToken cancellationToken)
        where T : class
    {
        while (true)
        {
            FeedFrame frame = await wire.ReceiveAsync(cancellationToken)
                ?? throw new DataLayerException(
                    ErrorCode.OriginUnavailable, $"The client closed before it said {kind}.");
            if (frame.Kind == kind)
            {
                return FeedPayload.Read(frame.Payload.Span, type);
            }

            if (frame.Kind != FeedFrameKind.Ping)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"The client sent {frame.Kind} where {kind} has to come.");
            }

            await wire.SendAsync(FeedFrameKind.Pong, default, cancellationToken);
        }
    }

    /// <summary>A dataset outside of the caller's scope is not there for it.</summary>
    private void CheckReach(Caller caller, string dataset)
    {
        if (!caller.MayReach(datasets.Get(dataset).Spec.Path))
        {
            throw DatasetService.Missing(dataset);
        }
    }

    private async Task RefuseAsync(DataLayerException fault)
    {
        using CancellationTokenSource limit = new(_farewellTimeout, time);
        try
        {
            FeedFault message = new() { Code = ErrorCodeText.ToText(fault.Code), Error = fault.Message };
            await wire.SendAsync(
                FeedFrameKind.Error, FeedPayload.Write(message, FeedJson.Default.FeedFault), limit.Token);
        }
        catch (Exception e) when (e is DataLayerException or OperationCanceledException)
        {
            // It is gone, and needs no answer.
        }
    }
}
