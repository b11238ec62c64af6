namespace DataLayer.Metadata.Sql;

/// <summary>One bound parameter: a number, text, bytes, or NULL.</summary>
internal readonly record struct SqlValue(long Number, string? Text, byte[]? Bytes, bool IsNull)
{
    /// <summary>The value as a provider takes it.</summary>
    public object ToObject() => IsNull ? DBNull.Value : Text ?? (object?)Bytes ?? Number;
}
