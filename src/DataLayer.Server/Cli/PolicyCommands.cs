using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Protocol.Http;
using DataLayer.Server.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>
/// Verb policy: schema, check, test and diff work on files, without a service; apply, show, history and activate on
/// the versions that the service keeps.
/// </summary>
internal static class PolicyCommands
{
    private static readonly JsonSerializerOptions _indented = new() { WriteIndented = true };

    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory) =>
        CommandFactory.Group(
            "policy", "The tiering policy: schema, check, test, diff, apply, show, history, activate.",
            [
                Schema(factory), Check(factory), Test(factory), Diff(factory), Apply(factory), Show(factory),
                History(factory), Activate(factory),
            ]);

    private static Command Schema(CommandFactory factory) =>
        factory.Make(
            "schema", "Prints the language's JSON Schema, for editors.", [],
            (run, _) =>
            {
                run.Environment.Out.WriteLine(PolicySchema.Make().ToJsonString(_indented));
                return Task.FromResult(ExitCode.Success);
            });

    private static Command Check(CommandFactory factory)
    {
        Argument<string> file = FileArgument("file");
        return factory.Make(
            "check", "Reports everything wrong with a policy at once; needs no service.", [file],
            (run, _) =>
            {
                string name = run.Arguments.GetValue(file)!;
                PolicyParseResult parsed = PolicyDocument.Parse(ReadFile(run, name));
                Complain(run, name, parsed);
                if (parsed.Policy is not null && !run.Json)
                {
                    run.Environment.Out.WriteLine(
                        $"The policy is good: {Count(parsed.Policy.RuleCount, "rule")}, "
                            + $"hash {parsed.Policy.Compile().Hash}.");
                }

                return Task.FromResult(parsed.Policy is null ? ExitCode.Usage : ExitCode.Success);
            });
    }

    private static Command Test(CommandFactory factory)
    {
        Argument<string> file = FileArgument("file");
        PolicyFacts facts = new();
        return factory.Make(
            "test", "Says which rule decides about a file and why; needs no service.", [file, .. facts.Symbols],
            (run, _) =>
            {
                string name = run.Arguments.GetValue(file)!;
                PolicyParseResult parsed = PolicyDocument.Parse(ReadFile(run, name));
                if (parsed.Policy is null)
                {
                    Complain(run, name, parsed);
                    return Task.FromResult(ExitCode.Usage);
                }

                CompiledPolicy policy = parsed.Policy.Compile();
                TimeProvider time = run.Environment.Time;
                ExplainPolicyCommand asked = facts.ToCommand(run.Arguments, time);
                FileFacts subject = PolicySubject.Fill(
                    new FileFacts { Path = asked.Path }, asked, time.GetUtcNow(), out DateTimeOffset now);
                PolicyMoment moment = PolicySubject.MomentOf(policy, now, asked.PoolFill!);
                run.Write(
                    PolicyWire.ToReport(asked.Path, null, policy.Explain(subject, moment)),
                    ProtocolJson.Default.PolicyExplanationReport, r => PrintExplanation(run, r));
                return Task.FromResult(ExitCode.Success);
            });
    }

    private static Command Diff(CommandFactory factory)
    {
        Argument<string> before = new("before") { Description = "A file, or a version's number, or 'active'." };
        Argument<string> after = new("after") { Description = "A file, or a version's number, or 'active'." };
        return factory.Make(
            "diff", "Says what differs between two policies; exit status 0 also where something does.",
            [before, after],
            async (run, cancellationToken) =>
            {
                PolicyDocument? old = await FindAsync(run, run.Arguments.GetValue(before)!, cancellationToken);
                PolicyDocument? young = await FindAsync(run, run.Arguments.GetValue(after)!, cancellationToken);
                if (old is null || young is null)
                {
                    return ExitCode.Usage;
                }

                run.Write(
                    PolicyWire.ToReport(PolicyDiff.Between(old, young)), ProtocolJson.Default.PolicyDifferences,
                    d => PrintDifferences(run, d));
                return ExitCode.Success;
            });
    }

    private static Command Apply(CommandFactory factory)
    {
        Argument<string> file = FileArgument("file");
        Option<string> comment = new("--comment", "-m")
        {
            Description = "What the version is for; kept in the history.",
            DefaultValueFactory = _ => string.Empty,
        };
        Option<bool> draft = CommandFactory.Flag("--draft", "Add the version without making it the active one.");
        Option<long?> ifActive = new("--if-active")
        {
            Description = "Only if this version is active now; 0 for none.",
            HelpName = "VERSION",
        };
        return factory.Make(
            "apply", "Adds a policy as a version and makes it the active one; with any error nothing changes.",
            [file, comment, draft, ifActive],
            async (run, cancellationToken) =>
            {
                string name = run.Arguments.GetValue(file)!;
                string text = ReadFile(run, name);
                PolicyParseResult parsed = PolicyDocument.Parse(text);
                Complain(run, name, parsed);
                if (parsed.Policy is null)
                {
                    return ExitCode.Usage;
                }

                PolicyStatus status = await run.Client.Admin.SetPolicyAsync(
                    new SetPolicyCommand
                    {
                        Text = text,
                        Comment = run.Arguments.GetValue(comment)!,
                        Activate = !run.Arguments.GetValue(draft),
                        IfActive = run.Arguments.GetValue(ifActive),
                    },
                    cancellationToken);
                run.Write(
                    status, ProtocolJson.Default.PolicyStatus,
                    s => run.Out.WriteLine($"version {s.Version}: {(s.Active ? "active" : "not active")}"));
                return ExitCode.Success;
            });
    }

    private static Command Show(CommandFactory factory)
    {
        Argument<string> version = new("version")
        {
            Description = "A version's number. Default: the active one.",
            DefaultValueFactory = _ => "active",
        };
        return factory.Make(
            "show", "Prints a version's text.", [version],
            async (run, cancellationToken) =>
            {
                PolicyStatus status = await run.Client.Admin.GetPolicyAsync(
                    Version(run.Arguments.GetValue(version)!), cancellationToken);
                run.Write(
                    status, ProtocolJson.Default.PolicyStatus,
                    s => run.Environment.Out.Write(s.Text!.EndsWith('\n') ? s.Text : s.Text + "\n"));
                return ExitCode.Success;
            });
    }

    private static Command History(CommandFactory factory) =>
        factory.Make(
            "history", "Lists the versions, newest first.", [],
            async (run, cancellationToken) =>
            {
                Table table = Cli.Show.Columns(
                    "#version", "active", "added", "last activated", "author", "comment", "hash");
                for (long? before = null; ;)
                {
                    PolicyPage page = await run.Client.Admin.ListPoliciesAsync(
                        before, cancellationToken: cancellationToken);
                    foreach (PolicyStatus version in page.Versions)
                    {
                        run.Write(
                            version, ProtocolJson.Default.PolicyStatus,
                            v => table.Row(
                                v.Version.ToString(CultureInfo.InvariantCulture), v.Active ? "yes" : "-",
                                Cli.Show.Time(v.CreatedNanoseconds), Cli.Show.Time(v.ActivatedNanoseconds), v.Author,
                                v.Comment.Length == 0 ? "-" : v.Comment, v.Hash[..12]));
                    }

                    if ((before = page.Next) is null)
                    {
                        break;
                    }
                }

                run.Write(table);

                return ExitCode.Success;
            });

    private static Command Activate(CommandFactory factory)
    {
        Argument<string> version = new("version") { Description = "A version's number, or 'none'." };
        Option<long?> ifActive = new("--if-active")
        {
            Description = "Only if this version is active now; 0 for none.",
            HelpName = "VERSION",
        };
        return factory.Make(
            "activate", "Makes a version the active one, an older one too; 'none' leaves none active.",
            [version, ifActive],
            async (run, cancellationToken) =>
            {
                string text = run.Arguments.GetValue(version)!;
                await run.Client.Admin.ActivatePolicyAsync(
                    text == "none" ? 0 : Version(text) ?? throw NoVersion(text), run.Arguments.GetValue(ifActive),
                    cancellationToken);
                return ExitCode.Success;
            });
    }

    private static async ValueTask<PolicyDocument?> FindAsync(
        CommandRun run, string given, CancellationToken cancellationToken)
    {
        bool isVersion = given == "active" || given.All(char.IsAsciiDigit);
        string text = isVersion
            ? (await run.Client.Admin.GetPolicyAsync(Version(given), cancellationToken)).Text!
            : ReadFile(run, given);
        PolicyParseResult parsed = PolicyDocument.Parse(text);
        if (parsed.Policy is null)
        {
            Complain(run, isVersion ? $"version {given}" : given, parsed);
        }

        return parsed.Policy;
    }

    private static void PrintExplanation(CommandRun run, PolicyExplanationReport report)
    {
        PolicyDecision decision = report.Decision;
        run.Environment.Out.WriteLine(
            decision.RuleIndex < 0
                ? $"{report.Path}: no rule matches, so the file stays as it is."
                : $"{report.Path}: rule '{decision.RuleName}' in line {report.Rules[^1].Line} decides: "
                    + $"{Wanted(decision)}.");
        Table table = Cli.Show.Columns("#line", "rule", "result", "reason");
        foreach (PolicyTrace trace in report.Rules)
        {
            table.Row(
                trace.Line.ToString(CultureInfo.InvariantCulture), trace.RuleName, trace.FailedCondition ?? "matches",
                trace.Reason);
        }

        run.Out.Write(table);
    }

    private static string Wanted(PolicyDecision decision)
    {
        List<string> wanted = [];
        Add(decision.Place is not null, $"place {decision.Place}");
        Add(decision.StorageClass is not null, $"storage class {decision.StorageClass}");
        Add(decision.Copies is not null, $"copies {decision.Copies}");
        Add(decision.Pin, "pin");
        Add(decision.Pack, "pack");
        Add(decision.Exclude, "leave alone");
        Add(!decision.KeepPremigrated, "give up the object when hot");
        Add(decision.Weight != 0, string.Create(CultureInfo.InvariantCulture, $"weight {decision.Weight}"));
        return wanted.Count == 0 ? "nothing in particular" : string.Join(", ", wanted);

        void Add(bool isWanted, string text)
        {
            if (isWanted)
            {
                wanted.Add(text);
            }
        }
    }

    private static void PrintDifferences(CommandRun run, PolicyDifferences differences)
    {
        if (differences.Changes.Count == 0)
        {
            run.Environment.Out.WriteLine("Both mean the same.");
        }

        foreach (PolicyDifference change in differences.Changes)
        {
            string place = (change.IndexBefore, change.IndexAfter) switch
            {
                ({ } a, { } b) when a != b => $" (place {a + 1} → {b + 1})",
                (null, { } b) => $" (place {b + 1})",
                ({ } a, null) => $" (was place {a + 1})",
                _ => string.Empty,
            };
            string former = change.FormerName is null ? string.Empty : $", was '{change.FormerName}'";
            run.Environment.Out.WriteLine($"{change.Kind} {change.Section[..^1]} '{change.Name}'{former}{place}");
            foreach (PolicyFieldDifference field in change.Fields)
            {
                run.Environment.Out.WriteLine($"  {field.Field}: {field.Before ?? "-"} → {field.After ?? "-"}");
            }
        }
    }

    private static void Complain(CommandRun run, string source, PolicyParseResult parsed)
    {
        foreach ((PolicyError fault, bool isError) in parsed.Errors.Select(e => (e, true))
            .Concat(parsed.Warnings.Select(w => (w, false))))
        {
            run.Environment.Error.WriteLine(
                run.Json
                    ? new JsonObject
                    {
                        ["source"] = source,
                        ["severity"] = isError ? "error" : "warning",
                        ["line"] = fault.Line,
                        ["column"] = fault.Column,
                        ["message"] = fault.Message,
                        ["remedy"] = fault.Remedy,
                    }.ToJsonString()
                    : $"{source}:{fault.Line}:{fault.Column}: {(isError ? string.Empty : "warning: ")}"
                        + $"{fault.Message} {fault.Remedy}");
        }
    }

    private static string ReadFile(CommandRun run, string name)
    {
        const int MaxFileBytes = 64 << 20;
        if (name == "-")
        {
            using StreamReader input = new(run.Environment.OpenInput());
            return input.ReadToEnd();
        }

        return new FileInfo(name) is { Exists: true, Length: > MaxFileBytes }
            ? throw new DataLayerException(ErrorCode.InvalidArgument, $"'{name}' is larger than a policy can be.")
            : File.ReadAllText(name);
    }

    private static long? Version(string text) =>
        text == "active" ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long version) ? version
        : throw NoVersion(text);

    private static DataLayerException NoVersion(string text) =>
        new(ErrorCode.InvalidArgument, $"'{text}' is no version: 'datalayer policy history' lists them.");

    private static Argument<string> FileArgument(string name) =>
        new(name) { Description = "The policy, YAML; - for standard input." };

    private static string Count(int count, string what) =>
        string.Create(CultureInfo.InvariantCulture, $"{count} {what}{(count == 1 ? string.Empty : "s")}");
}
