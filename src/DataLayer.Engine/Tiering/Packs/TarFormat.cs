using System.Globalization;
using System.Text;

namespace DataLayer.Engine.Tiering.Packs;

/// <summary>
/// Writes the headers of plain tar (POSIX.1-1988 ustar): 512 bytes a file, its contents behind it filled up to 512. A
/// name that ustar cannot hold, longer than its 100 bytes or not ASCII, goes before the header as a pax record
/// (POSIX.1-2001), as GNU tar, bsdtar and Python's tarfile read it.
/// </summary>
internal static class TarFormat
{
    /// <summary>The unit of a tar, bytes.</summary>
    public const int BlockBytes = 512;

    /// <summary>The end of a tar: two blocks of zeros, bytes.</summary>
    public const int EndBytes = 2 * BlockBytes;

    private const int NameBytes = 100;
    private const int MaxOctal7 = 0x1FFFFF;

    /// <summary>Bytes that contents take up.</summary>
    public static long Padded(long bytes) => (bytes + BlockBytes - 1) / BlockBytes * BlockBytes;

    /// <summary>The header of a regular file, with what goes before it.</summary>
    /// <param name="name">Its name, '/'-separated and relative.</param>
    /// <param name="sizeBytes">Its length.</param>
    /// <param name="mode">Permission bits.</param>
    /// <param name="owner">User and group; numbers that ustar cannot hold are left out.</param>
    /// <param name="modifiedSeconds">Last change, seconds since 1970 UTC; earlier times become 0.</param>
    public static byte[] Header(
        string name, long sizeBytes, int mode, (int UserId, int GroupId) owner, long modifiedSeconds)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        bool isPlain = bytes.Length <= NameBytes && Ascii.IsValid(bytes);
        byte[] pax = isPlain ? [] : PaxPath(bytes);
        int before = isPlain ? 0 : BlockBytes + (int)Padded(pax.Length);
        byte[] header = new byte[before + BlockBytes];
        if (!isPlain)
        {
            Fill(header, "PaxHeader"u8, 'x', pax.Length, 0x1A4, default, 0);
            pax.CopyTo(header, BlockBytes);
        }

        // Readers that know no pax take this for the name.
        ReadOnlySpan<byte> own = isPlain ? bytes : "packed-file"u8;
        Fill(header.AsSpan(before), own, '0', sizeBytes, mode & 0xFFF, owner, Math.Max(0, modifiedSeconds));
        return header;
    }

    private static byte[] PaxPath(ReadOnlySpan<byte> name)
    {
        // "LENGTH path=NAME\n", where LENGTH counts itself.
        int rest = " path=\n".Length + name.Length;
        int length = rest + 1;
        while (length != rest + length.ToString(CultureInfo.InvariantCulture).Length)
        {
            length = rest + length.ToString(CultureInfo.InvariantCulture).Length;
        }

        return [.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{length} path=")), .. name,
            (byte)'\n'];
    }

    private static void Fill(
        Span<byte> header, ReadOnlySpan<byte> name, char type, long sizeBytes, int mode,
        (int UserId, int GroupId) owner, long modifiedSeconds)
    {
        name.CopyTo(header);
        Octal(header[100..108], mode);
        Octal(header[108..116], owner.UserId is >= 0 and <= MaxOctal7 ? owner.UserId : 0);
        Octal(header[116..124], owner.GroupId is >= 0 and <= MaxOctal7 ? owner.GroupId : 0);
        Octal(header[124..136], sizeBytes);
        Octal(header[136..148], modifiedSeconds);
        header[148..156].Fill((byte)' ');
        header[156] = (byte)type;
        "ustar\0"u8.CopyTo(header[257..]);
        "00"u8.CopyTo(header[263..]);
        int sum = 0;
        foreach (byte one in header[..BlockBytes])
        {
            sum += one;
        }

        Octal(header[148..155], sum);
    }

    private static void Octal(Span<byte> field, long value)
    {
        for (int i = field.Length - 2; i >= 0; i--, value >>= 3)
        {
            field[i] = (byte)('0' + (value & 7));
        }

        field[^1] = 0;
    }
}
