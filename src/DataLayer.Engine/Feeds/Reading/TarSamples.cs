using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Feeds.Reading;

/// <summary>
/// The samples of a tar as WebDataset groups them: members in a row whose names agree up to the first dot of the last
/// part. A sample is the byte range of its members with their headers, so it is a piece of a tar by itself.
/// </summary>
/// <remarks>
/// Knows ustar, GNU long names and pax. Only regular members count; names without a dot in their last part, or that
/// start with one, belong to no sample. Only headers are read (and the member that is the label).
/// </remarks>
internal sealed class TarSamples
{
    private const int Block = 512;
    private const int MaxNameBytes = 64 << 10;
    private const int MaxLabelBytes = 1024;
    private const string Remedy = "Is the tar whole? Copy or pack it again.";

    private readonly SourceFile _file;
    private readonly bool _hasLabels;
    private readonly List<long> _offsets = [];
    private readonly List<long> _lengths = [];
    private readonly List<string> _labels = [];
    private string? _key;
    private string? _label;
    private long _start;
    private long _end;

    private TarSamples(SourceFile file, bool hasLabels) => (_file, _hasLabels) = (file, hasLabels);

    /// <summary>Reads the samples of one tar.</summary>
    /// <param name="file">The tar.</param>
    /// <param name="hasLabels">Whether each sample has a member <c>cls</c> that is its label.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument: it is no whole tar, or a label is missing.</exception>
    public static async ValueTask<(long[] Offsets, long[] Lengths, string[]? Labels)> ReadAsync(
        SourceFile file, bool hasLabels, CancellationToken cancellationToken)
    {
        TarSamples samples = new(file, hasLabels);
        await samples.RunAsync(cancellationToken).ConfigureAwait(false);
        return ([.. samples._offsets], [.. samples._lengths], hasLabels ? [.. samples._labels] : null);
    }

