using System.Collections;
using System.Text;
using DataLayer.Server.Cli;

namespace DataLayer.Tests.Server;

/// <summary>A verb of the program run within the test's process, and what came of it.</summary>
/// <param name="Status">Its exit code.</param>
/// <param name="Text">What it wrote for people or programs.</param>
/// <param name="Error">Its messages.</param>
internal sealed record CliRun(int Status, string Text, string Error)
{
    /// <summary>What it wrote to standard output as bytes, as text.</summary>
    public required string Bytes { get; init; }

    /// <summary>Runs a verb.</summary>
    /// <param name="arguments">The verb and its arguments.</param>
    /// <param name="server">The service, or null.</param>
    /// <param name="variables">Environment variables besides; null for none.</param>
    /// <param name="input">Standard input.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <param name="cancellationToken">Ctrl-C.</param>
    public static async Task<CliRun> RunAsync(
        string[] arguments, Uri? server, IDictionary? variables = null, string input = "", TimeProvider? time = null,
        CancellationToken cancellationToken = default)
    {
        using StringWriter text = new();
        using StringWriter error = new();
        using MemoryStream output = new();
        Hashtable all = variables is null ? [] : new Hashtable(variables);
        all["HOME"] = "/nonexistent";
        if (server is not null)
        {
            all[CommandRun.ServerVariable] = server.ToString();
        }

        CliEnvironment environment = new()
        {
            Out = text,
            Error = error,
            OpenInput = () => new MemoryStream(Encoding.UTF8.GetBytes(input)),
            OpenOutput = () => new Unclosed(output),
            Variables = all,
            Time = time ?? TimeProvider.System,
        };
        int status = await CommandLine.RunAsync(arguments, environment, cancellationToken);
        return new CliRun(status, text.ToString().ReplaceLineEndings("\n"), error.ToString())
        {
            Bytes = Encoding.UTF8.GetString(output.ToArray()),
        };
    }

    /// <summary>Stands for standard output, which outlives the command.</summary>
    private sealed class Unclosed(MemoryStream inner) : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            inner.WriteAsync(buffer, cancellationToken);
    }
}
