namespace DataLayer.Storage.Objects.S3;

/// <summary>How often one call to the SDK may go out, and how often it did.</summary>
/// <param name="mayRepeat">Whether the request has no effect the second time, and nobody asks whether it had
/// one.</param>
internal sealed class SendPermit(bool mayRepeat)
{
    private static readonly AsyncLocal<SendPermit?> _current = new();
    private int _sent;

    /// <summary>The permit of the call that runs here; it flows through the SDK to the handler.</summary>
    internal static SendPermit? Current
    {
        get => _current.Value;
        set => _current.Value = value;
    }

    /// <summary>How often the request went out, a count.</summary>
    internal int SentCount => Volatile.Read(ref _sent);

    /// <summary>Asks to send; false if the request went out already and must not again.</summary>
    internal bool TrySend()
    {
        if (!mayRepeat && SentCount > 0)
        {
            return false;
        }

        Interlocked.Increment(ref _sent);
        return true;
    }
}

/// <summary>
/// Sees to it that a request with an effect goes out once: what is repeated must be repeated by us, who then ask
/// whether the first one was applied. And takes off the Expect: 100-continue of uploads.
/// </summary>
/// <remarks>
/// <para>With its retries off (MaxErrorRetry 0) AWSSDK.Core 4.0.102 still sends a request again when the connection was
/// reset before the answer's first byte. After a lost acknowledgement that turns a conditional write that was applied
/// into a 412, and the request is not counted.</para>
/// <para>Expect costs a round trip for each upload, and after a refusal Ceph RGW takes the next request on the
/// connection for the body that never came.</para>
/// </remarks>
internal sealed class SendOnceHandler(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    protected override Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (SendPermit.Current is { } permit && !permit.TrySend())
        {
            throw new IOException("the connection was lost before the answer");
        }

        request.Headers.ExpectContinue = false;
        return base.SendAsync(request, cancellationToken);
    }
}
