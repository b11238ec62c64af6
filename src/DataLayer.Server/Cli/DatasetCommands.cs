using System.CommandLine;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb dataset: named folders with a sample index.</summary>
internal static class DatasetCommands
{
    private const int ShownClasses = 20;

    /// <summary>Makes the command and those below it.</summary>
    public static Command Make(CommandFactory factory) => CommandFactory.Group(
        "dataset", "Named folders with a sample index: make, pin, verify, look into.",
        [
            Create(factory), Refresh(factory), List(factory), ShowOne(factory), Samples(factory), Sample(factory),
            Order(factory),
            Change(factory, "pin", "Freezes a dataset.", (c, name, t) => c.Client.Datasets.PinAsync(name, t)),
            Change(factory, "unpin", "Lets it go again.", (c, name, t) => c.Client.Datasets.UnpinAsync(name, t)),
            Verify(factory), Delete(factory),
        ]);

    private static Argument<string> Name() => new("name") { Description = "The dataset's name." };

    private static Option<bool> Detach() =>
        CommandFactory.Flag("--detach", "Print the job's number and leave it to the service.");

    private static Option<string?> Text(string name, string help, string description) =>
        new(name) { Description = description, HelpName = help };

    private static Option<T> Number<T>(string name, T fallback, string description) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => fallback,
        HelpName = "N",
    };

    private static Command Create(CommandFactory factory)
    {
        Argument<string> name = Name();
        Argument<string> path = new("path") { Description = "A folder or file of the tree, from '/'." };
        Option<string> kind = new("--kind")
        {
            Description = "What a sample is: files, tar (WebDataset), fixed (.npy, IDX, raw) or lines. Default: files.",
            DefaultValueFactory = _ => "files",
            HelpName = "KIND",
        };
        Option<string?> include = Text("--include", "GLOB", "Only such files, as *.jpg or a/**/*.jpg.");
        Option<string> labels = new("--labels")
        {
            Description = "Where labels are: none, folder, csv, array, member (tar) or field (lines). Default: none.",
            DefaultValueFactory = _ => "none",
            HelpName = "SOURCE",
        };
        Option<string?> from = Text(
            "--labels-from", "WHAT", "The file of the tree that has them (csv, array), or the field's name.");
        Option<long?> record = new("--record-bytes")
        {
            Description = "Of raw fixed records: their length, bytes.",
            HelpName = "N",
        };
        Option<double> validation = new("--validation")
        {
            Description = "Which share is held out for validation, 0 to below 1. Default: 0.",
            HelpName = "SHARE",
        };
        Option<string?> salt = Text("--split-salt", "TEXT", "Distinguishes splits of one share.");
        Option<bool> detach = Detach();
        return factory.Make(
            "create", "Makes a dataset and builds its index.",
            [name, path, kind, include, labels, from, record, validation, salt, detach],
            async (run, cancellationToken) =>
            {
                DatasetCommand command = new()
                {
                    Path = run.Arguments.GetValue(path)!,
                    Kind = run.Arguments.GetValue(kind)!,
                    Include = run.Arguments.GetValue(include),
                    Labels = run.Arguments.GetValue(labels)!,
                    LabelsFrom = run.Arguments.GetValue(from),
                    RecordBytes = run.Arguments.GetValue(record),
                    Validation = run.Arguments.GetValue(validation),
                    SplitSalt = run.Arguments.GetValue(salt),
                };
                string dataset = run.Arguments.GetValue(name)!;
                JobStatus job = await run.Client.Datasets.CreateAsync(dataset, command, cancellationToken);
                return await FollowAsync(run, job, dataset, run.Arguments.GetValue(detach), cancellationToken);
            });
    }

    private static Command Refresh(CommandFactory factory)
    {
        Argument<string> name = Name();
        Option<bool> detach = Detach();
        return factory.Make(
            "refresh", "Brings an index up to date; only files that changed are read.", [name, detach],
            async (run, cancellationToken) =>
            {
                string dataset = run.Arguments.GetValue(name)!;
                JobStatus job = await run.Client.Datasets.RefreshAsync(dataset, cancellationToken);
                return await FollowAsync(run, job, dataset, run.Arguments.GetValue(detach), cancellationToken);
            });
    }

    private static async Task<int> FollowAsync(
        CommandRun run, JobStatus job, string dataset, bool detach, CancellationToken cancellationToken)
    {
        if (detach)
        {
            run.Write(job, ProtocolJson.Default.JobStatus, j => run.Out.WriteLine($"job {j.Id}"));
            return ExitCode.Success;
        }

        JobStatus last = await JobCommands.WatchAsync(
            run, job, $"indexing {dataset}",
            j => ($"{Show.Count(j.DoneObjects)} of {Show.Count(j.TotalObjects)} files",
                j.TotalObjects > 0 ? (double)j.DoneObjects / j.TotalObjects : null),
            cancellationToken);
        if (last.State != "done")
        {
            run.Write(last, ProtocolJson.Default.JobStatus, j => run.Out.WriteLine($"{j.State}: {j.Failure}"));
            return ExitCode.Failure;
        }

        Say(run, await run.Client.Datasets.GetAsync(dataset, cancellationToken));
        return ExitCode.Success;
    }

    private static Command List(CommandFactory factory) => factory.Make(
        "list", "Lists the datasets.", [],
        async (run, cancellationToken) =>
        {
            Table table = Show.Columns("name", "state", "kind", "#samples", "#files", "#size", "path");
            foreach (DatasetStatus dataset in await run.Client.Datasets.ListAsync(cancellationToken))
            {
                run.Write(
                    dataset, ProtocolJson.Default.DatasetStatus,
                    d => table.Row(
                        d.Name, d.State, d.Spec.Kind, Show.Count(d.Samples), Show.Count(d.Files),
                        Show.Size(d.SampleBytes), d.Spec.Path));
            }

            run.Write(table);

            return ExitCode.Success;
        });

    private static Command ShowOne(CommandFactory factory)
    {
        Argument<string> name = Name();
        return factory.Make(
            "show", "Shows a dataset.", [name],
            async (run, cancellationToken) =>
            {
                DatasetStatus dataset = await run.Client.Datasets.GetAsync(
                    run.Arguments.GetValue(name)!, cancellationToken);
                run.Write(dataset, ProtocolJson.Default.DatasetStatus, d => ShowDataset(run.Out, d));
                return ExitCode.Success;
            });
    }

    private static Command Samples(CommandFactory factory)
    {
        Argument<string> name = Name();
        Option<long> from = Number("--from", 0L, "The first sample. Default: 0.");
        Option<int> limit = Number("--limit", 20, "At most so many, up to 10,000. Default: 20.");
        return factory.Make(
            "samples", "Shows where samples lie.", [name, from, limit],
            async (run, cancellationToken) =>
            {
                SamplePage page = await run.Client.Datasets.ListSamplesAsync(
                    run.Arguments.GetValue(name)!, run.Arguments.GetValue(from), run.Arguments.GetValue(limit),
                    cancellationToken);
                Table table = Show.Columns("#sample", "#offset", "#length", "label", "part", "path");
                foreach (SampleStatus sample in page.Samples)
                {
                    run.Write(
                        sample, ProtocolJson.Default.SampleStatus,
                        s => table.Row(
                            Plain(s.Number), Plain(s.OffsetBytes), Plain(s.LengthBytes), s.Label ?? "-",
                            s.Validation ? "validation" : "train", s.Path ?? "(gone)"));
                }

                run.Write(table);

                return ExitCode.Success;
            });
    }

    private static Command Sample(CommandFactory factory)
    {
        Argument<string> name = Name();
        Argument<long> number = new("number") { Description = "The sample's number, from 0." };
        return factory.Make(
            "sample", "Writes a sample's bytes to standard output.", [name, number],
            async (run, cancellationToken) =>
            {
                byte[] bytes = await run.Client.Datasets.ReadSampleAsync(
                    run.Arguments.GetValue(name)!, run.Arguments.GetValue(number), cancellationToken);
                await using Stream output = run.Environment.OpenOutput();
                await output.WriteAsync(bytes, cancellationToken);
                return ExitCode.Success;
            });
    }

    private static Command Order(CommandFactory factory)
    {
        Argument<string> name = Name();
        Option<OrderMode> mode = new("--mode")
        {
            Description = "sequential, shuffle, blocks, weighted or balanced. Default: shuffle.",
            DefaultValueFactory = _ => OrderMode.Shuffle,
            HelpName = "MODE",
        };
        Option<DatasetPart> part = new("--part")
        {
            Description = "all, train or validation. Default: all.",
            HelpName = "PART",
        };
        Option<long> seed = Number("--seed", 0L, "The seed. Default: 0.");
        Option<long> pass = Number("--pass", 0L, "The pass. Default: 0.");
        Option<long> from = Number("--from", 0L, "The first position. Default: 0.");
        Option<int> limit = Number("--limit", 20, "At most so many, up to 10,000. Default: 20.");
        Option<int> block = Number("--block", 1024, "Of blocks and lengths: samples a block has. Default: 1024.");
        Option<int> window = Number("--window", 16, "Of blocks and lengths: blocks a window has. Default: 16.");
        Option<string?> weights = Text("--weights", "W,W,…", "Of weighted: a whole number for each class.");
        return factory.Make(
            "order", "Shows which sample stands at each position of a pass.",
            [name, mode, part, seed, pass, from, limit, block, window, weights],
            async (run, cancellationToken) =>
            {
                OrderSpec spec = new()
                {
                    Mode = run.Arguments.GetValue(mode),
                    Part = run.Arguments.GetValue(part),
                    Seed = run.Arguments.GetValue(seed),
                    BlockSamples = run.Arguments.GetValue(block),
                    WindowBlocks = run.Arguments.GetValue(window),
                    Weights = ParseWeights(run.Arguments.GetValue(weights)),
                };
                OrderReport report = await run.Client.Datasets.GetOrderAsync(
                    run.Arguments.GetValue(name)!, spec, run.Arguments.GetValue(pass), run.Arguments.GetValue(from),
                    run.Arguments.GetValue(limit), cancellationToken);
                run.Write(
                    report, ProtocolJson.Default.OrderReport,
                    r => run.Out.WriteLine(string.Join(' ', r.Samples.Select(Plain))));
                return ExitCode.Success;
            });
    }

    private static List<uint> ParseWeights(string? text)
    {
        List<uint> weights = [];
        foreach (string word in (text ?? string.Empty).Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            weights.Add(
                uint.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out uint weight)
                    ? weight
                    : throw new DataLayerException(
                        ErrorCode.InvalidArgument,
                        $"--weights: '{word}' is no whole number from 0 to {uint.MaxValue}."));
        }

        return weights;
    }

    private static Command Change(
        CommandFactory factory, string verb, string description,
        Func<CommandRun, string, CancellationToken, ValueTask<DatasetStatus>> change)
    {
        Argument<string> name = Name();
        return factory.Make(
            verb, description, [name],
            async (run, cancellationToken) =>
            {
                Say(run, await change(run, run.Arguments.GetValue(name)!, cancellationToken));
                return ExitCode.Success;
            });
    }

    private static Command Verify(CommandFactory factory)
    {
        Argument<string> name = Name();
        Option<bool> local = CommandFactory.Flag("--no-origin", "Do not ask the buckets: a request a file less.");
        return factory.Make(
            "verify", "Looks whether each sample is still what it was; 1 where one is not.", [name, local],
            async (run, cancellationToken) =>
            {
                string dataset = run.Arguments.GetValue(name)!;
                DatasetVerificationReport report =
                    await ProgressBars.RunAsync<DatasetVerificationReport, DatasetVerificationReport>(
                        run, $"verifying {dataset}",
                        async bar => await run.Client.Datasets.VerifyAsync(
                            dataset, !run.Arguments.GetValue(local), bar, cancellationToken),
                        r => ($"{Show.Count(r.Files)} files", null));
                run.Write(report, ProtocolJson.Default.DatasetVerificationReport, r => ShowVerification(run.Out, r));
                return report.BadFiles == 0 ? ExitCode.Success : ExitCode.Failure;
            });
    }

    private static Command Delete(CommandFactory factory)
    {
        Argument<string> name = Name();
        return factory.Make(
            "delete", "Forgets a dataset that is not pinned; its files stay.", [name],
            async (run, cancellationToken) =>
            {
                await run.Client.Datasets.DeleteAsync(run.Arguments.GetValue(name)!, cancellationToken);
                return ExitCode.Success;
            });
    }

    private static void Say(CommandRun run, DatasetStatus dataset) => run.Write(
        dataset, ProtocolJson.Default.DatasetStatus,
        d => run.Out.WriteLine(
            $"{d.Name}: {d.State}, {Show.Count(d.Samples)} samples in {Show.Count(d.Files)} files, "
            + $"{Show.Count(d.ReadFiles)} of them read; index {d.Hash?[..12]}, {Show.Size(d.IndexBytes)}"));

    private static void ShowDataset(IAnsiConsole console, DatasetStatus d)
    {
        Show.Properties(console,
        [
            ("state", d.State),
            ("fault", d.Fault),
            ("path", d.Spec.Path),
            ("kind", d.Spec.Kind + (d.Spec.Include is { } include ? $", only {include}" : string.Empty)),
            ("index", d.Hash),
            ("samples", $"{Show.Count(d.Samples)}, {Show.Size(d.SampleBytes)}"),
            ("validation", d.ValidationSamples == 0 ? null : Show.Count(d.ValidationSamples)),
            ("files", Show.Count(d.Files)),
            ("record", d.RecordBytes is { } length
                ? Show.Size(length)
                    + (d.Shape is { } shape ? $", {d.ElementType} ({string.Join(" × ", shape)})" : string.Empty)
                : null),
            ("classes", d.Classes.Count == 0 ? null
                : $"{Show.Count(d.Classes.Count)}: {string.Join(", ", d.Classes.Take(ShownClasses))}"
                    + (d.Classes.Count > ShownClasses ? ", …" : string.Empty)),
            ("index takes", d.Samples == 0 ? null
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Show.Size(d.IndexBytes)}, {(double)d.IndexBytes / d.Samples:0.0} bytes a sample; manifest ")
                    + Show.Size(d.ManifestBytes)),
            ("pinned", d.PinnedAt?.UtcDateTime.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture)),
        ]);
    }

    private static void ShowVerification(IAnsiConsole console, DatasetVerificationReport report)
    {
        console.WriteLine(
            $"{Show.Count(report.Samples)} samples in {Show.Count(report.Files)} files: "
            + (report.BadFiles == 0
                ? "all are what they were"
                : $"{Show.Count(report.BadSamples)} in {Show.Count(report.BadFiles)} files are not what they were"));
        foreach (DatasetGapReport gap in report.Gaps)
        {
            console.WriteLine($"  {gap.Path}: {gap.Reason}");
        }
    }

    private static string Plain(long number) => number.ToString(CultureInfo.InvariantCulture);
}
