namespace DataLayer.Storage.Objects.S3;

/// <summary>Sends one request through the SDK: bounded in time, counted, its failure turned into a fault.</summary>
internal sealed class S3Caller(S3Connection connection, RequestMeter meter, TimeProvider time)
{
    private const double UploadBytesPerSecond = 1 << 20;
    private const double CopyBytesPerSecond = 8 << 20;

    /// <summary>Sends a request.</summary>
    /// <param name="verb">What it counts as.</param>
    /// <param name="what">The request, for messages.</param>
    /// <param name="uploadBytes">The length of its body; adds to the time it may take.</param>
    /// <param name="send">The SDK call.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="copiedBytes">What the server copies by itself; adds to the time too, and counts as nothing
    /// sent.</param>
    internal async ValueTask<T> SendAsync<T>(
        RequestVerb verb, string what, long uploadBytes, Func<CancellationToken, Task<T>> send,
            CancellationToken cancellationToken, long copiedBytes = 0)
    {
        long start = time.GetTimestamp();
        RequestOutcome outcome = RequestOutcome.Failed;
        SendPermit permit = new(mayRepeat: verb is RequestVerb.Head or RequestVerb.List or RequestVerb.Delete);
        SendPermit.Current = permit;
        TimeSpan limit = connection.Options.AttemptTimeout + TimeSpan.FromSeconds(
            (uploadBytes / UploadBytesPerSecond) + (copiedBytes / CopyBytesPerSecond));
        using CancellationTokenSource attempt = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        attempt.CancelAfter(limit);
        try
        {
            T answer = await send(attempt.Token).ConfigureAwait(false);
            outcome = RequestOutcome.Answered;
            return answer;
        }
        catch (Exception e) when (attempt.IsCancellationRequested)
        {
            // The SDK may wrap the cancellation.
            cancellationToken.ThrowIfCancellationRequested();
            throw S3Fault.TimedOut(what, connection.Endpoint, limit, e);
        }
        catch (Exception e)
        {
            Exception fault = S3Fault.From(e, what, connection.Endpoint);
            outcome = permit.SentCount > 0 && S3Fault.MayHaveReached(e)
                ? RequestMeter.OutcomeOf(fault)
                : RequestOutcome.NotSent;
            throw fault;
        }
        finally
        {
            SendPermit.Current = null;
            meter.Record(
                verb, outcome, outcome == RequestOutcome.Answered ? uploadBytes : 0, time.GetElapsedTime(start));
            for (int repeated = 1; repeated < permit.SentCount; repeated++)
            {
                // Sent again by the SDK: billed too.
                meter.Record(verb, RequestOutcome.Failed, 0, TimeSpan.Zero);
            }
        }
    }
}
