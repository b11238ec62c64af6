using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Feeds.Reading;

/// <summary>
/// Labels that stand in a file of their own: a CSV of paths and labels, or an array of whole numbers.
/// </summary>
internal static class LabelFile
{
    private const long MaxCsvBytes = 1L << 30;

    /// <summary>Reads a CSV: a line each, path and label, quoted where they hold a comma; a first line
    /// <c>path,label</c> is its header.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: a line is malformed, or names a path twice.</exception>
    public static async ValueTask<Dictionary<string, string>> ReadCsvAsync(
        SourceFile file, CancellationToken cancellationToken)
    {
        if (file.SizeBytes > MaxCsvBytes)
        {
            throw file.Bad(
                0, $"a label file of {file.SizeBytes} bytes", $"It has {MaxCsvBytes} at most: label folders.");
        }

        (long[] offsets, long[] lengths, _) = await LineSamples.ReadAsync(file, null, cancellationToken)
            .ConfigureAwait(false);
        Dictionary<string, string> labels = new(StringComparer.Ordinal);
        for (int i = 0; i < offsets.Length; i++)
        {
            byte[] line = new byte[lengths[i]];
            await file.ReadAsync(offsets[i], line, cancellationToken).ConfigureAwait(false);
            (string Path, string Label)? row = Split(Encoding.UTF8.GetString(line).TrimStart('\uFEFF'));
            if (row is not { } good)
            {
                throw file.Bad(
                    offsets[i], $"line {i + 1} is not a path, a comma and a label",
                    "Mend the line; quote what holds a comma with \", and write \"\" for a quote.");
            }

            if (i == 0 && good is { Path: "path", Label: "label" })
            {
                continue;
            }

            if (!labels.TryAdd(good.Path.TrimStart('/'), good.Label))
            {
                throw file.Bad(offsets[i], $"'{good.Path}' stands in it twice", "Leave one of the lines out.");
            }
        }

        return labels;
    }

    /// <summary>Reads an array of whole numbers of one dimension.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is none.</exception>
    public static async ValueTask<string[]> ReadArrayAsync(SourceFile file, CancellationToken cancellationToken)
    {
        ArrayHeader header = await ArrayHeader.ReadAsync(file, null, cancellationToken).ConfigureAwait(false);
        int width = (int)header.Record.RecordBytes;
        string? type = header.Record.ElementType;
        if (header.Record.Shape is not { Count: 0 } || type is null || type[1] is not ('i' or 'u')
            || width is not (1 or 2 or 4 or 8))
        {
            throw file.Bad(0, $"labels are {header.Record} each", "Labels are one whole number a record.");
        }

        byte[] bytes = new byte[header.Count * width];
        await file.ReadAsync(header.DataOffset, bytes, cancellationToken).ConfigureAwait(false);
        string[] labels = new string[header.Count];
        for (int i = 0; i < labels.Length; i++)
        {
            long number = ReadNumber(bytes.AsSpan(i * width, width), type[0] == '>', type[1] == 'i');
            labels[i] = number.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        return labels;
    }

    private static long ReadNumber(ReadOnlySpan<byte> bytes, bool isBigEndian, bool isSigned)
    {
        ulong number = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            number |= (ulong)bytes[isBigEndian ? bytes.Length - 1 - i : i] << (i * 8);
        }

        int free = 64 - (bytes.Length * 8);
        return isSigned ? (long)(number << free) >> free : (long)number;
    }

    private static (string Path, string Label)? Split(string line)
    {
        int at = 0;
        string? path = Field(line, ref at);
        if (path is null || at >= line.Length || line[at] != ',')
        {
            return null;
        }

        at++;
        string? label = Field(line, ref at);
        return label is null || at != line.Length || path.Length == 0 || label.Length == 0
            ? null
            : (path, label);
    }

    private static string? Field(string line, ref int at)
    {
        if (at >= line.Length || line[at] != '"')
        {
            int comma = line.IndexOf(',', at);
            int end = comma < 0 ? line.Length : comma;
            string plain = line[at..end];
            at = end;
            return plain.Contains('"', StringComparison.Ordinal) ? null : plain.Trim();
        }

        StringBuilder quoted = new();
        for (at++; at < line.Length; at++)
        {
            if (line[at] != '"')
            {
                quoted.Append(line[at]);
            }
            else if (at + 1 < line.Length && line[at + 1] == '"')
            {
                quoted.Append('"');
                at++;
            }
            else
            {
                at++;
                return quoted.ToString();
            }
        }

        return null;
    }
}
