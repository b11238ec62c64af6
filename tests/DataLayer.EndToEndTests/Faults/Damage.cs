namespace DataLayer.EndToEndTests.Faults;

/// <summary>Ways stored bytes go bad.</summary>
internal enum DamageKind
{
    /// <summary>One bit is flipped.</summary>
    Flip,

    /// <summary>A 4 KiB page reads as zeros.</summary>
    ZeroPage,

    /// <summary>The end is gone.</summary>
    Truncate,

    /// <summary>Two pages changed places.</summary>
    Swap,

    /// <summary>A page of another file landed here: a misdirected write.</summary>
    Misdirect,

    /// <summary>The file is gone.</summary>
    Remove,
}

/// <summary>Damages a file on purpose, and can take it back.</summary>
internal sealed class Damage
{
    private const int PageBytes = 4096;
    private readonly byte[] _original;

    private Damage(string path, DamageKind kind, byte[] original) => (Path, Kind, _original) = (path, kind, original);

    /// <summary>The damaged file.</summary>
    internal string Path { get; }

    /// <summary>What was done.</summary>
    internal DamageKind Kind { get; }

    /// <summary>Files with bytes in them below a folder, in order.</summary>
    internal static string[] FilesBelow(string folder, string pattern = "*") =>
        [.. Directory.EnumerateFiles(folder, pattern, SearchOption.AllDirectories)
            .Where(file => new FileInfo(file).Length > 0)
            .Order(StringComparer.Ordinal)];

    /// <summary>Damages one file; <paramref name="other"/> is where a misdirected page comes from, if it is there.</summary>
    internal static Damage Do(string path, DamageKind kind, string other, Random random)
    {
        var damage = new Damage(path, kind, File.ReadAllBytes(path));
        var bytes = damage._original.ToArray();
        var page = random.Next((bytes.Length + PageBytes - 1) / PageBytes) * PageBytes;
        var length = Math.Min(PageBytes, bytes.Length - page);
        switch (kind)
        {
            case DamageKind.Flip:
                bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                break;
            case DamageKind.ZeroPage:
                bytes.AsSpan(page, length).Clear();
                break;
            case DamageKind.Truncate:
                bytes = bytes[..random.Next(bytes.Length)];
                break;
            case DamageKind.Swap:
                damage._original.AsSpan(page, length).CopyTo(bytes);
                damage._original.AsSpan(0, length).CopyTo(bytes.AsSpan(page));
                break;
            case DamageKind.Misdirect:
                var source = File.Exists(other) ? File.ReadAllBytes(other) : [.. damage._original.Reverse()];
                source.AsSpan(0, Math.Min(length, source.Length)).CopyTo(bytes.AsSpan(page));
                break;
            case DamageKind.Remove:
                File.Delete(path);
                return damage;
        }

        Overwrite(path, bytes);
        return damage;
    }

    /// <summary>Puts the original bytes back.</summary>
    internal void Undo() => Overwrite(Path, _original);

    /// <summary>Writes in place: the service may hold the file open.</summary>
    private static void Overwrite(string path, byte[] bytes)
    {
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        file.Write(bytes);
        file.SetLength(bytes.Length);
    }
}
