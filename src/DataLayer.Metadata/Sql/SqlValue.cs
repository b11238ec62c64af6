namespace DataLayer.Metadata.Sql;

/// <summary>What a parameter holds; it is told also where its value is NULL.</summary>
internal enum SqlKind
{
    /// <summary>A 64-bit integer.</summary>
    Number,

    /// <summary>Text.</summary>
    Text,

    /// <summary>Bytes.</summary>
    Bytes,
}

/// <summary>One bound parameter: a number, text, bytes, or NULL.</summary>
internal readonly record struct SqlValue(long Number, string? Text, byte[]? Bytes, bool IsNull, SqlKind Kind)
{
    /// <summary>The value as a provider takes it.</summary>
    public object ToObject() => IsNull ? DBNull.Value : Text ?? (object?)Bytes ?? Number;
}
