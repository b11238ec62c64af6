using System.Globalization;

namespace DataLayer.TestSupport.Nodes;

/// <summary>
/// Changes of files as lines of text, and what files are after them: the model that a tree is compared with. A line is a verb, a name and
/// numbers: <c>create n</c>, <c>write n offset length seed</c>, <c>truncate n size</c>, <c>rename n m</c>, <c>unlink n</c>, <c>fsync n</c>.
/// </summary>
public static class NodesScript
{
    /// <summary>A random change; mostly small files, some that outgrow a segment record.</summary>
    public static string Draw(Random random, IReadOnlyCollection<string> names)
    {
        string name = "n" + random.Next(12).ToString(CultureInfo.InvariantCulture);
        if (!names.Contains(name))
        {
            return $"create {name}";
        }

        int large = random.Next(8) == 0 ? 400_000 : 20_000;
        return random.Next(12) switch
        {
            0 => $"unlink {name}",
            1 or 2 => FormattableString.Invariant($"rename {name} n{random.Next(12)}"),
            3 => FormattableString.Invariant($"truncate {name} {(random.Next(2) == 0 ? 0 : random.Next(large))}"),
            4 => $"fsync {name}",
            _ => FormattableString.Invariant($"write {name} {random.Next(large)} {random.Next(1, large)} {random.Next(250)}"),
        };
    }

    /// <summary>The bytes a seed stands for.</summary>
    public static byte[] Bytes(int seed, int length)
    {
        byte[] bytes = new byte[length];
        for (int i = 0; i < length; i++)
        {
            bytes[i] = (byte)(seed + (i / 7) + 1);
        }

        return bytes;
    }

    /// <summary>Applies a change to the model.</summary>
    public static void Apply(IDictionary<string, byte[]> files, string line)
    {
        string[] parts = line.Split(' ');
        switch (parts[0])
        {
            case "create":
                files[parts[1]] = [];
                break;
            case "write":
                byte[] written = Bytes(Number(parts[4]), Number(parts[3]));
                byte[] before = files[parts[1]];
                byte[] after = new byte[Math.Max(before.Length, Number(parts[2]) + written.Length)];
                before.CopyTo(after, 0);
                written.CopyTo(after, Number(parts[2]));
                files[parts[1]] = after;
                break;
            case "truncate":
                byte[] cut = files[parts[1]];
                Array.Resize(ref cut, Number(parts[2]));
                files[parts[1]] = cut;
                break;
            case "rename" when parts[1] != parts[2]:
                files[parts[2]] = files[parts[1]];
                files.Remove(parts[1]);
                break;
            case "unlink":
                files.Remove(parts[1]);
                break;
        }
    }

    /// <summary>A number of a line.</summary>
    public static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
