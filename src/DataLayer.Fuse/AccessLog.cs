using System.Globalization;
using System.Text;
using DataLayer.Fuse.Interop;

namespace DataLayer.Fuse;

/// <summary>
/// What <c>.datalayer/accesslog</c> shows: one line an operation (but those on <c>.datalayer/</c> itself), kept in a
/// ring of the last lines. A reader that is slower than the mount loses lines and is told how many.
/// </summary>
internal sealed class AccessLog(TimeProvider time)
{
    private const int Capacity = 8192;
    private readonly Lock _gate = new();
    private readonly string?[] _lines = new string?[Capacity];
    private long _next;
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The number of the line that comes next.</summary>
    internal long Next => Interlocked.Read(ref _next);

    /// <summary>An operation begins.</summary>
    internal Line Begin(FuseRequest request) => new(
        time.GetTimestamp(), request.Opcode, request.Node, request.LengthBytes, request.UserId, request.GroupId,
        request.ProcessId);

    /// <summary>An operation ended.</summary>
    internal void End(Line line, int errno)
    {
        TimeSpan took = time.GetElapsedTime(line.Started);
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"{time.GetUtcNow():yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'} {line.Opcode} node={line.Node} bytes={line.Bytes} "
            + $"uid={line.UserId} gid={line.GroupId} pid={line.ProcessId} errno={errno} "
            + $"us={took.TotalMicroseconds:F0}\n");
        TaskCompletionSource waiting;
        lock (_gate)
        {
            _lines[_next % Capacity] = text;
            _next++;
            waiting = _more;
            _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        waiting.TrySetResult();
    }

    /// <summary>Lines from a number on, as many as fit; waits until there is one.</summary>
    /// <returns>The text, and the number to go on from.</returns>
    internal async ValueTask<(byte[] Text, long Next)> ReadAsync(
        long from, int limitBytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task more;
            lock (_gate)
            {
                if (from < _next)
                {
                    return TakeLocked(from, limitBytes);
                }

                more = _more.Task;
            }

            await more.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private (byte[] Text, long Next) TakeLocked(long from, int limitBytes)
    {
        StringBuilder text = new();
        long oldest = Math.Max(0, _next - Capacity);
        if (from < oldest)
        {
            text.Append(CultureInfo.InvariantCulture, $"# {oldest - from} lines were lost\n");
            from = oldest;
        }

        while (from < _next && _lines[from % Capacity] is { } line && text.Length + line.Length <= limitBytes)
        {
            text.Append(line);
            from++;
        }

        return (Encoding.UTF8.GetBytes(text.ToString()), from);
    }

    /// <summary>An operation under way.</summary>
    internal readonly record struct Line(
        long Started, Opcode Opcode, ulong Node, int Bytes, int UserId, int GroupId, int ProcessId);
}
