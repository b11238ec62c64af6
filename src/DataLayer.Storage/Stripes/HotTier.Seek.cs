using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes;

/// <content>Where data and holes are.</content>
public sealed partial class HotTier
{
    /// <summary>
    /// The first byte from an offset on that is data, or a hole, of a content that is resident as a whole. What cannot
    /// be told, because its target is gone or damaged, counts as data.
    /// </summary>
    /// <param name="content">The content.</param>
    /// <param name="placement">Where it lies.</param>
    /// <param name="offsetBytes">Where to begin.</param>
    /// <param name="sizeBytes">The content's size, bytes.</param>
    /// <param name="hole">Look for a hole.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The offset found; <paramref name="sizeBytes"/> where there is none before.</returns>
    public async ValueTask<long> SeekAsync(
        ContentId content, StripedPlacement placement, long offsetBytes, long sizeBytes, bool hole,
            CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        long found = sizeBytes;
        for (int column = 0; column < placement.Width; column++)
        {
            long start = placement.ColumnLength(column, offsetBytes);
            long end = placement.ColumnLength(column, found);
            if (start < end)
            {
                long at = await SeekColumnAsync(content, placement, column, start, end, hole, cancellationToken)
                    .ConfigureAwait(false);
                found = at < end ? Math.Min(found, ColumnRange.ToFileOffset(placement, column, at)) : found;
            }
        }

        return found;
    }

    private async ValueTask<long> SeekColumnAsync(
        ContentId content, StripedPlacement placement, int column, long start, long end, bool hole,
            CancellationToken cancellationToken)
    {
        ColumnId id = new(content, column, ChooseCopy(placement, column));
        ITarget target = _targets.Get(placement.TargetOf(column, id.Copy));
        for (int tries = 0; tries < 2; tries++)
        {
            try
            {
                return placement.KeyId == 0
                    ? await target.SeekAsync(id, start, end, hole, cancellationToken).ConfigureAwait(false)
                    : await SeekSealedAsync(target, id, start, end, hole, cancellationToken).ConfigureAwait(false);
            }
            catch (UncleanColumnException)
            {
                await RecoverAsync(content, placement, column, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException)
            {
                break;
            }
        }

        return hole ? end : start;
    }
}
