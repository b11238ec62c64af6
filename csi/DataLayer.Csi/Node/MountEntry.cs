using System.Globalization;
using System.Text;

namespace DataLayer.Csi.Node;

/// <summary>One line of /proc/self/mountinfo.</summary>
/// <param name="MountPoint">Where it is mounted.</param>
/// <param name="Device">The file system's device, major:minor: the same for a mount and its binds.</param>
/// <param name="Options">The mount's own options, comma-separated: ro, nosuid, …</param>
/// <param name="FileSystem">The type: fuse.datalayer.</param>
/// <param name="Source">What is mounted, as given to mount(2).</param>
internal sealed record MountEntry(
    string MountPoint, string Device, string Options, string FileSystem, string Source)
{
    /// <summary>
    /// Whether this is a mount of ours that nothing keeps alive any more, and of which nobody knows the volume.
    /// </summary>
    public bool IsOrphan { get; init; }

    /// <summary>The file by which a mount of ours is known, or null.</summary>
    public string? Record { get; init; }

    /// <summary>Whether this mount is read-only.</summary>
    public bool IsReadOnly => Has("ro");

    /// <summary>Whether an option is set on this mount.</summary>
    public bool Has(string option) => Options.Split(',').Contains(option, StringComparer.Ordinal);

    /// <summary>Reads a whole table; lines that are none are left out.</summary>
    public static IReadOnlyList<MountEntry> ParseAll(string table)
    {
        List<MountEntry> entries = [];
        foreach (string line in table.Split('\n'))
        {
            // id parent major:minor root point options [optional fields] - type source super-options
            string[] fields = line.Split(' ');
            int dash = Array.IndexOf(fields, "-", Math.Min(6, fields.Length));
            if (dash > 0 && fields.Length >= dash + 3)
            {
                entries.Add(new MountEntry(
                    Unescape(fields[4]), fields[2], fields[5], fields[dash + 1], Unescape(fields[dash + 2])));
            }
        }

        return entries;
    }

    /// <summary>Spaces, tabs, newlines and backslashes stand as \ooo.</summary>
    private static string Unescape(string field)
    {
        if (!field.Contains('\\', StringComparison.Ordinal))
        {
            return field;
        }

        // The table's bytes are UTF-8, of which only single ASCII bytes are escaped.
        StringBuilder text = new(field.Length);
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length)
            {
                int code = field.AsSpan(i + 1, 3).IndexOfAnyExceptInRange('0', '7') < 0
                    ? ((field[i + 1] - '0') * 64) + ((field[i + 2] - '0') * 8) + (field[i + 3] - '0')
                    : throw new FormatException(
                        string.Create(CultureInfo.InvariantCulture, $"mountinfo: bad escape in '{field}'."));
                text.Append((char)code);
                i += 3;
            }
            else
            {
                text.Append(field[i]);
            }
        }

        return text.ToString();
    }
}
