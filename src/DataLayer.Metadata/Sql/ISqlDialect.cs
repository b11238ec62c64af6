using System.Data.Common;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Transfer;

namespace DataLayer.Metadata.Sql;

/// <summary>
/// What differs between the databases a tree can live in. All other SQL is shared: it keeps to what SQLite and
/// PostgreSQL both speak (ON CONFLICT, RETURNING, partial indexes, recursive queries, positional parameters $1, $2,
/// …).
/// </summary>
internal interface ISqlDialect : IDisposable
{
    /// <summary>What the database is, for messages.</summary>
    string DisplayName { get; }

    /// <summary>
    /// Whether the database runs in this process: a statement waits for nobody, and a connection does not get lost.
    /// </summary>
    bool IsLocal { get; }

    /// <summary>
    /// How long a read or a change waits for a database that does not answer before it fails; nothing where it is
    /// local.
    /// </summary>
    TimeSpan OutageWait { get; }

    /// <summary>The statement that starts a transaction that writes.</summary>
    string BeginWrite { get; }

    /// <summary>The statement that starts a transaction that reads one state of all tables.</summary>
    string BeginSnapshot { get; }

    /// <summary>
    /// The statement that makes later commits of this connection durable when they return, or only safe from the end
    /// of the process. Between transactions only.
    /// </summary>
    string CommitMode(bool durable);

    /// <summary>The database's word for a 64-bit integer column.</summary>
    string Int64Type { get; }

    /// <summary>The database's word for a column of bytes, compared byte by byte.</summary>
    string BlobType { get; }

    /// <summary>The database's word for a column of text, compared by code point.</summary>
    string TextType { get; }

    /// <summary>
    /// What stands after CREATE TABLE (…) for a table that is stored in the order of its primary key.
    /// </summary>
    string ClusteredSuffix { get; }

    /// <summary>Whether the last owner of the database did not close it; its files deserve a check then.</summary>
    bool WasStoppedUncleanly { get; }

    /// <summary>Opens a connection, ready to use.</summary>
    DbConnection Open(bool forWriting);

    /// <summary>
    /// The first thing in each transaction of the writer: checks that the tree is still this service's, and leaves
    /// what tells later whether the transaction was committed.
    /// </summary>
    /// <exception cref="DataLayerException">Another service has the tree.</exception>
    void EnterWrite(SqlSession session);

    /// <summary>The last thing in a transaction of the writer: leaves what it touched for other nodes.</summary>
    void LogChanges(SqlSession session, byte[] changes);

    /// <summary>A transaction that began with <see cref="EnterWrite"/> is known to be committed.</summary>
    void WriteCommitted();

    /// <summary>
    /// Gives the writer a new connection after its own was lost, once the old one can commit nothing any more.
    /// </summary>
    /// <returns>Whether the transaction that was under way is committed.</returns>
    /// <exception cref="DbException">The database cannot be reached yet.</exception>
    /// <exception cref="DataLayerException">Another service has the tree, or the database lost what it had
    /// acknowledged: nothing may be written any more.</exception>
    bool Rejoin(SqlSession session);

    /// <summary>What an error means for the transaction it came in.</summary>
    SqlFault Classify(DbException error);

    /// <summary>The error for a caller whose time is up while the database does not answer.</summary>
    DataLayerException Unreachable(Exception cause, bool isChange);

    /// <summary>The error for a database whose pages are damaged.</summary>
    DataLayerException DamagedDatabase(string what, Exception? error);

    /// <summary>Whether a table exists.</summary>
    bool HasTable(SqlSession session, string table);

    /// <summary>A table's columns in their order; none where there is no such table.</summary>
    IReadOnlyList<TableColumn> ListColumns(SqlSession session, string table);

    /// <summary>Lets the database check its own structure: one message a fault, empty when sound.</summary>
    IReadOnlyList<string> CheckIntegrity(SqlSession session, bool quick);

    /// <summary>Moves what was committed to its final place, before the last connection closes.</summary>
    void Checkpoint(SqlSession session);

    /// <summary>Says a database error in the terms of this code base, with the remedy.</summary>
    DataLayerException Map(DbException error);
}
