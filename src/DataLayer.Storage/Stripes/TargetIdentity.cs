using System.Buffers.Text;
using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// The file <c>datalayer-target</c> in a target's folder: which deployment and which target this is. Without it the
/// folder is an empty mount point or somebody else's, and is refused.
/// </summary>
/// <param name="Deployment">The deployment, the same on all its targets.</param>
/// <param name="Target">The target's number, never used again.</param>
/// <param name="Pool">The pool it was added to.</param>
internal sealed record TargetIdentity(Guid Deployment, int Target, string Pool)
{
    internal const string FileName = "datalayer-target";
    private const string Head = "datalayer-target 1";

    /// <summary>Reads the identity of a folder; null if the folder has none (or is not there).</summary>
    /// <exception cref="DataLayerException">Corrupt: there is a file and it is damaged.</exception>
    internal static TargetIdentity? TryRead(string directory)
    {
        string path = Path.Combine(directory, FileName);
        if (TextRecord.TryRead(path) is not { } lines)
        {
            return null;
        }

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
    internal void Write(string directory) => TextRecord.Write(Path.Combine(directory, FileName),
        [Head, $"deployment {Deployment:D}", string.Create(CultureInfo.InvariantCulture, $"target {Target}"),
            $"pool {Pool}"], replace: false);
}

/// <summary>Small text files with a checksum in their last line, replaced atomically.</summary>
internal static class TextRecord
{
    private const int MaxBytes = 1 << 20;

    /// <summary>The lines before the checksum; null if there is no file.</summary>
    /// <exception cref="DataLayerException">Corrupt: the checksum does not fit.</exception>
    internal static string[]? TryRead(string path)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle? file =
            DurableFile.TryOpen(path, write: false, create: false, exclusive: false, out int errno);
        if (file is null)
        {
            return errno is Errno.NoEntry or Errno.NotADirectory ? null
                : throw LinuxError.Create(errno, "open", path);
        }

        byte[] bytes = new byte[Math.Min(RandomAccess.GetLength(file), MaxBytes)];
        int length = DurableFile.Read(file, path, bytes, 0);
        ReadOnlySpan<byte> text = bytes.AsSpan(0, length).TrimEnd((byte)'\n');
        int lastLine = text.LastIndexOf((byte)'\n') + 1;
        ReadOnlySpan<byte> sum = text[lastLine..];
        if (lastLine == 0 || !sum.StartsWith("crc32c "u8) || !Utf8Parser.TryParse(sum[7..], out uint crc,
            out int used, 'x') || used != 8
            || crc != Crc32C.Compute(bytes.AsSpan(0, lastLine)))
        {
            throw new DataLayerException(ErrorCode.Corrupt,
                $"'{path}' fails its checksum. Check the disk and restore the file.");
        }

        return Encoding.UTF8.GetString(bytes.AsSpan(0, lastLine - 1)).Split('\n');
    }

    /// <summary>Writes the lines and their checksum, durably.</summary>
    internal static void Write(string path, IReadOnlyList<string> lines, bool replace)
    {
        string text = string.Join('\n', lines) + "\n";
        uint crc = Crc32C.Compute(Encoding.UTF8.GetBytes(text));
        string whole = string.Create(CultureInfo.InvariantCulture, $"{text}crc32c {crc:x8}\n");
        DurableFile.WriteAtomically(path, Encoding.UTF8.GetBytes(whole), replace);
    }

    /// <summary>The rest of a line after its key; null if it has another key.</summary>
    internal static string? Value(string line, string key) =>
        line.StartsWith(key + " ", StringComparison.Ordinal) ? line[(key.Length + 1)..] : null;
}
