using System.Collections;
using DataLayer.Storage.Objects;

namespace DataLayer.Server.Configuration;

/// <summary>
/// Section <c>objectStores</c>. Secrets stand in files or environment variables; here stand their names.
/// </summary>
internal static class StoreSection
{
    /// <summary>Reads one store.</summary>
    public static ObjectStoreOptions Read(SettingReader section, IDictionary environment)
    {
        ObjectStoreOptions defaults = new() { Name = "default", Kind = "s3" };
        ObjectStoreOptions store = new()
        {
            Name = section.Text("name", "default", "The name attachments refer to.", "a name")!,
            Kind = section.Choice(
                "kind", "s3", "'s3' for any S3-compatible endpoint, 'directory' for folders (file:///…).", "s3",
                "directory"),
            Endpoint = section.Text(
                "endpoint", null, "s3: the endpoint's URL, none for AWS. directory: a folder all sources are below.",
                "http(s)://host:port, or an absolute folder"),
            Region = section.Text("region", defaults.Region, "The region requests are signed for.")!,
            PathStyle = section.Flag(
                "pathStyle", defaults.PathStyle,
                "Bucket in the path (own servers) rather than in the host name (AWS)."),
            AccessKey = ReadSecret(section, "accessKey", "the access key", environment),
            SecretKey = ReadSecret(section, "secretKey", "the secret key", environment),
            SessionToken = ReadSecret(section, "sessionToken", "a session token, for temporary keys", environment),
            Anonymous = section.Flag("anonymous", false, "Send requests unsigned, for public buckets."),
            CertificateAuthorityFile = section.Text(
                "certificateAuthorityFile",
                null,
                "PEM file with the authorities to trust, in place of the system's."
            ),
            ConnectTimeout = Time(section, "connectTimeout", defaults.ConnectTimeout, 300, "Time for a connection."),
            AttemptTimeout = Time(
                section, "attemptTimeout", defaults.AttemptTimeout, 600, "How long the server may be silent."),
            Deadline = Time(
                section, "deadline", defaults.Deadline, 86_400, "Time for one call with all its retries."),
            AttemptLimit = section.Count("attempts", defaults.AttemptLimit, 1, 20, "How often one request is tried."),
            RetryBudget = section.Count(
                "retryBudget", defaults.RetryBudget, 0, 1_000_000,
                "Retries in a row before failures are reported at once."),
            RequestLimit = section.Count(
                "requests", defaults.RequestLimit, 1, 10_000, "Requests of one bucket in flight."),
            HedgedReads = section.Flag("hedgedReads", defaults.HedgedReads, "Ask slow reads a second time."),
            VerifyContent = section.Flag(
                "verifyContent", defaults.VerifyContent, "Store checksums with uploads and check them on reads."),
            CompareUnverifiedReads = section.Flag(
                "compareUnverifiedReads", false, "Read what nothing vouches for twice and compare."),
        };
        PoolSection.CheckName(section, "store", store.Name);
        CheckEndpoint(section, store);
        CheckKeys(section, store);
        section.Done();
        return store;
    }

    /// <summary>The store where none is given: folders of this machine.</summary>
    public static ObjectStoreOptions Default() => new() { Name = "default", Kind = "directory" };

    /// <summary>Checks the stores against each other.</summary>
    public static void Check(SettingReader root, IReadOnlyList<ObjectStoreOptions> stores) =>
        PoolSection.CheckUnique(root, "objectStores", "name", stores.Select(s => s.Name));

    private static TimeSpan Time(
        SettingReader section,
        string name,
        TimeSpan fallback,
        double maxSeconds,
        string summary
    ) => section.Duration(name, fallback, TimeSpan.FromMilliseconds(10), TimeSpan.FromSeconds(maxSeconds), summary);

    /// <summary>Reads where a secret is: a variable or a file, never the secret itself.</summary>
    public static string? ReadSecret(SettingReader section, string key, string what, IDictionary environment)
    {
        string? variable = section.Text(key + "Env", null, $"Environment variable with {what}.");
        string? file = section.Text(key + "File", null, $"File with {what}.");
        if (section.Has(key))
        {
            section.Report(
                key, "Secrets do not stand in the configuration.",
                $"Give {key}File or {key}Env, the place of the secret.");
        }

        if (variable is not null && file is not null)
        {
            section.Report(key + "File", $"Both {key}Env and {key}File are given.", "Keep one of them.");
        }

        if (variable is not null && string.IsNullOrEmpty(environment[variable] as string))
        {
            section.Report(
                key + "Env", $"The environment variable '{variable}' is not set.",
                "Set it for the service, or name another.");
        }

        if (file is not null && !File.Exists(file))
        {
            section.Report(
                key + "File", $"The file '{file}' is not there.",
                "Make it readable by the service's user only (mode 0600).");
        }

        return variable is not null ? "env:" + variable
            : file is not null ? "file:" + Path.GetFullPath(file)
            : null;
    }

    private static void CheckEndpoint(SettingReader section, ObjectStoreOptions store)
    {
        if (store is { Kind: "directory", Endpoint: { } folder } && !Path.IsPathFullyQualified(folder))
        {
            section.Report(
                "endpoint", $"'{folder}' is not an absolute folder.", "Give the folder that all sources lie below.");
        }

        if (
            store is { Kind: "s3", Endpoint: { } endpoint }
            && !(
                Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? uri)
                && uri.Scheme is "http" or "https"
                && uri.PathAndQuery == "/"
                && uri.UserInfo.Length == 0))
        {
            section.Report(
                "endpoint", $"'{endpoint}' is not a server's URL.", "Write http://host:port or https://host.");
        }
    }

    private static void CheckKeys(SettingReader section, ObjectStoreOptions store)
    {
        if ((store.AccessKey is null) != (store.SecretKey is null))
        {
            section.Report(
                store.AccessKey is null ? "secretKeyEnv" : "accessKeyEnv",
                "The access key and the secret key go together and one is missing.", "Give both or none.");
        }

        if (store.Anonymous && store.AccessKey is not null)
        {
            section.Report("anonymous", "Anonymous requests have no keys.", "Leave out the keys, or 'anonymous'.");
        }
    }
}
