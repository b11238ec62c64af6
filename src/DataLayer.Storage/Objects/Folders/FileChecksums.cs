using System.Buffers;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Objects.Folders;

/// <summary>
/// The block checksums of a file in a directory store, kept in the extended attribute <c>user.datalayer-crc32c</c> with
/// the modification time they were taken at: after an edit by others they vouch for nothing, and are ignored.
/// </summary>
internal static class FileChecksums
{
    private const string AttributeName = "user." + BlockChecksums.MetadataName;
    private const int TextLimitBytes = 2048;

    /// <summary>
    /// Keeps the checksums with a file that is complete but for its name. Where the file system cannot, nothing is
    /// kept.
    /// </summary>
    internal static void Keep(SafeFileHandle file, string path, BlockChecksums checksums, FileStatus status) =>
        ExtendedAttribute.TrySet(file, path, AttributeName, $"{checksums.ToText()}@{TimeText(status)}");

    /// <summary>
    /// Checks bytes just read from an offset; what is missing of a block at the edge is read too, up to 1 MiB.
    /// </summary>
    /// <exception cref="DataLayerException">Corrupt: they are not what was written.</exception>
    internal static void Check(
        SafeFileHandle file, string path, long offsetBytes, ReadOnlySpan<byte> bytes, FileStatus status)
    {
        if (bytes.Length == 0 || Find(file, path, status) is not { } checksums)
        {
            return;
        }

        long end = offsetBytes + bytes.Length;
        for (long at = checksums.BlockStart(offsetBytes); at < end; at = checksums.BlockEnd(at))
        {
            long from = Math.Max(at, offsetBytes);
            long to = Math.Min(checksums.BlockEnd(at), end);
            if (checksums.BlockEnd(at) - at - (to - from) > BlockChecksums.EdgeLimitBytes)
            {
                continue;
            }

            uint crc = Extend(0, file, path, at, (int)(from - at));
            crc = Crc32C.Append(crc, bytes[(int)(from - offsetBytes)..(int)(to - offsetBytes)]);
            crc = Extend(crc, file, path, to, (int)(checksums.BlockEnd(at) - to));
            if (crc != checksums.Of(at))
            {
                throw new DataLayerException(ErrorCode.Corrupt, string.Create(CultureInfo.InvariantCulture,
                    $"'{path}' is damaged between bytes {at} and {checksums.BlockEnd(at)}: ")
                    + "the checksum it was written with differs. "
                    + "Check the disk and restore the file; writing it again also mends it.");
            }
        }
    }

    private static BlockChecksums? Find(SafeFileHandle file, string path, FileStatus status)
    {
        string? text = ExtendedAttribute.Get(file, path, AttributeName, TextLimitBytes);
        int sign = text?.LastIndexOf('@') ?? -1;
        return sign > 0 && text!.AsSpan(sign + 1).SequenceEqual(TimeText(status))
            ? BlockChecksums.Parse(text![..sign], status.SizeBytes)
            : null;
    }

    private static string TimeText(FileStatus status) =>
        string.Create(CultureInfo.InvariantCulture, $"{status.ModifiedSeconds:x}.{status.ModifiedNanoseconds:x}");

    private static uint Extend(uint crc, SafeFileHandle file, string path, long offsetBytes, int count)
    {
        while (count > 0)
        {
            int piece = Math.Min(count, BlockChecksums.EdgeLimitBytes);
            byte[] rented = ArrayPool<byte>.Shared.Rent(piece);
            try
            {
                int read = DurableFile.Read(file, path, rented.AsSpan(0, piece), offsetBytes);
                crc = Crc32C.Append(crc, rented.AsSpan(0, read));
                count = read < piece ? 0 : count - piece;
                offsetBytes += piece;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }

        return crc;
    }
}
