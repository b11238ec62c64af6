using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <content>Backing files for readers that bypass us.</content>
public sealed partial class HotTier
{
    /// <summary>
    /// Opens the backing file of a content of width 1, read only, for a reader that bypasses checksums; null where
    /// there is no such file, it is encrypted, or it cannot be used just now. The caller disposes it.
    /// </summary>
    /// <remarks>
    /// The file stays readable through the handle when the hot copy goes: it is unlinked, never cut. Writes in place
    /// reach it; after a move or a release they go elsewhere.
    /// </remarks>
    public async ValueTask<SafeFileHandle?> TryOpenBackingAsync(
        ContentId content, Placement placement, CancellationToken cancellationToken)
    {
        if (placement is not StripedPlacement { Width: 1, KeyId: 0 } striped)
        {
            return null;
        }

        for (int copy = 0; copy < striped.CopyCount; copy++)
        {
            try
            {
                if (_targets.Get(striped.TargetOf(0, copy)) is DirectoryTarget { State: TargetState.Ok } target)
                {
                    return await target.OpenBackingAsync(new ColumnId(content, 0, copy), cancellationToken)
                        .ConfigureAwait(false);
                }
            }
            catch (DataLayerException)
            {
                // This copy is gone or not clean: the next one, or the checked way.
            }
        }

        return null;
    }
}
