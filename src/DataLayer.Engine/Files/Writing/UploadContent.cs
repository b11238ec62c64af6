using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Objects;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// A content as an upload reads it: from the hot tier, where it is not hot (after a rename) from its old object. Stale
/// once it was written to.
/// </summary>
internal sealed class UploadContent(EngineContext context, FetchRunner runner, ContentState content) : IObjectContent
{
    private readonly long _epoch = content.WriteEpoch;

    public long LengthBytes { get; } = content.SizeBytes;

    public async ValueTask ReadExactlyAsync(
        long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken)
    {
        int done = 0;
        while (done < destination.Length)
        {
            long position = offsetBytes + done;
            uint block = BlockLayout.BlockIndex(position);
            bool hot = content.IsResident(block);
            long end = position;
            while (end < offsetBytes + destination.Length && content.IsResident(BlockLayout.BlockIndex(end)) == hot)
            {
                end = BlockLayout.BlockOffset(BlockLayout.BlockIndex(end) + 1);
            }

            Memory<byte> part = destination.Slice(done, (int)Math.Min(end - position, destination.Length - done));
            if (hot && content.Content.Placement is { } placement)
            {
                await context.Hot.ReadAsync(content.Id, placement, LengthBytes, position, part, cancellationToken)
                    .ConfigureAwait(false);
            }
            else
            {
                await runner.ReadObjectAsync(
                    content, position, part, isBackground: true, cancellationToken).ConfigureAwait(false);
            }

            done += part.Length;
        }

        if (content.WriteEpoch != _epoch)
        {
            throw new DataLayerException(
                ErrorCode.Stale, $"Content {content.Id} was written to while it was uploaded.");
        }
    }

    /// <summary>
    /// Whether an object of the store holds exactly these bytes: our own upload whose answer was lost. With
    /// <paramref name="packOffsetBytes"/> it is a pack, and holds them there.
    /// </summary>
    public async ValueTask<bool> EqualsObjectAsync(
        IObjectStore store, ObjectProperties found, CancellationToken cancellationToken, long packOffsetBytes = 0)
    {
        if (packOffsetBytes == 0 && found.SizeBytes != LengthBytes)
        {
            return false;
        }

        TransferBuffer ours = context.Buffers.Rent(BlockLayout.BlockBytes);
        TransferBuffer theirs = context.Buffers.Rent(BlockLayout.BlockBytes);
        try
        {
            for (long offset = 0; offset < LengthBytes; offset += BlockLayout.BlockBytes)
            {
                int length = (int)Math.Min(BlockLayout.BlockBytes, LengthBytes - offset);
                await ReadExactlyAsync(offset, ours.Memory[..length], cancellationToken).ConfigureAwait(false);
                ObjectReadResult read = await store.ReadAsync(
                    found.Key, packOffsetBytes + offset, theirs.Memory[..length], found.ETag, cancellationToken)
                    .ConfigureAwait(false);
                if (read.BytesRead != length || !ours.GetSpan()[..length].SequenceEqual(theirs.GetSpan()[..length]))
                {
                    return false;
                }
            }

            return true;
        }
        finally
        {
            context.Buffers.Return(ours);
            context.Buffers.Return(theirs);
        }
    }
}
