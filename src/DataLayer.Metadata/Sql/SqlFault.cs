namespace DataLayer.Metadata.Sql;

/// <summary>What an error of the database says about the transaction it came in, and what to do.</summary>
internal enum SqlFault
{
    /// <summary>The database refuses the statement; it would again.</summary>
    Refused,

    /// <summary>
    /// The transaction is certainly undone for a reason that passes (a deadlock, a serialization failure, a lock that
    /// took too long): run it again.
    /// </summary>
    Again,

    /// <summary>
    /// The connection is gone. A transaction whose COMMIT was not sent is undone; of one whose was, nobody knows until
    /// the database is asked.
    /// </summary>
    Lost,
}
