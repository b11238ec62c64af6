using System.Globalization;
using System.Text;

namespace DataLayer.Keeper.Mounts;

/// <summary>One line of <c>/proc/self/mountinfo</c> (proc(5)).</summary>
/// <param name="Device">
/// Major and minor number of its file system, as <c>0:47</c>: the same for a mount and its binds.
/// </param>
/// <param name="MountPoint">Where it is mounted, unescaped.</param>
/// <param name="Options">The mount's own options, comma-separated: <c>ro,nosuid</c>.</param>
/// <param name="FileSystemType">The type, as <c>fuse.datalayer</c>.</param>
/// <param name="Source">What it says it is a mount of, unescaped.</param>
public record MountEntry(string Device, string MountPoint, string Options, string FileSystemType, string Source)
{
    /// <summary>Whether the mount refuses changes.</summary>
    public bool IsReadOnly => Has("ro");

    /// <summary>Whether an option is set on this mount.</summary>
    public bool Has(string option) => Array.IndexOf(Options.Split(','), option) >= 0;
}

/// <summary>
/// What is mounted, from the kernel's table. Reading it touches no mounted file system, so it never hangs on one whose
/// server is gone; a <c>stat</c> would.
/// </summary>
public static class MountTable
{
    private const string Table = "/proc/self/mountinfo";
    private const int FirstOptionalField = 6;

    /// <summary>The table now, in the order of mounting.</summary>
    public static IReadOnlyList<MountEntry> Read() => Parse(File.ReadAllText(Table));

    /// <summary>The topmost mount at a path, or null.</summary>
    /// <param name="entries">The table.</param>
    /// <param name="mountPoint">An absolute path without links.</param>
    public static MountEntry? FindAt(IReadOnlyList<MountEntry> entries, string mountPoint)
    {
        ArgumentNullException.ThrowIfNull(entries);
        for (int i = entries.Count - 1; i >= 0; i--)
        {
            if (entries[i].MountPoint == mountPoint)
            {
                return entries[i];
            }
        }

        return null;
    }

    /// <summary>Parses the text of the table; lines that are not of its form are left out.</summary>
    public static IReadOnlyList<MountEntry> Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<MountEntry> entries = [];
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            // 36 35 98:0 /root /point rw,noatime shared:1 - type source rw: any number of fields before the dash.
            string[] fields = line.Split(' ');
            int dash = Array.IndexOf(fields, "-", Math.Min(FirstOptionalField, fields.Length));
            if (dash < FirstOptionalField || dash + 2 >= fields.Length)
            {
                continue;
            }

            entries.Add(new MountEntry(
                fields[2], Unescape(fields[4]), fields[5], Unescape(fields[dash + 1]), Unescape(fields[dash + 2])));
        }

        return entries;
    }

    /// <summary>The kernel writes space, tab, newline and backslash as a backslash and three octal digits.</summary>
    private static string Unescape(string field)
    {
        if (!field.Contains('\\', StringComparison.Ordinal))
        {
            return field;
        }

        StringBuilder text = new(field.Length);
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length && IsOctal(field.AsSpan(i + 1, 3)))
            {
                text.Append((char)(((field[i + 1] - '0') << 6) | ((field[i + 2] - '0') << 3) | (field[i + 3] - '0')));
                i += 3;
            }
            else
            {
                text.Append(field[i]);
            }
        }

        return text.ToString();
    }

    private static bool IsOctal(ReadOnlySpan<char> digits) =>
        digits is [>= '0' and <= '3', >= '0' and <= '7', >= '0' and <= '7'];

    /// <summary>The minor number of a device as <c>0:47</c>: how <c>/sys/fs/fuse/connections</c> names it.</summary>
    internal static int MinorOf(string device) =>
        int.Parse(device.AsSpan(device.IndexOf(':', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture);
}
