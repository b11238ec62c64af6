using System.Diagnostics;
using System.Globalization;
using DataLayer.TestSupport.Interop;

namespace DataLayer.TestSupport.Processes;

/// <summary>What a program left when it ended.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">What it wrote to standard output.</param>
/// <param name="Error">What it wrote to standard error.</param>
public sealed record CommandResult(int ExitCode, string Output, string Error);

/// <summary>Runs small programs to their end.</summary>
public static class Command
{
    private static readonly bool _ignoresInterrupt = IgnoresInterrupt();

    /// <summary>Runs a program and returns its standard output; throws with its standard error where it fails.</summary>
    public static string Run(string program, params string[] arguments)
    {
        var result = TryRun(program, arguments);
        return result.ExitCode == 0
            ? result.Output
            : throw new InvalidOperationException(
                $"{program} {string.Join(' ', arguments)} ended with {result.ExitCode}: {result.Error}{result.Output}");
    }

    /// <summary>Runs a program and returns what it left, also where it fails.</summary>
    public static CommandResult TryRun(string program, params string[] arguments) =>
        TryRunAsync(program, arguments, environment: null, CancellationToken.None).GetAwaiter().GetResult();

    /// <summary>Runs a program with additional environment variables; it is killed where <paramref name="cancellationToken"/> fires.</summary>
    public static async Task<CommandResult> TryRunAsync(
        string program,
        IReadOnlyList<string> arguments,
        IReadOnlyDictionary<string, string>? environment,
        CancellationToken cancellationToken)
    {
        using var process = Start(program, arguments, environment);
        await using var killer = cancellationToken.Register(() => process.Kill(entireProcessTree: true));
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        await process.WaitForExitAsync(CancellationToken.None);
        cancellationToken.ThrowIfCancellationRequested();
        return new CommandResult(process.ExitCode, await output, await error);
    }

    /// <summary>Whether a program can be found.</summary>
    public static bool Exists(string program)
    {
        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin").Split(':'))
        {
            if (File.Exists(Path.Combine(folder, program)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Starts a program with its output and error redirected and its input closed to it. Ctrl-C reaches it, also where this process ignores
    /// it, as all that a background script starts do: an ignored signal would be ignored by its children too.
    /// </summary>
    public static Process Start(string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string>? environment)
    {
        if (_ignoresInterrupt)
        {
            arguments = ["--default-signal=INT", program, .. arguments];
            program = "env";
        }

        var start = new ProcessStartInfo(program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["DOTNET_EnableDiagnostics"] = "0"; // Else each that is killed leaves its pipes in the folder for temporary files.
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        process.StandardInput.Close();
        return process;
    }

    private static bool IgnoresInterrupt()
    {
        const string Field = "SigIgn:";
        const ulong Interrupt = 1UL << (Signals.Interrupt - 1);
        var line = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
        return line is not null
            && (ulong.Parse(line.AsSpan(Field.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & Interrupt) != 0;
    }
}
