using System.Buffers;
using DataLayer.Core.Errors;

namespace DataLayer.Metadata;

/// <summary>How the connection to PostgreSQL is encrypted.</summary>
public enum PostgresTls
{
    /// <summary>Not at all.</summary>
    Disable,

    /// <summary>Where the server offers it, unchecked.</summary>
    Prefer,

    /// <summary>Always, with any certificate.</summary>
    Require,

    /// <summary>Always, with a certificate of a trusted authority for the host's name.</summary>
    VerifyFull,
}

/// <summary>The PostgreSQL database (13 or newer) that holds a tree.</summary>
public sealed class PostgresOptions
{
    /// <summary>The port where none is written.</summary>
    public const int DefaultPort = 5432;

    private static readonly SearchValues<char> _neverInHosts = SearchValues.Create(" ,;='\"");

    /// <summary>
    /// Servers as <c>host</c>, <c>host:port</c>, <c>[v6]:port</c>, or the folder of a Unix socket, perhaps with
    /// <c>:port</c>. Of several the first that answers and takes writes is used, anew after each loss of the
    /// connection. Default: localhost.
    /// </summary>
    public IReadOnlyList<string> Hosts { get; init; } = ["localhost"];

    /// <summary>The database's name. Default: datalayer.</summary>
    public string Database { get; init; } = "datalayer";

    /// <summary>The user. Default: datalayer.</summary>
    public string User { get; init; } = "datalayer";

    /// <summary>
    /// Where the password is, <c>env:NAME</c> or <c>file:/path</c>, read at each connection; null where the server
    /// wants none (a Unix socket with peer authentication).
    /// </summary>
    public string? Password { get; init; }

    /// <summary>
    /// The schema that holds the tables, made if absent; one tree a schema. 1 to 63 lower-case letters, digits and
    /// '_'. Default: datalayer.
    /// </summary>
    public string Schema { get; init; } = "datalayer";

    /// <summary>Encryption. Default: Prefer.</summary>
    public PostgresTls Tls { get; init; } = PostgresTls.Prefer;

    /// <summary>PEM file with the authorities to trust in place of the system's, or null.</summary>
    public string? CertificateAuthorityFile { get; init; }

    /// <summary>How long a server may take to answer a connection, 100 ms to 5 minutes. Default 5 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long a read or a change waits for a database that does not answer before it fails, 0 to 1 hour. Default
    /// 30 s: a restart or a failover takes less.
    /// </summary>
    public TimeSpan OutageWait { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long one statement may run, 1 s to 1 day. Default 5 minutes.</summary>
    public TimeSpan StatementTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a statement waits for a lock, 100 ms to 1 hour. Default 10 s.</summary>
    public TimeSpan LockTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a service that starts, or comes back, waits for the connection of the one before it to end, 0 to 5
    /// minutes. Default 5 s.
    /// </summary>
    public TimeSpan OwnerWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The servers and the database, for messages: never the password.</summary>
    public string DisplayName => $"PostgreSQL database '{Database}' on {string.Join(", ", Hosts)}";

    /// <summary>Takes a server's text apart.</summary>
    /// <returns>Host and port, or null where the text is none.</returns>
    internal static (string Host, int Port)? ParseHost(string text)
    {
        int colon = text.LastIndexOf(':');
        bool hasPort = colon > 0
            && (text[0] == '/' || text[0] == '[' ? text[colon - 1] != ':' && !text.EndsWith(']')
                : text.IndexOf(':', StringComparison.Ordinal) == colon);
        string host = hasPort ? text[..colon] : text;
        int port = DefaultPort;
        if (hasPort && (!int.TryParse(text.AsSpan(colon + 1), out port) || port is < 1 or > 65535))
        {
            return null;
        }

        host = host.StartsWith('[') && host.EndsWith(']') ? host[1..^1] : host;
        return host.Length == 0 || host.AsSpan().IndexOfAny(_neverInHosts) >= 0 ? null : (host, port);
    }

    /// <summary>Checks every value: what is wrong, empty where nothing is.</summary>
    public IReadOnlyList<string> FindFaults()
    {
        List<string> errors = [];
        if (Hosts.Count is 0 or > 16)
        {
            errors.Add($"Hosts has {Hosts.Count} entries, allowed are 1 to 16");
        }

        foreach (string host in Hosts)
        {
            if (ParseHost(host) is null)
            {
                errors.Add($"'{host}' is not a server: write host:port, or the folder of a Unix socket");
            }
        }

        CheckText(errors, nameof(Database), Database);
        CheckText(errors, nameof(User), User);
        if (!IsSchema(Schema))
        {
            errors.Add($"Schema '{Schema}' is not 1 to 63 lower-case letters, digits and '_'");
        }

        CheckTime(errors, nameof(ConnectTimeout), ConnectTimeout, 100, 300_000);
        CheckTime(errors, nameof(OutageWait), OutageWait, 0, 3_600_000);
        CheckTime(errors, nameof(StatementTimeout), StatementTimeout, 1_000, 86_400_000);
        CheckTime(errors, nameof(LockTimeout), LockTimeout, 100, 3_600_000);
        CheckTime(errors, nameof(OwnerWait), OwnerWait, 0, 300_000);
        return errors;
    }

    /// <summary>The password, or null where none is given.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: its place is empty or cannot be read.</exception>
    internal string? ReadPassword()
    {
        const string Variable = "env:";
        const string File = "file:";
        string? password = null;
        if (Password is null)
        {
            return null;
        }

        if (Password.StartsWith(Variable, StringComparison.Ordinal))
        {
            password = Environment.GetEnvironmentVariable(Password[Variable.Length..]);
        }
        else if (Password.StartsWith(File, StringComparison.Ordinal))
        {
            try
            {
                password = System.IO.File.ReadAllText(Password[File.Length..]).TrimEnd('\r', '\n');
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"The password of {DisplayName} cannot be read: {error.Message}", error);
            }
        }

        return !string.IsNullOrEmpty(password) ? password : throw new DataLayerException(
            ErrorCode.InvalidArgument,
            $"The password of {DisplayName} is empty where it should be ('{PlaceOf(Password)}'). Put it there, as a "
                + "file or an environment variable.");
    }

    private static string PlaceOf(string password) =>
        password.StartsWith("env:", StringComparison.Ordinal) || password.StartsWith("file:", StringComparison.Ordinal)
            ? password : "neither env:NAME nor file:/path";

    private static bool IsSchema(string text)
    {
        foreach (char c in text)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '_')
            {
                return false;
            }
        }

        return text.Length is > 0 and < 64 && !char.IsAsciiDigit(text[0])
            && !text.StartsWith("pg_", StringComparison.Ordinal);
    }

    private static void CheckText(List<string> errors, string name, string text)
    {
        if (text.Length is 0 or > 63 || text.Contains('\0', StringComparison.Ordinal))
        {
            errors.Add($"{name} '{text}' is not 1 to 63 characters");
        }
    }

    private static void CheckTime(List<string> errors, string name, TimeSpan value, long low, long high) =>
        TreeStoreOptions.Check(errors, name + " (milliseconds)", (long)value.TotalMilliseconds, low, high);
}
