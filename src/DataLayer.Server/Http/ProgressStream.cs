using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Http;

/// <summary>
/// Serves a long operation: while it runs, a line of progress a few times a second; at its end the result or the fault.
/// A fault before the first line is an ordinary error answer. A client that goes away cancels the operation.
/// </summary>
internal static class ProgressStream
{
    /// <summary>Often enough for a smooth bar, seldom enough to cost nothing.</summary>
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(200);

    private static readonly byte[] _newLine = "\n"u8.ToArray();

    /// <summary>Runs <paramref name="operation"/> and streams it.</summary>
    /// <param name="context">The request.</param>
    /// <param name="time">The clock of the interval.</param>
    /// <param name="operation">The work; told where to report progress.</param>
    /// <param name="type">The line's JSON.</param>
    public static async Task RunAsync<TProgress, TResult>(
        HttpContext context, TimeProvider time,
        Func<IProgress<TProgress>, CancellationToken, Task<TResult>> operation,
        JsonTypeInfo<ProgressLine<TProgress, TResult>> type)
        where TProgress : class
        where TResult : class
    {
        CancellationToken cancellationToken = context.RequestAborted;
        LatestValue<TProgress> latest = new();
        Task<TResult> running = operation(latest, cancellationToken);
        bool started = false;
        try
        {
            while (await Task.WhenAny(running, Task.Delay(_interval, time, cancellationToken)) != running)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (latest.Take() is { } progress)
                {
                    Start(context, ref started);
                    await WriteLineAsync(context, new ProgressLine<TProgress, TResult> { Progress = progress }, type);
                }
            }
        }
        catch when (!running.IsCompleted)
        {
            // The client is gone. The work sees the same token; its end is awaited so that nothing runs unobserved.
            await ((Task)running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        ProgressLine<TProgress, TResult> last;
        try
        {
            last = new ProgressLine<TProgress, TResult> { Result = await running };
        }
        catch (DataLayerException e) when (started)
        {
            last = new ProgressLine<TProgress, TResult>
            {
                Error = ProblemWriter.Describe(e, context.Request.Path.Value),
            };
        }

        Start(context, ref started);
        if (latest.Take() is { } end)
        {
            await WriteLineAsync(context, new ProgressLine<TProgress, TResult> { Progress = end }, type);
        }

        await WriteLineAsync(context, last, type);
    }

    private static void Start(HttpContext context, ref bool started)
    {
        if (!started)
        {
            context.Response.ContentType = ApiRoutes.ProgressMediaType;
            started = true;
        }
    }

    private static async Task WriteLineAsync<T>(HttpContext context, T line, JsonTypeInfo<T> type)
    {
        Stream body = context.Response.Body;
        await JsonSerializer.SerializeAsync(body, line, type, context.RequestAborted);
        await body.WriteAsync(_newLine, context.RequestAborted);
        await body.FlushAsync(context.RequestAborted);
    }

    /// <summary>Keeps the last report; <see cref="Progress{T}"/> would queue every one of them.</summary>
    private sealed class LatestValue<T> : IProgress<T>
        where T : class
    {
        private T? _value;

        public void Report(T value) => Volatile.Write(ref _value, value);

        public T? Take() => Interlocked.Exchange(ref _value, null);
    }
}
