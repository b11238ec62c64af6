using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Transfer;

/// <summary>
/// A row as bytes, the same whatever database it comes from: per column a tag (0 NULL, 1 number, 2 text, 3 bytes), then
/// eight bytes little-endian, or a length of four bytes and the UTF-8 or bytes.
/// </summary>
internal static class RowBytes
{
    /// <summary>Appends a row.</summary>
    public static void Write(IBufferWriter<byte> target, ReadOnlySpan<SqlValue> row)
    {
        foreach (ref readonly SqlValue value in row)
        {
            if (value.IsNull)
            {
                target.GetSpan(1)[0] = 0;
                target.Advance(1);
            }
            else if (value.Kind == SqlKind.Number)
            {
                Span<byte> span = target.GetSpan(9);
                span[0] = 1;
                BinaryPrimitives.WriteInt64LittleEndian(span[1..], value.Number);
                target.Advance(9);
            }
            else if (value.Kind == SqlKind.Text)
            {
                int length = Encoding.UTF8.GetByteCount(value.Text!);
                Span<byte> span = Head(target, 2, length);
                Encoding.UTF8.GetBytes(value.Text!, span);
                target.Advance(length);
            }
            else
            {
                Span<byte> span = Head(target, 3, value.Bytes!.Length);
                value.Bytes.CopyTo(span);
                target.Advance(value.Bytes.Length);
            }
        }
    }

    /// <summary>Reads a row from the beginning of some bytes.</summary>
    /// <returns>How many bytes it took.</returns>
    /// <exception cref="DataLayerException">Corrupt.</exception>
    public static int Read(ReadOnlySpan<byte> source, IReadOnlyList<TableColumn> columns, Span<SqlValue> row)
    {
        int at = 0;
        for (int i = 0; i < columns.Count; i++)
        {
            SqlKind kind = columns[i].Kind;
            byte tag = Take(source, ref at, 1)[0];
            if (tag == 0)
            {
                row[i] = new SqlValue(0, null, null, IsNull: true, kind);
                continue;
            }

            if (tag != (byte)kind + 1)
            {
                throw Damaged($"column '{columns[i].Name}' has tag {tag}");
            }

            if (kind == SqlKind.Number)
            {
                long number = BinaryPrimitives.ReadInt64LittleEndian(Take(source, ref at, sizeof(long)));
                row[i] = new SqlValue(number, null, null, IsNull: false, kind);
                continue;
            }

            uint length = BinaryPrimitives.ReadUInt32LittleEndian(Take(source, ref at, sizeof(uint)));
            ReadOnlySpan<byte> bytes = Take(source, ref at, length <= int.MaxValue ? (int)length : -1);
            row[i] = kind == SqlKind.Text
                ? new SqlValue(0, Encoding.UTF8.GetString(bytes), null, IsNull: false, kind)
                : new SqlValue(0, null, bytes.ToArray(), IsNull: false, kind);
        }

        return at;
    }

    /// <summary>The error for a dump that is not what was written.</summary>
    public static DataLayerException Damaged(string what) => new(
        ErrorCode.Corrupt, $"The dump is damaged: {what}. Nothing was loaded; take another dump.");

    private static Span<byte> Head(IBufferWriter<byte> target, byte tag, int length)
    {
        Span<byte> span = target.GetSpan(5);
        span[0] = tag;
        BinaryPrimitives.WriteInt32LittleEndian(span[1..], length);
        target.Advance(5);
        return target.GetSpan(length);
    }

    private static ReadOnlySpan<byte> Take(ReadOnlySpan<byte> source, ref int at, int length)
    {
        if (length < 0 || length > source.Length - at)
        {
            throw Damaged("a row ends too early");
        }

        ReadOnlySpan<byte> taken = source.Slice(at, length);
        at += length;
        return taken;
    }
}
