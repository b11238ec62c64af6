using System.CommandLine;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Engine.Tiering.Simulation;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verbs accesslog and trace.</summary>
internal static class TraceCommands
{
    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Make(CommandFactory factory) =>
    [
        AccessLog(factory),
        CommandFactory.Group(
            "trace", "What is read, recorded with its timing and read again elsewhere.",
            [Record(factory), Replay(factory)]),
    ];

    private static Option<string> PathOption() => new("--path")
    {
        Description = "The folder or file. Default: /.",
        DefaultValueFactory = _ => "/",
        HelpName = "PATH",
    };

    private static Option<string?> LengthOption() => new("--for")
    {
        Description = "For how long, as 10m; without it until it is interrupted.",
        HelpName = "DURATION",
    };

    private static Command AccessLog(CommandFactory factory)
    {
        Option<string> path = PathOption();
        Option<string?> length = LengthOption();
        return factory.Make(
            "accesslog", "Shows reads as they come.", [path, length],
            async (run, cancellationToken) =>
            {
                await foreach (AccessRecord read in Watch(run, path, length, null, cancellationToken))
                {
                    run.Write(
                        read, ProtocolJson.Default.AccessRecord,
                        r => run.Environment.Out.WriteLine(string.Create(
                            CultureInfo.InvariantCulture,
                            $"{r.At.UtcDateTime:HH:mm:ss.ffffff} read {r.LengthBytes} at {r.OffsetBytes} {r.Path}")));
                    run.Environment.Out.Flush();
                }

                return ExitCode.Success;
            });
    }

    private static Command Record(CommandFactory factory)
    {
        Argument<string> file = new("file") { Description = "Where to; - for standard output." };
        Option<string> path = PathOption();
        Option<string?> length = LengthOption();
        return factory.Make(
            "record", "Writes reads with their timing to a file, until the time is over or it is interrupted.",
            [file, path, length],
            async (run, cancellationToken) =>
            {
                string target = run.Arguments.GetValue(file)!;
                (long reads, long missed) = (0, 0);
                DateTimeOffset start = default;
                await using Stream output = target == "-" ? run.Environment.OpenOutput() : File.Create(target);
                await using StreamWriter writer = new(output);
                try
                {
                    Action begun = () => run.Environment.Error.WriteLine("recording");
                    await foreach (AccessRecord read in Watch(run, path, length, begun, cancellationToken))
                    {
                        if (reads++ == 0)
                        {
                            start = read.At;
                            await writer.WriteLineAsync(string.Create(
                                CultureInfo.InvariantCulture, $"# start {start.UtcDateTime:O}"));
                        }

                        missed = read.Missed;
                        await writer.WriteLineAsync(string.Create(
                            CultureInfo.InvariantCulture,
                            $"{(read.At - start).TotalSeconds:0.######}\tread\t{read.LengthBytes}\t{read.Path}\t-\t-\t")
                            + read.OffsetBytes.ToString(CultureInfo.InvariantCulture));
                    }
                }
                catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
                {
                    // Interrupted: what there is, is the trace.
                }

                await writer.FlushAsync(CancellationToken.None);
                run.Environment.Error.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"{reads} reads recorded, {missed} missed"));
                return reads > 0 ? ExitCode.Success : ExitCode.Failure;
            });
    }

    private static Command Replay(CommandFactory factory)
    {
        Argument<string> file = new("file") { Description = "The trace." };
        Option<string> speed = new("--speed")
        {
            Description = "'original', a factor as 2, or 'max' for as fast as it goes.",
            DefaultValueFactory = _ => "original",
            HelpName = "SPEED",
        };
        Option<int> parallel = new("--parallel")
        {
            Description = "Reads in flight, the most of them.",
            DefaultValueFactory = _ => 64,
            HelpName = "N",
        };
        Option<string?> map = new("--map")
        {
            Description = "Read below another folder than was recorded, as /data=/copy.",
            HelpName = "FROM=TO",
        };
        return factory.Make(
            "replay", "Reads what a trace says from the service, and measures it.", [file, speed, parallel, map],
            async (run, cancellationToken) =>
            {
                TraceReplayOptions options = OptionsOf(
                    run.Arguments.GetValue(speed)!, run.Arguments.GetValue(parallel), run.Arguments.GetValue(map));
                string name = run.Arguments.GetValue(file)!;
                AccessTrace trace;
                using (StreamReader reader = new(name))
                {
                    trace = AccessTraceReader.Read(reader, name);
                }

                using TraceReplay replay = new(run.Client, options, run.Environment.Time);
                TraceReplayReport report = await replay.RunAsync(trace, cancellationToken);
                run.Write(report, TraceReplayJson.Default.TraceReplayReport, r => ShowReport(run.Out, r));
                return report.Failed == 0 ? ExitCode.Success : ExitCode.Failure;
            });
    }

    private static IAsyncEnumerable<AccessRecord> Watch(
        CommandRun run, Option<string> path, Option<string?> length, Action? begun, CancellationToken cancellationToken)
    {
        TimeSpan? time = null;
        if (run.Arguments.GetValue(length) is { } text)
        {
            time = UnitText.TryParseDuration(text, out TimeSpan parsed) && parsed >= TimeSpan.FromSeconds(1)
                ? parsed
                : throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"--for '{text}' is not a duration of 1s and more.");
        }

        return run.Client.Admin.WatchAccessesAsync(
            run.Arguments.GetValue(path)!, time, begun, cancellationToken);
    }

    private static TraceReplayOptions OptionsOf(string speed, int parallel, string? map)
    {
        double factor = 0;
        bool isKnown = speed switch
        {
            "original" => (factor = 1) > 0,
            "max" => (factor = double.PositiveInfinity) > 0,
            _ => double.TryParse(speed, NumberStyles.Float, CultureInfo.InvariantCulture, out factor) && factor > 0,
        };
        if (!isKnown || parallel is < 1 or > 10_000)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"--speed '{speed}' is not original, max or a factor above 0, or --parallel {parallel} is not in 1 to "
                + "10000.");
        }

        string[] sides = map?.Split('=') ?? ["/", "/"];
        return sides is [['/', ..] from, ['/', ..] to]
            ? new TraceReplayOptions(factor, parallel, from, to)
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"--map '{map}' is not two folders, as /data=/copy.");
    }

    private static void ShowReport(IAnsiConsole console, TraceReplayReport r)
    {
        double rate = r.Seconds > 0 ? r.Bytes / r.Seconds : 0;
        Show.Properties(console,
        [
            ("reads", $"{Show.Count(r.Reads)}, {Show.Size(r.Bytes)}"),
            ("took", $"{Show.Seconds(r.Seconds)}; recorded {Show.Seconds(r.RecordedSeconds)}"),
            ("rate", $"{Show.Size((long)rate)}/s"),
            ("p50", Milliseconds(r.P50Seconds)),
            ("p90", Milliseconds(r.P90Seconds)),
            ("p99", Milliseconds(r.P99Seconds)),
            ("p99.9", Milliseconds(r.P999Seconds)),
            ("max", Milliseconds(r.MaxSeconds)),
            ("late p99", r.LateP99Seconds > 0 ? Milliseconds(r.LateP99Seconds) : null),
            ("failed", r.Failed == 0 ? null : $"{Show.Count(r.Failed)}: {r.FirstError}"),
        ]);
    }

    private static string Milliseconds(double seconds) =>
        (seconds * 1e3).ToString("0.00", CultureInfo.InvariantCulture) + " ms";
}