    private async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        long offset = 0;
        string? longName = null;
        long? longSize = null;
        long memberStart = 0;
        while (true)
        {
            ReadOnlyMemory<byte> header = await _file.PeekAsync(offset, Block, cancellationToken).ConfigureAwait(false);
            if (header.Length < Block)
            {
                throw _file.Bad(offset, "the tar ends without its end mark", Remedy);
            }

            if (!header.Span[..Block].ContainsAnyExcept((byte)0))
            {
                Close();
                return;
            }

            TarHeader member = Parse(header.Span, offset);
            long size = longSize is { } known && member.IsMember ? known : member.Size;
            long data = offset + Block;
            long next = data + ((size + Block - 1) / Block * Block);
            if (next > _file.SizeBytes || next < data)
            {
                throw _file.Bad(offset, $"a member of {size} bytes reaches past the end of the tar", Remedy);
            }

            switch (member.Type)
            {
                case 'L':
                    longName = await ReadTextAsync(data, size, cancellationToken).ConfigureAwait(false);
                    break;
                case 'x':
                    byte[] pax = await ReadBytesAsync(data, size, cancellationToken).ConfigureAwait(false);
                    longName = ReadPax(pax, "path", offset) ?? longName;
                    longSize = ReadPaxSize(pax, offset) ?? longSize;
                    break;
                case 'g' or 'K':
                    break;
                default:
                    if (member.IsMember)
                    {
                        await AddAsync(longName ?? member.Name, memberStart, data, size, next, cancellationToken)
                            .ConfigureAwait(false);
                    }

                    (longName, longSize, memberStart) = (null, null, next);
                    break;
            }

            offset = next;
        }
    }

    private async ValueTask AddAsync(
        string name, long start, long data, long size, long end, CancellationToken cancellationToken)
    {
        int last = name.LastIndexOf('/') + 1;
        int dot = name.IndexOf('.', last);
        if (dot <= last)
        {
            return;
        }

        string key = name[..dot];
        if (key != _key)
        {
            Close();
            (_key, _start, _label) = (key, start, null);
        }

        _end = end;
        if (_hasLabels && name.AsSpan(dot).SequenceEqual(".cls"))
        {
            if (size > MaxLabelBytes)
            {
                throw _file.Bad(
                    data, $"the label of '{key}' has {size} bytes", $"A label has {MaxLabelBytes} at most.");
            }

            _label = (await ReadTextAsync(data, size, cancellationToken).ConfigureAwait(false)).Trim();
        }
    }

    private void Close()
    {
        if (_key is null)
        {
            return;
        }

        if (_hasLabels)
        {
            _labels.Add(_label is { Length: > 0 } ? _label : throw _file.Bad(
                _start, $"sample '{_key}' has no label",
                "Add a member '.cls' to it, or make the dataset without labels."));
        }

        _offsets.Add(_start);
        _lengths.Add(_end - _start);
        _key = null;
    }

    private async ValueTask<string> ReadTextAsync(long offset, long size, CancellationToken cancellationToken) =>
        Encoding.UTF8.GetString(await ReadBytesAsync(offset, size, cancellationToken).ConfigureAwait(false))
            .TrimEnd('\0');

    private async ValueTask<byte[]> ReadBytesAsync(long offset, long size, CancellationToken cancellationToken)
    {
        if (size > MaxNameBytes)
        {
            throw _file.Bad(offset, $"a name or label of {size} bytes", $"The tar may have {MaxNameBytes} at most.");
        }

        byte[] bytes = new byte[size];
        await _file.ReadAsync(offset, bytes, cancellationToken).ConfigureAwait(false);
        return bytes;
    }

    private TarHeader Parse(ReadOnlySpan<byte> header, long offset)
    {
        long sum = 0;
        for (int i = 0; i < Block; i++)
        {
            sum += i is >= 148 and < 156 ? ' ' : header[i];
        }

        if (ReadNumber(header.Slice(148, 8)) != sum)
        {
            bool isPacked = offset == 0 && header[0] == 0x1F && header[1] == 0x8B;
            throw _file.Bad(
                offset, isPacked ? "it is compressed" : "there is no header of a member where one has to be",
                isPacked ? "Samples can be found in plain tars only: decompress it." : Remedy);
        }

        long size = ReadNumber(header.Slice(124, 12));
        string name = ReadText(header[..100]);
        bool hasPrefix = header.Slice(257, 6).SequenceEqual("ustar\0"u8);
        string prefix = hasPrefix ? ReadText(header.Slice(345, 155)) : string.Empty;
        char type = (char)header[156];
        return size >= 0
            ? new TarHeader(prefix.Length > 0 ? $"{prefix}/{name}" : name, type, type is >= '1' and <= '6' ? 0 : size)
            : throw _file.Bad(offset, "a member has no length", Remedy);
    }

    private long? ReadPaxSize(byte[] records, long offset) =>
        ReadPax(records, "size", offset) is not { } text ? null
        : long.TryParse(text, CultureInfo.InvariantCulture, out long size) && size >= 0 ? size
        : throw _file.Bad(offset, $"a pax record names the length '{text}'", Remedy);

    private string? ReadPax(byte[] bytes, string key, long offset)
    {
        // Each record is "LENGTH KEY=VALUE\n", its length in bytes with all of it; keys and sizes are ASCII.
        string? found = null;
        for (int at = 0; at < bytes.Length;)
        {
            int space = bytes.AsSpan(at).IndexOf((byte)' ');
            if (space <= 0 || !int.TryParse(bytes.AsSpan(at, space), CultureInfo.InvariantCulture, out int length)
                || length <= space + 1 || at + length > bytes.Length)
            {
                throw _file.Bad(offset, "a pax record is malformed", Remedy);
            }

            string record = Encoding.UTF8.GetString(bytes.AsSpan(at + space + 1, length - space - 2));
            found = record.StartsWith(key + "=", StringComparison.Ordinal) ? record[(key.Length + 1)..] : found;
            at += length;
        }

        return found;
    }

    private static string ReadText(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    /// <summary>Octal digits, or GNU's base 256; −1 for neither.</summary>
    private static long ReadNumber(ReadOnlySpan<byte> field)
    {
        long number = 0;
        if ((field[0] & 0x80) != 0)
        {
            for (int i = field.Length - 8; i < field.Length; i++)
            {
                number = (number << 8) | field[i];
            }

            return number;
        }

        bool isEmpty = true;
        foreach (byte digit in field)
        {
            if (digit is >= (byte)'0' and <= (byte)'7')
            {
                number = (number << 3) | (long)(digit - '0');
                isEmpty = false;
            }
            else if (digit != ' ' || !isEmpty)
            {
                break;
            }
        }

        return isEmpty ? -1 : number;
    }

    private readonly record struct TarHeader(string Name, char Type, long Size)
    {
        public bool IsMember => Type is '0' or '\0' or '7';
    }
}
