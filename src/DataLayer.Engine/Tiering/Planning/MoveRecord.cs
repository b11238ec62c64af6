using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>One move as bytes: length, CRC-32C, fields. docs/FORMATS/plan.md has the layout.</summary>
internal static class MoveRecord
{
    /// <summary>Bytes before the fields: length and checksum.</summary>
    public const int PrefixBytes = 8;

    /// <summary>
    /// The longest record: paths have 4,096 bytes at most, fields and classes far less than the rest.
    /// </summary>
    public const int MaxBytes = 16 << 10;

    /// <summary>Appends a move.</summary>
    /// <returns>The bytes it takes, its prefix included.</returns>
    public static int Write(PlannedMove move, IBufferWriter<byte> to)
    {
        Span<byte> record = to.GetSpan(MaxBytes);
        int at = PrefixBytes;
        at += WriteNumber(record[at..], move.Inode.Value);
        at += WriteNumber(record[at..], move.Version);
        at += WriteNumber(record[at..], (long)move.Kinds);
        at += WriteNumber(record[at..], move.RuleIndex);
        at += WriteNumber(record[at..], move.SizeBytes);
        at += WriteNumber(record[at..], move.HotBytes);
        at += WriteNumber(record[at..], move.CopyCount);
        at += WriteReal(record[at..], move.Weight);
        at += WriteReal(record[at..], move.OnceCost);
        at += WriteReal(record[at..], move.MonthlyChange);
        at += WriteText(record[at..], move.FromClass);
        at += WriteText(record[at..], move.ToClass);
        at += WriteText(record[at..], move.Path);
        BinaryPrimitives.WriteInt32LittleEndian(record, at - PrefixBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], Crc32C.Compute(record[PrefixBytes..at]));
        to.Advance(at);
        return at;
    }

    /// <summary>The length a prefix announces, without the prefix; -1 where it cannot be one.</summary>
    public static int ReadLength(ReadOnlySpan<byte> prefix)
    {
        int length = BinaryPrimitives.ReadInt32LittleEndian(prefix);
        return length is > 0 and <= MaxBytes - PrefixBytes ? length : -1;
    }

    /// <summary>Reads a whole record, its prefix included.</summary>
    /// <exception cref="DataLayerException">Corrupt.</exception>
    public static PlannedMove Read(ReadOnlySpan<byte> record, string file)
    {
        ReadOnlySpan<byte> fields = record[PrefixBytes..];
        if (Crc32C.Compute(fields) != BinaryPrimitives.ReadUInt32LittleEndian(record[4..]))
        {
            throw Damaged(file);
        }

        // The checksum is right, so the fields are as they were written.
        return new PlannedMove
        {
            Inode = new InodeId(ReadNumber(ref fields)),
            Version = ReadNumber(ref fields),
            Kinds = (MoveKinds)ReadNumber(ref fields),
            RuleIndex = (int)ReadNumber(ref fields),
            SizeBytes = ReadNumber(ref fields),
            HotBytes = ReadNumber(ref fields),
            CopyCount = (int)ReadNumber(ref fields),
            Weight = ReadReal(ref fields),
            OnceCost = ReadReal(ref fields),
            MonthlyChange = ReadReal(ref fields),
            FromClass = ReadText(ref fields),
            ToClass = ReadText(ref fields),
            Path = ReadText(ref fields) ?? string.Empty,
        };
    }

    /// <summary>The fault of a file of moves that is not as it was written.</summary>
    public static DataLayerException Damaged(string file) =>
        new(ErrorCode.Corrupt, $"The moves of the plan in '{file}' are damaged: delete the plan and make it again.");

    private static int WriteNumber(Span<byte> to, long value)
    {
        // Zigzag, then seven bits a byte, lowest first.
        ulong rest = (ulong)((value << 1) ^ (value >> 63));
        int at = 0;
        while (rest >= 0x80)
        {
            to[at++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        to[at++] = (byte)rest;
        return at;
    }

    private static long ReadNumber(ref ReadOnlySpan<byte> from)
    {
        ulong value = 0;
        int at = 0;
        byte next;
        do
        {
            next = from[at];
            value |= (ulong)(next & 0x7F) << (7 * at);
            at++;
        }
        while (next >= 0x80);
        from = from[at..];
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    private static int WriteReal(Span<byte> to, double value)
    {
        BinaryPrimitives.WriteDoubleLittleEndian(to, value);
        return sizeof(double);
    }

    private static double ReadReal(ref ReadOnlySpan<byte> from)
    {
        double value = BinaryPrimitives.ReadDoubleLittleEndian(from);
        from = from[sizeof(double)..];
        return value;
    }

    private static int WriteText(Span<byte> to, string? text)
    {
        if (text is null)
        {
            return WriteNumber(to, -1);
        }

        int length = Encoding.UTF8.GetByteCount(text);
        int at = WriteNumber(to, length);
        return at + Encoding.UTF8.GetBytes(text, to[at..]);
    }

    private static string? ReadText(ref ReadOnlySpan<byte> from)
    {
        int length = (int)ReadNumber(ref from);
        if (length < 0)
        {
            return null;
        }

        string text = Encoding.UTF8.GetString(from[..length]);
        from = from[length..];
        return text;
    }
}
