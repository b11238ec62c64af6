using System.Collections;
using System.Data.Common;
using SQLitePCL;

namespace DataLayer.Metadata.Sql;

/// <summary>
/// The rows of one run of a <see cref="SqliteExecution"/>, forward only. Only what the tables read with is there:
/// numbers,
/// text, bytes and NULL; the rest of a reader says NotSupported. Disposal makes the statement ready for its next run.
/// </summary>
internal sealed class SqliteRows(SqliteExecution execution, sqlite3_stmt statement) : DbDataReader
{
    private bool _isClosed = true;

    /// <inheritdoc/>
    public override int FieldCount => raw.sqlite3_column_count(statement);

    /// <inheritdoc/>
    public override int RecordsAffected => -1;

    /// <inheritdoc/>
    public override bool HasRows => throw new NotSupportedException();

    /// <inheritdoc/>
    public override bool IsClosed => _isClosed;

    /// <inheritdoc/>
    public override int Depth => 0;

    /// <inheritdoc/>
    public override object this[int ordinal] => throw new NotSupportedException();

    /// <inheritdoc/>
    public override object this[string name] => throw new NotSupportedException();

    /// <summary>A new run begins.</summary>
    public void Open()
    {
        if (!_isClosed)
        {
            throw new InvalidOperationException("The rows of an earlier run are still being read.");
        }

        _isClosed = false;
    }

    /// <inheritdoc/>
    public override bool Read() => execution.Step();

    /// <inheritdoc/>
    public override bool NextResult() => false;

    /// <inheritdoc/>
    public override bool IsDBNull(int ordinal) => raw.sqlite3_column_type(statement, ordinal) == raw.SQLITE_NULL;

    /// <inheritdoc/>
    public override long GetInt64(int ordinal)
    {
        CheckNotNull(ordinal);
        return raw.sqlite3_column_int64(statement, ordinal);
    }

    /// <inheritdoc/>
    public override int GetInt32(int ordinal) => checked((int)GetInt64(ordinal));

    /// <inheritdoc/>
    public override string GetString(int ordinal)
    {
        CheckNotNull(ordinal);
        return raw.sqlite3_column_text(statement, ordinal).utf8_to_string();
    }

    /// <inheritdoc/>
    public override T GetFieldValue<T>(int ordinal)
    {
        CheckNotNull(ordinal);
        return typeof(T) == typeof(byte[])
            ? (T)(object)raw.sqlite3_column_blob(statement, ordinal).ToArray()
            : throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override void Close()
    {
        if (!_isClosed)
        {
            _isClosed = true;
            execution.Reset();
        }
    }

    /// <inheritdoc/>
    public override object GetValue(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override int GetValues(object[] values) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override bool GetBoolean(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override byte GetByte(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long GetBytes(int ordinal, long dataOffset, byte[]? buffer, int bufferOffset, int length) =>
        throw new NotSupportedException();

    /// <inheritdoc/>
    public override char GetChar(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long GetChars(int ordinal, long dataOffset, char[]? buffer, int bufferOffset, int length) =>
        throw new NotSupportedException();

    /// <inheritdoc/>
    public override string GetDataTypeName(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override DateTime GetDateTime(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override decimal GetDecimal(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override double GetDouble(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override IEnumerator GetEnumerator() => throw new NotSupportedException();

    /// <inheritdoc/>
    public override Type GetFieldType(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override float GetFloat(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override Guid GetGuid(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override short GetInt16(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override string GetName(int ordinal) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override int GetOrdinal(string name) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        Close();
        base.Dispose(disposing);
    }

    // Values of another type are converted, as SQLite does: checksums find what was not written so.
    private void CheckNotNull(int ordinal)
    {
        if (IsDBNull(ordinal))
        {
            throw new InvalidOperationException($"Column {ordinal} is NULL.");
        }
    }
}
