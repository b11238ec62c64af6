using System.Globalization;
using System.Text;

namespace DataLayer.TestSupport.Relay;

/// <summary>How the length of a message body is known.</summary>
internal readonly record struct RelayFraming(long LengthBytes, bool IsChunked, bool UntilClose)
{
    public static RelayFraming OfRequest(string head) => IsHeadChunked(head) ? new(0, true, false) : new(ContentLength(head) ?? 0, false, false);

    public static RelayFraming OfResponse(string method, string head)
    {
        int status = int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture);
        if (method == "HEAD" || status is 204 or 304 or < 200)
        {
            return default;
        }

        return IsHeadChunked(head) ? new(0, true, false)
            : ContentLength(head) is { } length ? new(length, false, false)
            : new(0, false, true);
    }

    private static bool IsHeadChunked(string head) =>
        head.Contains("\r\nTransfer-Encoding: chunked", StringComparison.OrdinalIgnoreCase);

    private static long? ContentLength(string head)
    {
        const string Name = "\r\nContent-Length:";
        int start = head.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
        if (start < 0)
        {
            return null;
        }

        start += Name.Length;
        return long.Parse(head.AsSpan(start, head.IndexOf('\r', start) - start), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
    }
}

/// <summary>What to change in a body that passes: where it stops (−1: nowhere) and which bit to flip (0: none).</summary>
internal readonly record struct RelayTamper(bool StopsHalfway, ulong Flip)
{
    public static RelayTamper None => default;
}

/// <summary>Reads HTTP/1.1 messages from one side of a relayed connection.</summary>
internal sealed class RelayReader(Stream stream)
{
    private readonly byte[] _buffer = new byte[128 * 1024];
    private int _start;
    private int _end;

    public Stream Stream => stream;

    /// <summary>The next message's first line and headers with the empty line, or null at the end of the connection.</summary>
    public async Task<string?> ReadHeadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            int end = _buffer.AsSpan(_start, _end - _start).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
            {
                string head = Encoding.Latin1.GetString(_buffer, _start, end + 4);
                _start += end + 4;
                return head;
            }

            if (!await FillAsync(cancellationToken))
            {
                return null;
            }
        }
    }

    /// <summary>Copies the body; false if it stopped early (tampered, or the peer closed).</summary>
    public async Task<bool> CopyBodyAsync(RelayFraming framing, Stream destination, RelayTamper tamper, CancellationToken cancellationToken)
    {
        if (framing.IsChunked)
        {
            return await CopyChunkedAsync(destination, tamper, cancellationToken);
        }

        long length = framing.UntilClose ? long.MaxValue : framing.LengthBytes;
        long stop = tamper.StopsHalfway ? length / 2 : length;
        long flipAt = tamper.Flip == 0 || length == 0 ? -1 : (long)(tamper.Flip % (ulong)length);
        for (long done = 0; done < stop;)
        {
            if (_start == _end && !await FillAsync(cancellationToken))
            {
                return framing.UntilClose;
            }

            int count = (int)Math.Min(_end - _start, stop - done);
            if (flipAt >= done && flipAt < done + count)
            {
                _buffer[_start + (int)(flipAt - done)] ^= (byte)(1 << (int)((tamper.Flip >> 40) & 7));
            }

            await destination.WriteAsync(_buffer.AsMemory(_start, count), cancellationToken);
            _start += count;
            done += count;
        }

        return !tamper.StopsHalfway;
    }

    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        while (await FillAsync(cancellationToken))
        {
            _start = _end = 0;
        }
    }

    /// <summary>Chunked bodies are listings and errors, small: taken whole, so that halves and flips are simple.</summary>
    private async Task<bool> CopyChunkedAsync(Stream destination, RelayTamper tamper, CancellationToken cancellationToken)
    {
        using MemoryStream raw = new();
        while (true)
        {
            string line = await ReadLineAsync(raw, cancellationToken);
            int size = int.Parse(line.Split(';')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            for (int left = size + 2; size > 0 && left > 0;)
            {
                if (_start == _end && !await FillAsync(cancellationToken))
                {
                    return false;
                }

                int count = Math.Min(left, _end - _start);
                raw.Write(_buffer, _start, count);
                _start += count;
                left -= count;
            }

            if (size == 0)
            {
                while ((await ReadLineAsync(raw, cancellationToken)).Length > 0)
                {
                    // Trailers.
                }

                break;
            }
        }

        byte[] body = raw.ToArray();
        if (tamper.Flip != 0)
        {
            body[tamper.Flip % (ulong)body.Length] ^= (byte)(1 << (int)((tamper.Flip >> 40) & 7));
        }

        await destination.WriteAsync(body.AsMemory(0, tamper.StopsHalfway ? body.Length / 2 : body.Length), cancellationToken);
        return !tamper.StopsHalfway;
    }

    private async Task<string> ReadLineAsync(MemoryStream raw, CancellationToken cancellationToken)
    {
        while (true)
        {
            int end = _buffer.AsSpan(_start, _end - _start).IndexOf("\r\n"u8);
            if (end >= 0)
            {
                string line = Encoding.Latin1.GetString(_buffer, _start, end);
                raw.Write(_buffer, _start, end + 2);
                _start += end + 2;
                return line;
            }

            if (!await FillAsync(cancellationToken))
            {
                throw new IOException("The peer closed within a chunked body.");
            }
        }
    }

    private async Task<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_start > 0)
        {
            Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
            (_start, _end) = (0, _end - _start);
        }

        if (_end == _buffer.Length)
        {
            throw new IOException("The head of a message is longer than the relay's buffer.");
        }

        int count = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += count;
        return count > 0;
    }
}
