using System.Data.Common;
using DataLayer.Core.Errors;

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

    /// <summary>The statement that starts a transaction that writes.</summary>
    string BeginWrite { get; }

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

    /// <summary>Whether a table exists.</summary>
    bool HasTable(SqlSession session, string table);

    /// <summary>Lets the database check its own structure: one message a fault, empty when sound.</summary>
    IReadOnlyList<string> CheckIntegrity(SqlSession session, bool quick);

    /// <summary>Moves what was committed to its final place, before the last connection closes.</summary>
    void Checkpoint(SqlSession session);

    /// <summary>Says a database error in the terms of this code base, with the remedy.</summary>
    DataLayerException Map(DbException error);
}
