using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Feeds.Reading;

/// <summary>
/// Where the records of an array file start, how many there are and what they are: NumPy's .npy (versions 1 to 3), IDX
/// (as MNIST's), or raw records of a given length.
/// </summary>
/// <param name="Record">What a record is.</param>
/// <param name="DataOffset">Where the first starts, bytes.</param>
/// <param name="Count">How many there are.</param>
internal sealed partial record ArrayHeader(RecordShape Record, long DataOffset, long Count)
{
    private const int MaxNpyHeader = 1 << 20;
    private const int MaxDimensions = 32;

    /// <summary>Reads what a file is.</summary>
    /// <param name="file">The file.</param>
    /// <param name="recordBytes">The length of raw records; null where the file says it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument: it is none of these, or not whole.</exception>
    public static async ValueTask<ArrayHeader> ReadAsync(
        SourceFile file, long? recordBytes, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> start = await file.PeekAsync(0, 256, cancellationToken).ConfigureAwait(false);
        if (start.Length > 6 && start.Span[0] == 0x93 && start.Span[1..].StartsWith("NUMPY"u8))
        {
            return await ReadNpyAsync(file, start, cancellationToken).ConfigureAwait(false);
        }

        if (recordBytes is { } length)
        {
            return file.SizeBytes % length == 0
                ? new ArrayHeader(new RecordShape(length, null, null), 0, file.SizeBytes / length)
                : throw file.Bad(
                    file.SizeBytes / length * length,
                    $"the last record has {file.SizeBytes % length} of {length} bytes",
                    "Is the file whole, and the record's length right?");
        }

        if (start.Span.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]))
        {
            throw file.Bad(0, "it is compressed", "Records can be found in plain files only: decompress it.");
        }

        return ReadIdx(file, start.Span);
    }

    private static async ValueTask<ArrayHeader> ReadNpyAsync(
        SourceFile file, ReadOnlyMemory<byte> start, CancellationToken cancellationToken)
    {
        const string remedy = "Write the array again with numpy.save.";
        int major = start.Length >= 12 ? start.Span[6] : 0;
        if (major is < 1 or > 3)
        {
            throw file.Bad(6, $"version {major} of .npy is not known", remedy);
        }

        int prefix = major == 1 ? 10 : 12;
        long length = major == 1
            ? BinaryPrimitives.ReadUInt16LittleEndian(start.Span[8..])
            : BinaryPrimitives.ReadUInt32LittleEndian(start.Span[8..]);
        if (length > MaxNpyHeader)
        {
            throw file.Bad(8, $"a header of {length} bytes", remedy);
        }

        byte[] bytes = new byte[length];
        await file.ReadAsync(prefix, bytes, cancellationToken).ConfigureAwait(false);
        Match header = NpyHeader().Match(Encoding.UTF8.GetString(bytes));
        if (!header.Success)
        {
            throw file.Bad(
                prefix, "the header is not of a plain array",
                "Only arrays of one number type are known, no records of named fields.");
        }

        if (header.Groups["fortran"].Value == "True")
        {
            throw file.Bad(
                prefix, "the array is in Fortran order, in which a record does not lie in one piece",
                "Write it with numpy.save(path, numpy.ascontiguousarray(array)).");
        }

        List<long> shape = [];
        foreach (string part in header.Groups["shape"].Value.Split(
            ',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            shape.Add(long.Parse(part.TrimEnd('L'), CultureInfo.InvariantCulture));
        }

        string type = header.Groups["type"].Value;
        int elementBytes = int.Parse(type.AsSpan(2), CultureInfo.InvariantCulture) * (type[1] == 'U' ? 4 : 1);
        return Make(file, shape, type, elementBytes, prefix + length);
    }

    private static ArrayHeader ReadIdx(SourceFile file, ReadOnlySpan<byte> start)
    {
        (string Type, int Bytes)? element = start.Length >= 8 && start[0] == 0 && start[1] == 0
            ? start[2] switch
            {
                0x08 => ("|u1", 1),
                0x09 => ("|i1", 1),
                0x0B => (">i2", 2),
                0x0C => (">i4", 4),
                0x0D => (">f4", 4),
                0x0E => (">f8", 8),
                _ => null,
            }
            : null;
        int dimensions = element is null ? 0 : start[3];
        if (element is null || dimensions is < 1 or > MaxDimensions || start.Length < 4 + (dimensions * 4))
        {
            throw file.Bad(
                0, "it is neither .npy nor IDX", "Say how long a record is (recordBytes, --record-bytes).");
        }

        List<long> shape = [];
        for (int i = 0; i < dimensions; i++)
        {
            shape.Add(BinaryPrimitives.ReadUInt32BigEndian(start[(4 + (i * 4))..]));
        }

        return Make(file, shape, element.Value.Type, element.Value.Bytes, 4 + (dimensions * 4));
    }

    private static ArrayHeader Make(SourceFile file, List<long> shape, string type, int elementBytes, long offset)
    {
        if (shape.Count is 0 or > MaxDimensions)
        {
            throw file.Bad(0, "the array has no first dimension to take samples from", "Give it one with array[None].");
        }

        Int128 record = elementBytes;
        for (int i = 1; i < shape.Count; i++)
        {
            record *= shape[i];
            if (record > int.MaxValue)
            {
                break;
            }
        }

        if (record < 1 || record > int.MaxValue)
        {
            throw file.Bad(0, $"a record of {record} bytes", "A record has 1 to 2147483647 bytes.");
        }

        long found = file.SizeBytes - offset;
        return found == (long)record * shape[0]
            ? new ArrayHeader(new RecordShape((long)record, type, shape[1..]), offset, shape[0])
            : throw file.Bad(
                offset + (found / (long)record * (long)record),
                $"the header names {shape[0]} records of {record} bytes, there are {found} bytes",
                "Is the file whole? Copy or write it again.");
    }

    [GeneratedRegex(
        """^\s*\{(?=.*'descr':\s*'(?<type>[<>|=][biufcSUV]\d+)')(?=.*'fortran_order':\s*(?<fortran>True|False))"""
            + """(?=.*'shape':\s*\((?<shape>[\d\sL,]*)\)).*\}\s*$""",
        RegexOptions.ExplicitCapture | RegexOptions.Singleline, 1000)]
    private static partial Regex NpyHeader();
}
