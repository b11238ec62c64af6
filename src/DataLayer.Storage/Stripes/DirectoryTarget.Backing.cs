using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <content>Backing files for readers that bypass us.</content>
internal sealed partial class DirectoryTarget
{
    /// <summary>A column's file, read only, if it needs no recovery.</summary>
    /// <exception cref="DataLayerException">NotFound, TargetFailed, Corrupt.</exception>
    internal async ValueTask<SafeFileHandle> OpenBackingAsync(ColumnId column, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            using ColumnFileCache.Lease lease = _columns.Rent(column, create: false);
            return lease.File.OpenForReading();
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }
}
