using System.Text.Json;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Feeds.Reading;

/// <summary>The lines of a text file that are not empty; a sample is a line without its end.</summary>
internal static class LineSamples
{
    private const int PieceBytes = 128 << 10;
    private const int MaxLabelLine = 64 << 20;

    /// <summary>Reads the samples of one file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="field">The property of each line's JSON object that is its label; null for no labels.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument: it is compressed, or a label is missing.</exception>
    public static async ValueTask<(long[] Offsets, long[] Lengths, string[]? Labels)> ReadAsync(
        SourceFile file, string? field, CancellationToken cancellationToken)
    {
        List<long> offsets = [];
        List<long> lengths = [];
        long lineStart = 0;
        bool endsWithReturn = false;
        for (long offset = 0; offset < file.SizeBytes;)
        {
            ReadOnlyMemory<byte> piece = await file.PeekAsync(offset, PieceBytes, cancellationToken)
                .ConfigureAwait(false);
            if (offset == 0 && piece.Span.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]))
            {
                throw file.Bad(0, "it is compressed", "Lines can be found in plain text only: decompress it.");
            }

            ReadOnlySpan<byte> bytes = piece.Span;
            if (bytes.IsEmpty)
            {
                throw file.Bad(offset, "the file ends here", "It became shorter meanwhile: try again.");
            }

            for (int at = 0; at < bytes.Length;)
            {
                int end = bytes[at..].IndexOf((byte)'\n');
                if (end < 0)
                {
                    endsWithReturn = bytes[^1] == '\r';
                    break;
                }

                bool hasReturn = at + end > 0 ? bytes[at + end - 1] == '\r' : endsWithReturn;
                Add(lineStart, offset + at + end, hasReturn);
                lineStart = offset + at + end + 1;
                at += end + 1;
                endsWithReturn = false;
            }

            offset += bytes.Length;
        }

        Add(lineStart, file.SizeBytes, endsWithReturn);
        return ([.. offsets], [.. lengths], field is null
            ? null
            : await ReadLabelsAsync(file, field, offsets, lengths, cancellationToken).ConfigureAwait(false));

        void Add(long start, long end, bool hasReturn)
        {
            long length = end - start - (hasReturn && end > start ? 1 : 0);
            if (length > 0)
            {
                offsets.Add(start);
                lengths.Add(length);
            }
        }
    }

    private static async ValueTask<string[]> ReadLabelsAsync(
        SourceFile file, string field, List<long> offsets, List<long> lengths, CancellationToken cancellationToken)
    {
        string[] labels = new string[offsets.Count];
        for (int i = 0; i < labels.Length; i++)
        {
            if (lengths[i] > MaxLabelLine)
            {
                throw file.Bad(
                    offsets[i], $"a line has {lengths[i]} bytes", $"With labels a line has {MaxLabelLine} at most.");
            }

            int length = (int)lengths[i];
            ReadOnlyMemory<byte> line;
            if (length <= PieceBytes)
            {
                line = (await file.PeekAsync(offsets[i], length, cancellationToken).ConfigureAwait(false))[..length];
            }
            else
            {
                byte[] whole = new byte[length];
                await file.ReadAsync(offsets[i], whole, cancellationToken).ConfigureAwait(false);
                line = whole;
            }

            labels[i] = FindLabel(file, offsets[i], line.Span, field);
        }

        return labels;
    }

    private static string FindLabel(SourceFile file, long offset, ReadOnlySpan<byte> line, string field)
    {
        try
        {
            Utf8JsonReader reader = new(line);
            bool isObject = reader.Read() && reader.TokenType == JsonTokenType.StartObject;
            while (isObject && reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isWanted = reader.ValueTextEquals(field);
                reader.Read();
                if (isWanted && reader.TokenType is (JsonTokenType.String or JsonTokenType.Number))
                {
                    return reader.TokenType == JsonTokenType.String
                        ? reader.GetString()!
                        : System.Text.Encoding.UTF8.GetString(reader.ValueSpan);
                }

                reader.Skip();
            }
        }
        catch (JsonException e)
        {
            throw file.Bad(
                offset, $"the line is no JSON: {e.Message}", "Mend the line, or make the dataset without labels.");
        }

        throw Missing(file, offset, field);
    }

    private static DataLayerException Missing(SourceFile file, long offset, string field) => file.Bad(
        offset, $"the line has no property '{field}' that is a text or a number",
        "Add it, or make the dataset without labels.");
}
