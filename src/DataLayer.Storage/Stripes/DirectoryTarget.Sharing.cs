using DataLayer.Core.Errors;
using DataLayer.Core.Identity;

namespace DataLayer.Storage.Stripes;

/// <content>Columns that share their bytes.</content>
internal sealed partial class DirectoryTarget
{
    /// <summary>The first change of a shared file copies it.</summary>
    private void TakeRoomToOwn(ColumnFile file, InodeId inode)
    {
        long bytes = file.GetSharedBytes();
        if (bytes > 0)
        {
            _room.Take(bytes, inode);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> TryShareAsync(
        ColumnId from, ColumnId to, long lengthBytes, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: true, cancellationToken).ConfigureAwait(false);
        try
        {
            if (State != TargetState.Ok)
            {
                return false; // A target that is to be emptied gets nothing new.
            }

            if (_columns.TryRentOpen(to, out ColumnFileCache.Lease replaced))
            {
                using (replaced)
                {
                    replaced.File.Delete();
                    _columns.Forget(replaced);
                }
            }

            // The side file is all that takes room.
            _room.Take(
                (2 * SideBook.PageBytes) + (lengthBytes / ChunkEntry.ChunkBytes * ChunkEntry.EntryBytes),
                to.Content.Inode);
            string folder = _columns.FolderOf(to);
            MakeFolder(folder);
            _columns.ForgetLoss(to);
            using ColumnFileCache.Lease lease = _columns.Rent(from, create: false);
            return lease.File.TryShare(to, Path.Combine(folder, to.FileName), lengthBytes);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: true);
        }
        finally
        {
            Leave();
        }
    }
}
