using System.Collections;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>What a command touches of the world, so that tests can stand in for it.</summary>
internal sealed class CliEnvironment
{
    /// <summary>
    /// Columns assumed where output is not a terminal: nothing is wrapped for a reader that is a program.
    /// </summary>
    private const int PipeColumns = 1000;

    /// <summary>The real process's environment.</summary>
    public static CliEnvironment OfProcess() =>
        new()
        {
            Out = Console.Out,
            Error = Console.Error,
            OpenInput = Console.OpenStandardInput,
            OpenOutput = Console.OpenStandardOutput,
            Variables = Environment.GetEnvironmentVariables(),
            OutIsTerminal = !Console.IsOutputRedirected,
            ErrorIsTerminal = !Console.IsErrorRedirected,
        };

    /// <summary>Where results go.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Where messages and progress go.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Opens standard input for bytes.</summary>
    public required Func<Stream> OpenInput { get; init; }

    /// <summary>Opens standard output for bytes.</summary>
    public required Func<Stream> OpenOutput { get; init; }

    /// <summary>Environment variables.</summary>
    public required IDictionary Variables { get; init; }

    /// <summary>Whether results go to a terminal: colours and refreshing only there.</summary>
    public bool OutIsTerminal { get; init; }

    /// <summary>Whether messages go to a terminal: progress bars only there.</summary>
    public bool ErrorIsTerminal { get; init; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>A console for results.</summary>
    public IAnsiConsole CreateOut() => Create(Out, OutIsTerminal);

    /// <summary>A console for messages and progress.</summary>
    public IAnsiConsole CreateError() => Create(Error, ErrorIsTerminal);

    private IAnsiConsole Create(TextWriter writer, bool isTerminal)
    {
        bool colours = isTerminal && string.IsNullOrEmpty(Variables["NO_COLOR"] as string);
        IAnsiConsole console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(writer),
                Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
                ColorSystem = colours ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
                Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
            });
        if (!isTerminal)
        {
            console.Profile.Width = PipeColumns;
        }

        return console;
    }
}
