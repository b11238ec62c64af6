using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Objects;

/// <summary>
/// The CRC-32C of each block of an object, small enough to travel as its metadata: so every read, of any range, can be
/// checked whoever carried it.
/// </summary>
/// <remarks>
/// Text: <c>1.LOG2.BASE64URL</c>: format version, log2 of the block size in bytes, the checksums as little-endian
/// 32-bit numbers in block order. The block size is the least power of two from 64 KiB on that needs at most 320
/// blocks: S3 allows 2 KiB of metadata, this takes up to 1,716 bytes. Up to 20 MiB a block is 64 KiB, up to 320 MiB it
/// is 1 MiB. Specified in <c>docs/FORMATS/objects.md</c>.
/// </remarks>
internal sealed class BlockChecksums
{
    /// <summary>The name of the metadata entry, without the <c>x-amz-meta-</c> S3 puts in front.</summary>
    internal const string MetadataName = "datalayer-crc32c";

    /// <summary>
    /// How much is read in addition so that a partly covered block can be checked; larger rests stay unchecked.
    /// </summary>
    internal const int EdgeLimitBytes = 1 << 20;

    private const int MinimumLog2 = 16;
    private const int BlockLimit = 320;
    private readonly uint[] _checksums;
    private readonly int _log2;

    private BlockChecksums(long sizeBytes, int log2, uint[] checksums) =>
        (SizeBytes, _log2, _checksums) = (sizeBytes, log2, checksums);

    /// <summary>The object's size.</summary>
    internal long SizeBytes { get; }

    /// <summary>The size of a block; the last one may be shorter.</summary>
    internal long BlockBytes => 1L << _log2;

    /// <summary>Where the block that holds an offset starts.</summary>
    internal long BlockStart(long offsetBytes) => offsetBytes >> _log2 << _log2;

    /// <summary>Where the block that holds an offset ends: the object's end for the last one.</summary>
    internal long BlockEnd(long offsetBytes) => Math.Min(BlockStart(offsetBytes) + BlockBytes, SizeBytes);

    /// <summary>The checksum of the block that holds an offset.</summary>
    internal uint Of(long offsetBytes) => _checksums[offsetBytes >> _log2];

    /// <summary>The text for the metadata.</summary>
    internal string ToText()
    {
        byte[] bytes = new byte[_checksums.Length * sizeof(uint)];
        for (int i = 0; i < _checksums.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), _checksums[i]);
        }

        return string.Create(CultureInfo.InvariantCulture, $"1.{_log2}.{Base64Url.EncodeToString(bytes)}");
    }

    /// <summary>Reads the text for an object of a size; null where it is not ours or not of such an object.</summary>
    internal static BlockChecksums? Parse(string? text, long sizeBytes)
    {
        if (text is null || !text.StartsWith("1.", StringComparison.Ordinal))
        {
            return null;
        }

        int dot = text.IndexOf('.', 2);
        if (dot < 0
            || !int.TryParse(text.AsSpan(2, dot - 2), NumberStyles.None, CultureInfo.InvariantCulture, out int log2)
            || log2 is < MinimumLog2 or > 48
            || !Base64Url.IsValid(text.AsSpan(dot + 1), out int length)
            || length != BlockCount(sizeBytes, log2) * sizeof(uint))
        {
            return null;
        }

        byte[] bytes = Base64Url.DecodeFromChars(text.AsSpan(dot + 1));
        uint[] checksums = new uint[length / sizeof(uint)];
        for (int i = 0; i < checksums.Length; i++)
        {
            checksums[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)));
        }

        return new BlockChecksums(sizeBytes, log2, checksums);
    }

    private static long BlockCount(long sizeBytes, int log2) => (sizeBytes + (1L << log2) - 1) >> log2;

    /// <summary>Computes the checksums of a content that is shown piece by piece, front to back.</summary>
    internal sealed class Builder
    {
        private readonly long _sizeBytes;
        private readonly int _log2;
        private readonly List<uint> _checksums = [];
        private long _done;
        private uint _current;

        internal Builder(long sizeBytes)
        {
            _sizeBytes = sizeBytes;
            _log2 = MinimumLog2;
            while (BlockCount(sizeBytes, _log2) > BlockLimit)
            {
                _log2++;
            }
        }

        internal void Append(ReadOnlySpan<byte> bytes)
        {
            while (bytes.Length > 0)
            {
                int count = (int)Math.Min(bytes.Length, (1L << _log2) - (_done & ((1L << _log2) - 1)));
                _current = Crc32C.Append(_current, bytes[..count]);
                bytes = bytes[count..];
                _done += count;
                if ((_done & ((1L << _log2) - 1)) == 0 || _done == _sizeBytes)
                {
                    _checksums.Add(_current);
                    _current = 0;
                }
            }
        }

        /// <summary>The checksums; all bytes must have been shown.</summary>
        internal BlockChecksums Build() => _done == _sizeBytes
            ? new BlockChecksums(_sizeBytes, _log2, [.. _checksums])
            : throw new InvalidOperationException($"{_done} of {_sizeBytes} bytes were shown.");
    }
}
