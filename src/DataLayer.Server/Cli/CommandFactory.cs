using System.CommandLine;

namespace DataLayer.Server.Cli;

/// <summary>Makes commands whose actions run guarded, and the arguments they share.</summary>
internal sealed class CommandFactory(CliEnvironment environment, GlobalOptions options)
{
    /// <summary>The world.</summary>
    public CliEnvironment Environment => environment;

    /// <summary>Makes a command.</summary>
    public Command Make(
        string name, string description, IEnumerable<Symbol> symbols,
        Func<CommandRun, CancellationToken, Task<int>> action)
    {
        Command command = Group(name, description, symbols);
        command.SetAction(
            (arguments, cancellationToken) =>
            {
                CommandRun run = new(environment, arguments, options);
                return CommandRun.GuardAsync(
                    environment, run.Json, run.Server,
                    async () =>
                    {
                        using (run)
                        {
                            return await action(run, cancellationToken);
                        }
                    });
            });
        return command;
    }

    /// <summary>Makes a command that only holds others (or gets its action later).</summary>
    public static Command Group(string name, string description, IEnumerable<Symbol> symbols)
    {
        Command command = new(name, description);
        foreach (Symbol symbol in symbols)
        {
            switch (symbol)
            {
                case Option option:
                    command.Options.Add(option);
                    break;
                case Argument argument:
                    command.Arguments.Add(argument);
                    break;
                case Command child:
                    command.Subcommands.Add(child);
                    break;
            }
        }

        return command;
    }

    /// <summary>A tree path that must be given.</summary>
    public static Argument<string> Path(string name = "path", string description = "A path in the tree, from '/'.") =>
        new(name) { Description = description };

    /// <summary>A tree path that is the root where it is not given.</summary>
    public static Argument<string> OptionalPath() =>
        new("path") { Description = "A path in the tree. Default: /.", DefaultValueFactory = _ => "/" };

    /// <summary>A flag.</summary>
    public static Option<bool> Flag(string name, string description, params string[] aliases) =>
        new(name, aliases) { Description = description };
}
