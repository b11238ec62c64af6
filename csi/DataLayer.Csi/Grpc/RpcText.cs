using System.Globalization;
using System.Text;

namespace DataLayer.Csi.Grpc;

/// <summary>The texts of gRPC over HTTP/2: timeouts and messages in headers.</summary>
internal static class RpcText
{
    /// <summary>A message longer than this is cut: trailers have a bound on every client (8 KiB is usual).</summary>
    private const int MaxMessageBytes = 1024;

    /// <summary>
    /// Reads <c>grpc-timeout</c>: at most 8 digits and a unit (H, M, S, m, u, n). False where it is not that.
    /// </summary>
    public static bool TryParseTimeout(string text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > 9
            || !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture,
                out long count))
        {
            return false;
        }

        const long TicksPerMicrosecond = 10;
        long? ticks = text[^1] switch
        {
            'H' => count * TimeSpan.TicksPerHour,
            'M' => count * TimeSpan.TicksPerMinute,
            'S' => count * TimeSpan.TicksPerSecond,
            'm' => count * TimeSpan.TicksPerMillisecond,
            'u' => count * TicksPerMicrosecond,
            'n' => (count + 99) / 100,
            _ => null,
        };
        timeout = new TimeSpan(ticks ?? 0);
        return ticks is not null;
    }

    /// <summary>Percent-encodes a message for <c>grpc-message</c>: all but printable ASCII, and '%'.</summary>
    public static string EncodeMessage(string message)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(message);
        int length = CutLength(bytes);
        StringBuilder text = new(length);
        foreach (byte value in bytes.AsSpan(0, length))
        {
            if (value is >= 0x20 and <= 0x7e and not (byte)'%')
            {
                text.Append((char)value);
            }
            else
            {
                text.Append('%').Append(value.ToString("X2", CultureInfo.InvariantCulture));
            }
        }

        return text.ToString();
    }

    /// <summary>Cuts between characters, never inside one.</summary>
    private static int CutLength(byte[] bytes)
    {
        if (bytes.Length <= MaxMessageBytes)
        {
            return bytes.Length;
        }

        int length = MaxMessageBytes;
        while (length > 0 && (bytes[length] & 0xC0) == 0x80)
        {
            length--;
        }

        return length;
    }
}
