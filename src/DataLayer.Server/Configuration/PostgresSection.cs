using System.Collections;
using DataLayer.Metadata;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>metadata.postgres</c>: where the tree lies when <c>metadata.kind</c> is postgres.</summary>
internal static class PostgresSection
{
    /// <summary>Reads the section; null where the tree is a file.</summary>
    /// <param name="section">The section.</param>
    /// <param name="isUsed">Whether <c>metadata.kind</c> is postgres.</param>
    /// <param name="environment">The environment, which may hold the password.</param>
    public static PostgresOptions? Read(SettingReader section, bool isUsed, IDictionary environment)
    {
        PostgresOptions defaults = new();
        PostgresOptions postgres = new()
        {
            Hosts = section.TextList(
                "hosts", defaults.Hosts,
                "Servers as host, host:port, or the folder of a Unix socket (with :port where it is not 5432). The "
                    + "first that takes writes is used, anew after each loss of the connection."),
            Database = section.Text("database", defaults.Database, "The database; its encoding is UTF8.")!,
            User = section.Text("user", defaults.User, "The user; owns the schema, or may make it.")!,
            Password = StoreSection.ReadSecret(section, "password", "the password", environment),
            Schema = section.Text(
                "schema", defaults.Schema, "The schema with the tables, made if absent; one tree a schema.",
                "lower-case letters, digits, '_'")!,
            Tls = ReadTls(section),
            CertificateAuthorityFile = section.Text(
                "certificateAuthorityFile", null,
                "PEM file with the authorities to trust, in place of the system's."),
            ConnectTimeout = section.Duration(
                "connectTimeout", defaults.ConnectTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5),
                "Time for a connection."),
            OutageWait = section.Duration(
                "outageWait", defaults.OutageWait, TimeSpan.Zero, TimeSpan.FromHours(1),
                "How long reads and changes wait for a database that is away before they fail."),
            StatementTimeout = section.Duration(
                "statementTimeout", defaults.StatementTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1),
                "Time for one statement."),
            LockTimeout = section.Duration(
                "lockTimeout", defaults.LockTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1),
                "How long a statement waits for a lock."),
            OwnerWait = section.Duration(
                "ownerWait", defaults.OwnerWait, TimeSpan.Zero, TimeSpan.FromMinutes(5),
                "How long a starting service waits for the one before it to let the tree go."),
        };
        foreach (string error in postgres.FindFaults())
        {
            section.Report("hosts", error + ".", "Correct it.");
        }

        if (postgres.CertificateAuthorityFile is { } file && !File.Exists(file))
        {
            section.Report("certificateAuthorityFile", $"The file '{file}' is not there.", "Give a PEM file.");
        }

        section.Done();
        return isUsed ? postgres : null;
    }

    private static PostgresTls ReadTls(SettingReader section) =>
        section.Choice(
            "tls", "prefer",
            "Encryption: 'prefer' where offered, 'require' always, 'verify-full' with a checked certificate.",
            "disable", "prefer", "require", "verify-full") switch
        {
            "disable" => PostgresTls.Disable,
            "require" => PostgresTls.Require,
            "verify-full" => PostgresTls.VerifyFull,
            _ => PostgresTls.Prefer,
        };
}
