using DataLayer.Core.Errors;

namespace DataLayer.Metadata;

/// <summary>How to open the tree. Checked as a whole when the store opens.</summary>
public sealed class TreeStoreOptions
{
    /// <summary>The SQLite database file; made if absent. No default: the service's state directory decides.</summary>
    public required string DatabasePath { get; init; }

    /// <summary>The PostgreSQL database that holds the tree in place of the file, or null, the default.</summary>
    public PostgresOptions? Postgres { get; init; }

    /// <summary>
    /// Whether the tree, in PostgreSQL, is only read, beside the service that writes it: every change fails with
    /// ReadOnly, and hot copies, which are the writing node's, are not shown. Default false.
    /// </summary>
    public bool IsReader { get; init; }

    /// <summary>
    /// How many changes one commit may gather, a count, 1 to 10,000. Default 256: one fsync then costs each under 10
    /// µs.
    /// </summary>
    public int GroupCommitLimit { get; init; } = 256;

    /// <summary>
    /// How many changes may wait for the writer, a count, 1 to 100,000. Callers past it wait. Default 4,096.
    /// </summary>
    public int QueueLimit { get; init; } = 4096;

    /// <summary>How many connections serve reads, a count, 1 to 64. Default 4.</summary>
    public int ReadConnectionCount { get; init; } = 4;

    /// <summary>Page cache of the writing connection, bytes, 1 MiB to 64 GiB. Default 32 MiB.</summary>
    public long WriteCacheBytes { get; init; } = 32L << 20;

    /// <summary>Page cache of each reading connection, bytes, 1 MiB to 64 GiB. Default 8 MiB.</summary>
    public long ReadCacheBytes { get; init; } = 8L << 20;

    /// <summary>
    /// How much of the database is mapped into memory, bytes, 0 to 1 TiB; 0, the default, reads it by calls. A disk
    /// that fails
    /// under a mapped page ends the process with SIGBUS where a call is answered with an error, and mapping gained
    /// nothing that could be measured: 100,000 look-ups took 30 to 80 µs each and varied more from run to run.
    /// </summary>
    public long MapBytes { get; init; }

    /// <summary>
    /// How many files a folder under a read-write attachment may hold to be renamed in one transaction, a count, 1 to
    /// 10,000,000. Past it the rename fails with CrossAttachment and clients copy. Default 50,000: about two seconds
    /// of the writer.
    /// </summary>
    public int FolderRenameLimit { get; init; } = 50_000;

    /// <summary>
    /// How long a file that was created empty, or written in place, waits before its upload is due: 0 to 1 hour.
    /// Default 5 s, so that create, write, close gives one upload. A published content is due at once.
    /// </summary>
    public TimeSpan UploadDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Whether to check the database's pages when the service before did not stop cleanly. Default true; about 1 s
    /// per GB.
    /// </summary>
    public bool CheckAfterUncleanStop { get; init; } = true;

    /// <summary>The same, for a service that only reads the tree.</summary>
    public TreeStoreOptions ToReader() => new()
    {
        DatabasePath = DatabasePath,
        Postgres = Postgres,
        IsReader = true,
        ReadConnectionCount = ReadConnectionCount,
    };

    /// <summary>Checks every value.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, with all that is wrong in one message.</exception>
    public void Validate()
    {
        List<string> errors = [];
        errors.AddRange(Postgres?.FindFaults() ?? []);
        if (Postgres is null && string.IsNullOrWhiteSpace(DatabasePath))
        {
            errors.Add("DatabasePath is empty");
        }

        if (IsReader && Postgres is null)
        {
            errors.Add("IsReader needs Postgres: a tree in a file is one service's");
        }

        Check(errors, nameof(GroupCommitLimit), GroupCommitLimit, 1, 10_000);
        Check(errors, nameof(QueueLimit), QueueLimit, 1, 100_000);
        Check(errors, nameof(ReadConnectionCount), ReadConnectionCount, 1, 64);
        Check(errors, nameof(WriteCacheBytes), WriteCacheBytes, 1L << 20, 64L << 30);
        Check(errors, nameof(ReadCacheBytes), ReadCacheBytes, 1L << 20, 64L << 30);
        Check(errors, nameof(MapBytes), MapBytes, 0, 1L << 40);
        Check(errors, nameof(FolderRenameLimit), FolderRenameLimit, 1, 10_000_000);
        Check(errors, nameof(UploadDelay) + " (seconds)", (long)UploadDelay.TotalSeconds, 0, 3600);
        if (UploadDelay < TimeSpan.Zero)
        {
            errors.Add("UploadDelay is negative");
        }

        if (errors.Count > 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "Metadata options: " + string.Join("; ", errors) + ".");
        }
    }

    internal static void Check(List<string> errors, string name, long value, long low, long high)
    {
        if (value < low || value > high)
        {
            errors.Add($"{name} is {value}, allowed are {low} to {high}");
        }
    }
}
