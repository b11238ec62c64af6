using DataLayer.Engine.Files;

namespace DataLayer.Fuse.Vfs;

/// <summary>
/// An open file of the engine that all handles of an inode use. Closed when it was retired and its last use ended.
/// </summary>
internal sealed class SharedFile(OpenFile file, bool isWritable)
{
    private int _users = 1; // The table's own.
    private int _retired;

    internal OpenFile File { get; } = file;

    internal bool IsWritable { get; } = isWritable;

    /// <summary>Which content it reads.</summary>
    internal uint Generation { get; } = file.Attributes.Generation;

    /// <summary>Takes a use; false once it is closed.</summary>
    internal bool TryUse()
    {
        int users = Volatile.Read(ref _users);
        while (users > 0)
        {
            int seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return true;
            }

            users = seen;
        }

        return false;
    }

    /// <summary>Ends a use.</summary>
    internal ValueTask ReleaseAsync() =>
        Interlocked.Decrement(ref _users) == 0 ? File.DisposeAsync() : ValueTask.CompletedTask;

    /// <summary>Takes it out of the table: no new use is meant to begin.</summary>
    internal ValueTask RetireAsync() =>
        Interlocked.Exchange(ref _retired, 1) == 0 ? ReleaseAsync() : ValueTask.CompletedTask;
}
