using System.Text;

namespace DataLayer.TestSupport.Relay;

/// <summary>One request and its answer on their way through the relay.</summary>
internal sealed class RelayExchange(
    RelayReader client, RelayReader server, RelayRequest request, RelayFault fault, TimeSpan delay, ulong flip, CancellationToken stop)
{
    /// <summary>Forwards both ways; false if the connection must end after it.</summary>
    public async Task<bool> RunAsync()
    {
        await server.Stream.WriteAsync(Encoding.Latin1.GetBytes(request.Head), stop);
        if (request.Head.Contains("100-continue", StringComparison.OrdinalIgnoreCase))
        {
            string? first = await server.ReadHeadAsync(stop);
            if (first is null)
            {
                return false;
            }

            if (!first.StartsWith("HTTP/1.1 100", StringComparison.Ordinal))
            {
                // A final answer without the body: forwarded, and the connection cannot go on.
                await AnswerAsync(first);
                await client.DrainAsync(stop);
                return false;
            }

            await client.Stream.WriteAsync(Encoding.Latin1.GetBytes(first), stop);
        }

        if (!await client.CopyBodyAsync(RelayFraming.OfRequest(request.Head), server.Stream, RelayTamper.None, stop))
        {
            return false;
        }

        string? head;
        do
        {
            head = await server.ReadHeadAsync(stop);
        }
        while (head?.StartsWith("HTTP/1.1 100", StringComparison.Ordinal) == true);

        return head is not null && await AnswerAsync(head);
    }

    private async Task<bool> AnswerAsync(string head)
    {
        TimeSpan wait = fault.Kind == RelayFaultKind.Slow ? delay + fault.Delay : delay;
        if (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, stop);
        }

        switch (fault.Kind)
        {
            case RelayFaultKind.ResetAfter:
                return false;
            case RelayFaultKind.HangAfter:
                await Task.Delay(Timeout.Infinite, stop);
                return false;
        }

        await client.Stream.WriteAsync(Encoding.Latin1.GetBytes(head), stop);
        RelayTamper tamper = new(
            fault.Kind is RelayFaultKind.TruncateBody or RelayFaultKind.HangInBody,
            fault.Kind == RelayFaultKind.FlipBody ? flip | 1 : 0);
        RelayFraming framing = RelayFraming.OfResponse(request.Method, head);
        bool whole = await server.CopyBodyAsync(framing, client.Stream, tamper, stop);
        if (fault.Kind == RelayFaultKind.HangInBody)
        {
            await Task.Delay(Timeout.Infinite, stop);
        }

        return whole && !framing.UntilClose && !head.Contains("\r\nConnection: close", StringComparison.OrdinalIgnoreCase);
    }
}
