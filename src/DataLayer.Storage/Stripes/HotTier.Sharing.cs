using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes;

/// <content>Contents that share their bytes.</content>
public sealed partial class HotTier
{
    /// <summary>
    /// Gives a content the bytes of another without copying them, on the same targets, durable: its columns are further
    /// names of the other's backing files. From then on they are two contents: a change of one copies its columns
    /// first. Deleting one leaves the other.
    /// </summary>
    /// <remarks>Nobody may write the first meanwhile, and nobody knows the second.</remarks>
    /// <param name="from">The content that has the bytes.</param>
    /// <param name="placement">Where it lies, and the other will.</param>
    /// <param name="contentSizeBytes">Its size, bytes.</param>
    /// <param name="to">The content that gets them.</param>
    /// <param name="cancellationToken">Gives up between columns.</param>
    /// <returns>
    /// False where it is encrypted (its pages are bound to their content) or a target cannot (it drains, its file
    /// system has no hard links, a file has as many names as it can):
    /// nothing is left of it then, and the bytes are to be copied.
    /// </returns>
    /// <exception cref="DataLayerException">NotFound, Corrupt, TargetFailed, NoSpace. Delete the second.</exception>
    public async ValueTask<bool> TryShareAsync(
        ContentId from, StripedPlacement placement, long contentSizeBytes, ContentId to,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(placement);
        ArgumentOutOfRangeException.ThrowIfNegative(contentSizeBytes);
        ArgumentOutOfRangeException.ThrowIfEqual(to, from);
        if (placement.KeyId != 0)
        {
            return false;
        }

        foreach (int number in placement.Targets)
        {
            if (_targets.Get(number).State != TargetState.Ok)
            {
                return false;
            }
        }

        Sharing sharing = new(to, placement, contentSizeBytes);
        await EachColumnAsync(from, placement, static async (target, column, sharing, stop) =>
        {
            long length = sharing.Placement.ColumnLength(column.Column, sharing.SizeBytes);
            if (!await target.TryShareAsync(column, column with { Content = sharing.To }, length, stop)
                .ConfigureAwait(false))
            {
                sharing.IsRefused = true;
            }
        }, sharing, cancellationToken).ConfigureAwait(false);
        if (sharing.IsRefused)
        {
            await DeleteAsync(to, placement, cancellationToken).ConfigureAwait(false);
        }

        return !sharing.IsRefused;
    }

    private sealed class Sharing(ContentId to, StripedPlacement placement, long sizeBytes)
    {
        private volatile bool _isRefused;

        internal ContentId To => to;

        internal StripedPlacement Placement => placement;

        internal long SizeBytes => sizeBytes;

        internal bool IsRefused
        {
            get => _isRefused;
            set => _isRefused = value;
        }
    }
}
