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
        Checked(new Argument<string>(name) { Description = description });

    /// <summary>A tree path that is the root where it is not given.</summary>
    public static Argument<string> OptionalPath() => Checked(
        new Argument<string>("path")
        {
            Description = "A path in the tree. Default: /.",
            DefaultValueFactory = _ => "/",
        });

    /// <summary>Tree paths, at least one.</summary>
    public static Argument<string[]> Paths(string description) =>
        Checked(new Argument<string[]>("path") { Description = description, Arity = ArgumentArity.OneOrMore });

    /// <summary>Tree paths; the root where none is given.</summary>
    public static Argument<string[]> OptionalPaths() => Checked(
        new Argument<string[]>("path") { Description = "Paths. Default: /.", DefaultValueFactory = _ => ["/"] });

    /// <summary>The parser takes an unknown option for a path; a path always starts with '/'.</summary>
    private static Argument<T> Checked<T>(Argument<T> argument)
    {
        argument.Validators.Add(result =>
        {
            foreach (System.CommandLine.Parsing.Token token in result.Tokens)
            {
                if (!token.Value.StartsWith('/'))
                {
                    result.AddError($"'{token.Value}' is neither a path from '/' nor an option of this command.");
                }
            }
        });
        return argument;
    }

    /// <summary>A flag.</summary>
    public static Option<bool> Flag(string name, string description, params string[] aliases) =>
        new(name, aliases) { Description = description };
}
