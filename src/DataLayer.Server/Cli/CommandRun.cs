using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>One run of one command: what it was given and where it writes.</summary>
internal sealed class CommandRun : IDisposable
{
    /// <summary>The environment variable with the service's address.</summary>
    public const string ServerVariable = "DATALAYER_SERVER";

    /// <summary>The environment variable with the token.</summary>
    public const string TokenVariable = "DATALAYER_TOKEN";

    /// <summary>The environment variable with the path of a file that holds the token.</summary>
    public const string TokenFileVariable = "DATALAYER_TOKEN_FILE";

    /// <summary>The environment variable with the path of the authorities' certificates.</summary>
    public const string AuthorityVariable = "DATALAYER_CA_FILE";

    /// <summary>The environment variable with the path of the client certificate.</summary>
    public const string CertificateVariable = "DATALAYER_CLIENT_CERT";

    /// <summary>The environment variable with the path of the client certificate's key.</summary>
    public const string KeyVariable = "DATALAYER_CLIENT_KEY";

    /// <summary>The environment variable with the path of a file that holds that key's password.</summary>
    public const string KeyPasswordFileVariable = "DATALAYER_CLIENT_KEY_PASSWORD_FILE";

    private const string DefaultServer = "http://127.0.0.1:7070";
    private DataLayerClient? _client;
    private readonly GlobalOptions _options;
    private IAnsiConsole? _out;

    /// <summary>Makes a run.</summary>
    public CommandRun(CliEnvironment environment, ParseResult arguments, GlobalOptions options)
    {
        Environment = environment;
        Arguments = arguments;
        _options = options;
        Json = arguments.GetValue(options.Json);
        string? asked = arguments.GetValue(options.Server);
        string? variable = environment.Variables[ServerVariable] as string;
        Server =
            !string.IsNullOrEmpty(asked) ? asked
            : !string.IsNullOrEmpty(variable) ? variable
            : DefaultServer;
    }

    /// <summary>The world.</summary>
    public CliEnvironment Environment { get; }

    /// <summary>The parsed command line.</summary>
    public ParseResult Arguments { get; }

    /// <summary>Whether results are JSON.</summary>
    public bool Json { get; }

    /// <summary>The service's address.</summary>
    public string Server { get; }

    /// <summary>The service.</summary>
    public DataLayerClient Client => _client ??= new DataLayerClient(ClientOptions());

    /// <summary>The console for results.</summary>
    public IAnsiConsole Out => _out ??= Environment.CreateOut();

    /// <summary>Writes a result as one line of JSON.</summary>
    public void WriteJson<T>(T value, JsonTypeInfo<T> type) =>
        Environment.Out.WriteLine(JsonSerializer.Serialize(value, type));

    /// <summary>Writes a result: JSON where asked, else as <paramref name="show"/> has it.</summary>
    public void Write<T>(T value, JsonTypeInfo<T> type, Action<T> show)
    {
        if (Json)
        {
            WriteJson(value, type);
        }
        else
        {
            show(value);
        }
    }

    /// <summary>Writes a table of what was written as JSON already where that was asked.</summary>
    public void Write(Table table)
    {
        if (!Json)
        {
            Out.Write(table);
        }
    }

    /// <summary>Runs an action with the faults turned into messages and exit codes.</summary>
    public static async Task<int> GuardAsync(
        CliEnvironment environment, bool json, string? server, Func<Task<int>> action)
    {
        try
        {
            return await action();
        }
        catch (DataLayerException e)
        {
            Complain(environment, json, e, server);
            return ExitCode.From(e);
        }
        catch (OperationCanceledException)
        {
            environment.Error.WriteLine("datalayer: interrupted");
            return ExitCode.Interrupted;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            environment.Error.WriteLine($"datalayer: {e.Message}");
            return ExitCode.Failure;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client?.Dispose();

    /// <summary>
    /// How the service is reached; a token comes from the environment only, never from the command line.
    /// </summary>
    public DataLayerClientOptions ClientOptions()
    {
        DataLayerClientOptions options = DataLayerClientOptions.Parse(Server);
        string? token = Environment.Variables[TokenVariable] as string;
        string? file = Environment.Variables[TokenFileVariable] as string;
        return new DataLayerClientOptions
        {
            ServerUri = options.ServerUri,
            UnixSocketPath = options.UnixSocketPath,
            Token = string.IsNullOrEmpty(token) ? null : token.Trim(),
            TokenFile = string.IsNullOrEmpty(token) && !string.IsNullOrEmpty(file) ? file : null,
            Tls = new ClientTlsOptions
            {
                CertificateAuthorityFile = Given(_options.Authority, AuthorityVariable),
                CertificateFile = Given(_options.Certificate, CertificateVariable),
                KeyFile = Given(_options.Key, KeyVariable),
                KeyPasswordFile = Given(null, KeyPasswordFileVariable),
            },
        };
    }

    /// <summary>What an option gives, else an environment variable; null for neither.</summary>
    private string? Given(Option<string?>? option, string variable)
    {
        string? asked = option is null ? null : Arguments.GetValue(option);
        string? value = string.IsNullOrEmpty(asked) ? Environment.Variables[variable] as string : asked;
        return string.IsNullOrEmpty(value) ? null : value;
    }

    private static void Complain(CliEnvironment environment, bool json, DataLayerException fault, string? server)
    {
        string remedy = ExitCode.IsServiceUnreachable(fault)
            ? $"Start the service with 'datalayer serve', or give its address with --server or {ServerVariable}."
            : ErrorCodeText.Remedy(fault.Code);
        if (json)
        {
            Problem problem = Http.ProblemWriter.Describe(fault.Code, fault.Message) with { Remedy = remedy };
            environment.Error.WriteLine(JsonSerializer.Serialize(problem, ProtocolJson.Default.Problem));
        }
        else
        {
            environment.Error.WriteLine($"datalayer: {fault.Message}");
            environment.Error.WriteLine($"  {remedy}");
        }
    }
}

/// <summary>The options every command takes.</summary>
internal sealed class GlobalOptions
{
    /// <summary>The service's address.</summary>
    public Option<string?> Server { get; } =
        new("--server")
        {
            Description =
                "The service: http(s)://host:port or unix:/path. Default: $DATALAYER_SERVER, "
                + "else http://127.0.0.1:7070.",
            Recursive = true,
            HelpName = "URL",
        };

    /// <summary>Whose certificates of the service count.</summary>
    public Option<string?> Authority { get; } = File(
        "--ca-file", $"PEM file of the authorities that count for https. Default: ${CommandRun.AuthorityVariable}, "
            + "else the system's.");

    /// <summary>The client certificate.</summary>
    public Option<string?> Certificate { get; } = File(
        "--client-cert", $"PEM file with a client certificate. Default: ${CommandRun.CertificateVariable}.");

    /// <summary>Its key.</summary>
    public Option<string?> Key { get; } = File(
        "--client-key", $"PEM file with its key. Default: ${CommandRun.KeyVariable}, else the certificate's file.");

    /// <summary>JSON instead of tables.</summary>
    public Option<bool> Json { get; } =
        new("--json") { Description = "Print JSON, one object a line.", Recursive = true };

    private static Option<string?> File(string name, string description) =>
        new(name) { Description = description, Recursive = true, HelpName = "FILE" };
}
