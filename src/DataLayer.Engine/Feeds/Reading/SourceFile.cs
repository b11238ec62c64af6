using DataLayer.Core.Errors;
using DataLayer.Engine.Files;

namespace DataLayer.Engine.Feeds.Reading;

/// <summary>A file that an index is built from: positional reads through one buffer, and errors that name it.</summary>
/// <param name="file">The open file; the caller's to close.</param>
/// <param name="path">Its path in the tree.</param>
internal sealed class SourceFile(OpenFile file, string path)
{
    private const int BufferBytes = 256 << 10;
    private const int SmallBytes = 2048;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private long _start;
    private int _length;

    public string Path => path;

    public long SizeBytes { get; } = file.Attributes.SizeBytes;

    /// <summary>
    /// At least <paramref name="count"/> bytes at an offset, more where they are in the buffer; fewer only at the end.
    /// Good until the next call.
    /// </summary>
    public async ValueTask<ReadOnlyMemory<byte>> PeekAsync(long offset, int count, CancellationToken cancellationToken)
    {
        if (offset < _start || offset + count > _start + _length)
        {
            // What lies far off is looked at alone: whoever jumps from header to header does not want what is between.
            bool isNear = offset >= _start && offset <= _start + _length + BufferBytes;
            int wanted = Math.Max(count, isNear || offset == 0 ? BufferBytes : SmallBytes);
            await FillAsync(offset, wanted, cancellationToken).ConfigureAwait(false);
        }

        return _buffer.AsMemory((int)(offset - _start), (int)(_start + _length - offset));
    }

    /// <summary>Fills a buffer from an offset.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: the file ends before.</exception>
    public async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        for (int done = 0; done < destination.Length;)
        {
            int count = await file.ReadAsync(offset + done, destination[done..], cancellationToken)
                .ConfigureAwait(false);
            done += count > 0 ? count : throw Bad(offset + done, "the file ends here", "Is it whole? Copy it again.");
        }
    }

    /// <summary>What is wrong at an offset, and what to do.</summary>
    public DataLayerException Bad(long offset, string fault, string remedy) => new(
        ErrorCode.InvalidArgument, $"'{path}', byte {offset}: {fault}. {remedy}");

    private async ValueTask FillAsync(long offset, int wanted, CancellationToken cancellationToken)
    {
        wanted = Math.Min(wanted, BufferBytes);
        (_start, _length) = (offset, 0);
        while (_length < wanted)
        {
            int count = await file.ReadAsync(
                offset + _length, _buffer.AsMemory(_length, wanted - _length), cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                return;
            }

            _length += count;
        }
    }
}
