using System.Buffers;
using System.Text.Json.Serialization;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Simulation;

namespace DataLayer.Server.Cli;

/// <summary>How a trace is replayed.</summary>
/// <param name="Speed">Times as fast as it was recorded; infinity for as fast as it goes.</param>
/// <param name="Parallel">Reads in flight, the most of them.</param>
/// <param name="From">The folder that paths of the trace begin with.</param>
/// <param name="To">The folder to read below instead.</param>
internal sealed record TraceReplayOptions(double Speed, int Parallel, string From, string To);

/// <summary>What a replay measured.</summary>
internal sealed record TraceReplayReport
{
    /// <summary>Reads that were answered, a count.</summary>
    public long Reads { get; set; }

    /// <summary>Their bytes.</summary>
    public long Bytes { get; set; }

    /// <summary>Reads that failed, a count.</summary>
    public long Failed { get; set; }

    /// <summary>The first failure.</summary>
    public string? FirstError { get; set; }

    /// <summary>How long the replay took, seconds.</summary>
    public double Seconds { get; set; }

    /// <summary>How long the recording was, seconds.</summary>
    public double RecordedSeconds { get; set; }

    /// <summary>Half of the reads were answered within, seconds.</summary>
    public double P50Seconds { get; set; }

    /// <summary>Nine tenths of them.</summary>
    public double P90Seconds { get; set; }

    /// <summary>99 %.</summary>
    public double P99Seconds { get; set; }

    /// <summary>99.9 %.</summary>
    public double P999Seconds { get; set; }

    /// <summary>The slowest.</summary>
    public double MaxSeconds { get; set; }

    /// <summary>
    /// How much later than recorded the 99th of a hundred reads began, seconds: with the original timing, the replaying
    /// machine or the bound of reads in flight was the limit where this is not small.
    /// </summary>
    public double LateP99Seconds { get; set; }
}

/// <summary>JSON of <c>trace replay</c>.</summary>
[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(TraceReplayReport))]
internal sealed partial class TraceReplayJson : JsonSerializerContext;

/// <summary>Reads what a trace says was read, from a service, when it says or as fast as it goes.</summary>
internal sealed class TraceReplay(DataLayerClient client, TraceReplayOptions options, TimeProvider time) : IDisposable
{
    private readonly LatencyHistogram _latency = new();
    private readonly LatencyHistogram _lateness = new();
    private readonly SemaphoreSlim _slots = new(options.Parallel, options.Parallel);
    private long _bytes;
    private long _failed;
    private string? _firstError;

    /// <inheritdoc/>
    public void Dispose() => _slots.Dispose();

    /// <summary>Replays a trace to its end.</summary>
    public async Task<TraceReplayReport> RunAsync(AccessTrace trace, CancellationToken cancellationToken)
    {
        long begun = time.GetTimestamp();
        TimeSpan first = trace.Events.Count > 0 ? trace.Events[0].At : TimeSpan.Zero;
        foreach (TraceEvent access in trace.Events)
        {
            if (access.Action != TraceAction.Read || access.Bytes == 0)
            {
                continue;
            }

            TimeSpan due = double.IsFinite(options.Speed) ? (access.At - first) / options.Speed : TimeSpan.Zero;
            // A delay is cut to whole milliseconds and may end before its time: what is left is waited for again.
            for (TimeSpan early; (early = due - time.GetElapsedTime(begun)) > TimeSpan.Zero;)
            {
                TimeSpan least = TimeSpan.FromMilliseconds(1);
                await Task.Delay(early > least ? early : least, time, cancellationToken);
            }

            await _slots.WaitAsync(cancellationToken);
            if (double.IsFinite(options.Speed))
            {
                TimeSpan late = time.GetElapsedTime(begun) - due;
                _lateness.Add(late);
            }

            _ = ReadAsync(PathOf(trace.Files[access.File].Path), access.OffsetBytes, access.Bytes, cancellationToken);
        }

        for (int i = 0; i < options.Parallel; i++)
        {
            await _slots.WaitAsync(cancellationToken); // The last reads end.
        }

        return Report(trace, first, time.GetElapsedTime(begun));
    }

    private async Task ReadAsync(string path, long offset, long length, CancellationToken cancellationToken)
    {
        const int Piece = 8 << 20;
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(length, Piece));
        long begun = time.GetTimestamp();
        try
        {
            for (long done = 0; done < length;)
            {
                int wanted = (int)Math.Min(length - done, Piece);
                int read = await client.ReadAtAsync(
                    path, offset + done, buffer.AsMemory(0, wanted), cancellationToken: cancellationToken);
                Interlocked.Add(ref _bytes, read);
                done = read == 0 ? length : done + read;
            }

            _latency.Add(time.GetElapsedTime(begun));
        }
        catch (DataLayerException error)
        {
            Interlocked.Increment(ref _failed);
            Interlocked.CompareExchange(ref _firstError, error.Message, null);
        }
        catch (OperationCanceledException)
        {
            // The replay is given up.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            _slots.Release();
        }
    }

    private string PathOf(string path) =>
        options.From == options.To || !path.StartsWith(options.From, StringComparison.Ordinal)
            ? path
            : options.To.TrimEnd('/') + "/" + path[options.From.Length..].TrimStart('/');

    private TraceReplayReport Report(AccessTrace trace, TimeSpan first, TimeSpan took) => new()
    {
        Reads = _latency.Count,
        Bytes = _bytes,
        Failed = _failed,
        FirstError = _firstError,
        Seconds = took.TotalSeconds,
        RecordedSeconds = trace.Events.Count > 0 ? (trace.Events[^1].At - first).TotalSeconds : 0,
        P50Seconds = _latency.QuantileSeconds(0.5),
        P90Seconds = _latency.QuantileSeconds(0.9),
        P99Seconds = _latency.QuantileSeconds(0.99),
        P999Seconds = _latency.QuantileSeconds(0.999),
        MaxSeconds = _latency.LongestSeconds,
        LateP99Seconds = _lateness.QuantileSeconds(0.99),
    };
}
