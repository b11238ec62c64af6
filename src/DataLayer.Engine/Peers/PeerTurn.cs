using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Storage.Objects.Decorators;

namespace DataLayer.Engine.Peers;

/// <summary>One range that is another node's: asked there, hedged, and read at the object store where it must be.
/// </summary>
internal sealed class PeerTurn(
    EngineContext context, Peer peer, PeerParts parts, PeerRequest request, Memory<byte> destination,
    OriginRead origin)
{
    private readonly PeerCall _call = new(request, destination);
    private long _asked;
    private long _accepted;
    private bool _endedForGood;

    private PeerCounters Counters => context.PeerCounters;

    /// <summary>Brings the range.</summary>
    public async ValueTask<ReadTimes> RunAsync(CancellationToken cancellationToken)
    {
        if (!await peer.Gate.EnterAsync(request.LengthBytes, parts.Options.MaxHedgeDelay, cancellationToken)
            .ConfigureAwait(false))
        {
            Counters.NoteBusy();
            return await ReadOriginAsync(cancellationToken).ConfigureAwait(false);
        }

        try
        {
            if (await AskAsync(cancellationToken).ConfigureAwait(false) is { } times)
            {
                return times;
            }
        }
        finally
        {
            peer.Gate.Leave(request.LengthBytes);
        }

        cancellationToken.ThrowIfCancellationRequested();
        return await ReadOriginAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The times of a range that came, from there or by a hedge; null where the store is to be asked.
    /// </summary>
    private async ValueTask<ReadTimes?> AskAsync(CancellationToken cancellationToken)
    {
        if (!peer.TryBegin(out CancellationToken opened))
        {
            return null;
        }

        using CancellationTokenSource timeout = new(parts.Options.Timeout, context.Time);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(
            cancellationToken, opened, timeout.Token);
        _asked = context.Time.GetTimestamp();
        try
        {
            Task<PeerAnswer> asked = AskOnceAsync(stop.Token);
            if (!await IsInTimeAsync(asked).ConfigureAwait(false))
            {
                Counters.NoteLate();
                if (peer.TrySpendToken())
                {
                    return await RaceAsync(asked, stop, cancellationToken).ConfigureAwait(false);
                }

                if (!_call.Accepted.IsCompleted)
                {
                    await stop.CancelAsync().ConfigureAwait(false);
                }
            }

            return Settle(await asked.ConfigureAwait(false), cancellationToken);
        }
        finally
        {
            if (!_endedForGood)
            {
                peer.NoteNothing();
            }
        }
    }

    private async Task<PeerAnswer> AskOnceAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await parts.Link.ReadAsync(peer.Node, _call, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception)
        {
            return PeerAnswer.Failed; // Whatever another node's trouble is, it is none of the reader's.
        }
    }

    /// <summary>Whether the node says that it is at it in time, and then ends in time.</summary>
    private async ValueTask<bool> IsInTimeAsync(Task<PeerAnswer> asked)
    {
        Task accepted = Task.WhenAny(asked, _call.Accepted);
        if (!await HedgeBudget.EndsWithinAsync(accepted, peer.AcceptDelay, context.Time).ConfigureAwait(false))
        {
            return false;
        }

        _accepted = context.Time.GetTimestamp();
        peer.NoteAccepted(context.Time.GetElapsedTime(_asked, _accepted));
        return asked.IsCompleted
            || await HedgeBudget.EndsWithinAsync(asked, peer.AnswerDelay(request.LengthBytes), context.Time)
                .ConfigureAwait(false);
    }

    /// <summary>What an answer means for the node and for us.</summary>
    private ReadTimes? Settle(PeerAnswer answer, CancellationToken cancellationToken)
    {
        TimeSpan elapsed = context.Time.GetElapsedTime(_asked);
        switch (answer)
        {
            case PeerAnswer.Hit:
                _endedForGood = true;
                Counters.NoteHit(request.LengthBytes);
                peer.NoteAnswered(
                    request.LengthBytes,
                    _accepted == 0 ? elapsed : context.Time.GetElapsedTime(_accepted));
                return new ReadTimes { Origin = elapsed };
            case PeerAnswer.Miss:
                _endedForGood = true;
                Counters.NoteMiss();
                peer.NoteAlive();
                return null;
            case PeerAnswer.Busy:
                _endedForGood = true;
                Counters.NoteBusy();
                peer.NoteAlive();
                return null;
            default:
                if (!cancellationToken.IsCancellationRequested)
                {
                    NoteFailure();
                    Counters.NoteFailure();
                }

                return null;
        }
    }

    private void NoteFailure()
    {
        _endedForGood = true;
        if (peer.NoteFailure())
        {
            Counters.NoteOpened();
            EngineLog.PeerLeftAlone(context.Log, peer.Node.Name, peer.Node.Endpoint?.ToString() ?? string.Empty);
        }
    }

    /// <summary>Asks the store as well; whoever brings the range first wins.</summary>
    private async ValueTask<ReadTimes?> RaceAsync(
        Task<PeerAnswer> asked, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        Counters.NoteHedge();
        TransferBuffer buffer = context.Buffers.Rent(request.LengthBytes);
        CancellationTokenSource giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        context.Fetches.Begin();
        Task<ReadTimes> direct = origin(
            request.OffsetBytes, buffer.Memory[..request.LengthBytes], giveUp.Token).AsTask();
        bool isOurs = true;
        try
        {
            Task first = await Task.WhenAny(asked, direct).ConfigureAwait(false);
            if (first == direct && !direct.IsCompletedSuccessfully)
            {
                await asked.ConfigureAwait(false); // The node may still bring it.
            }

            if (asked.IsCompleted && Settle(await asked.ConfigureAwait(false), cancellationToken) is { } times)
            {
                isOurs = false;
                await giveUp.CancelAsync().ConfigureAwait(false);
                _ = CleanUpAsync(direct, buffer, giveUp);
                return times;
            }

            ReadTimes own = await direct.ConfigureAwait(false);
            await stop.CancelAsync().ConfigureAwait(false);
            await asked.ConfigureAwait(false); // Nothing writes into the caller's buffer any more.
            if (!_endedForGood)
            {
                NoteFailure();
            }

            buffer.GetSpan()[..request.LengthBytes].CopyTo(destination.Span);
            return own;
        }
        finally
        {
            if (isOurs)
            {
                await CleanUpAsync(direct, buffer, giveUp).ConfigureAwait(false);
            }
        }
    }

    /// <summary>After the store's read ended, however it did.</summary>
    private async Task CleanUpAsync(Task<ReadTimes> direct, TransferBuffer buffer, CancellationTokenSource giveUp)
    {
        await ((Task)direct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        context.Buffers.Return(buffer);
        giveUp.Dispose();
        context.Fetches.End();
    }

    private ValueTask<ReadTimes> ReadOriginAsync(CancellationToken cancellationToken) =>
        origin(request.OffsetBytes, destination, cancellationToken);
}
