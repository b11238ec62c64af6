using System.CommandLine;
using System.CommandLine.Invocation;

namespace DataLayer.Server.Cli;

/// <summary>The whole command line.</summary>
internal static class CommandLine
{
    /// <summary>Makes all verbs.</summary>
    public static RootCommand Make(CliEnvironment environment)
    {
        GlobalOptions options = new();
        CommandFactory factory = new(environment, options);
        RootCommand root = new("DataLayer: one tree over object stores and fast disks, with memory in front.");
        root.Options.Add(options.Server);
        root.Options.Add(options.Authority);
        root.Options.Add(options.Certificate);
        root.Options.Add(options.Key);
        root.Options.Add(options.Json);
        Command[] commands =
        [
            ServeCommand.Make(factory),
            .. TierCommands.Make(factory),
            PlanCommands.Make(factory),
            .. MoveCommands.Make(factory),
            PackCommands.Make(factory),
            DatasetCommands.Make(factory),
            FeedCommands.Make(factory),
            HeadroomCommands.Make(factory),
            TenantCommands.Make(factory),
            LocalityCommand.Make(factory),
            NodeCommands.Make(factory),
            .. FileCommands.Make(factory),
            .. MountCommands.Make(factory),
            StatisticsCommands.Make(factory),
            DoctorCommand.Make(factory),
            DebugCommand.Make(factory),
            TieringCommands.Make(factory),
            .. TraceCommands.Make(factory),
            .. CostCommands.Make(factory),
            .. UpkeepCommands.Make(factory),
            CacheCommands.Make(factory),
            .. ProfileCommands.Make(factory),
            CsiCommand.Make(factory),
            PolicyCommands.Make(factory),
            JobCommands.Make(factory),
            TokenCommands.Make(factory),
            CredentialCommands.Make(factory),
            ConfigCommands.Make(factory),
            MetadataCommands.Make(factory),
            DemoCommand.Make(factory),
            CompletionCommand.Make(factory),
        ];
        foreach (Command command in commands)
        {
            root.Subcommands.Add(command);
        }

        return root;
    }

    /// <summary>Parses and runs; the exit status.</summary>
    public static async Task<int> RunAsync(
        string[] arguments, CliEnvironment environment, CancellationToken cancellationToken)
    {
        ParseResult parsed = Make(environment).Parse(arguments);
        InvocationConfiguration configuration = new()
        {
            Output = environment.Out,
            Error = environment.Error,
            EnableDefaultExceptionHandler = false,

            // Signals are handled in Program, which cancels the token.
            ProcessTerminationTimeout = null,
        };
        int status = await parsed.InvokeAsync(configuration, cancellationToken);
        return parsed.Action is ParseErrorAction ? ExitCode.Usage : status;
    }
}
