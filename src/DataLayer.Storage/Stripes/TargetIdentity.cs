using System.Buffers.Text;
using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// The record <c>datalayer-target</c> of a target: which deployment and which target this is. Without it the folder is
/// an empty mount point or somebody else's, and is refused.
/// </summary>
/// <param name="Deployment">The deployment, the same on all its targets.</param>
/// <param name="Target">The target's number, never used again.</param>
/// <param name="Pool">The pool it was added to.</param>
internal sealed record TargetIdentity(Guid Deployment, int Target, string Pool)
{
    internal const string FileName = "datalayer-target";
    private const string Head = "datalayer-target 1";

    /// <summary>Reads the identity at a place; null if it has none (or is not there).</summary>
    /// <exception cref="DataLayerException">Corrupt: there is one and it is damaged.</exception>
    internal static TargetIdentity? TryRead(ITargetSite site)
    {
        if (site.TryRead(FileName) is not { } text)
        {
            return null;
        }

        string path = $"{site.Location}/{FileName}";
        string[] lines = TextRecord.Parse(text, path);

        if (lines.Length == 4 && lines[0] == Head && Guid.TryParse(TextRecord.Value(lines[1], "deployment"),
            out Guid deployment)
            && int.TryParse(TextRecord.Value(lines[2], "target"), NumberStyles.None, CultureInfo.InvariantCulture,
                out int target)
            && TextRecord.Value(lines[3], "pool") is { Length: > 0 } pool)
        {
            return new TargetIdentity(deployment, target, pool);
        }

        throw new DataLayerException(ErrorCode.Corrupt,
            $"'{path}' is not an identity this version can read. Restore it from a backup, or remove the target and "
                + $"add it again.");
    }

    /// <summary>Writes the identity of a new target, durably.</summary>
    internal void Write(ITargetSite site) => site.Write(FileName, TextRecord.Format(
        [Head, $"deployment {Deployment:D}", string.Create(CultureInfo.InvariantCulture, $"target {Target}"),
            $"pool {Pool}"]), replace: false);
}

/// <summary>Small texts with a checksum in their last line.</summary>
internal static class TextRecord
{
    /// <summary>The lines before the checksum.</summary>
    /// <exception cref="DataLayerException">Corrupt: the checksum does not fit.</exception>
    internal static string[] Parse(ReadOnlySpan<byte> bytes, string path)
    {
        ReadOnlySpan<byte> text = bytes.TrimEnd((byte)'\n');
        int lastLine = text.LastIndexOf((byte)'\n') + 1;
        ReadOnlySpan<byte> sum = text[lastLine..];
        if (lastLine == 0 || !sum.StartsWith("crc32c "u8) || !Utf8Parser.TryParse(sum[7..], out uint crc,
            out int used, 'x') || used != 8
            || crc != Crc32C.Compute(bytes[..lastLine]))
        {
            throw new DataLayerException(ErrorCode.Corrupt,
                $"'{path}' fails its checksum. Check the disk and restore the file.");
        }

        return Encoding.UTF8.GetString(bytes[..(lastLine - 1)]).Split('\n');
    }

    /// <summary>The lines and their checksum.</summary>
    internal static byte[] Format(IReadOnlyList<string> lines)
    {
        string text = string.Join('\n', lines) + "\n";
        uint crc = Crc32C.Compute(Encoding.UTF8.GetBytes(text));
        return Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{text}crc32c {crc:x8}\n"));
    }

    /// <summary>The rest of a line after its key; null if it has another key.</summary>
    internal static string? Value(string line, string key) =>
        line.StartsWith(key + " ", StringComparison.Ordinal) ? line[(key.Length + 1)..] : null;
}
