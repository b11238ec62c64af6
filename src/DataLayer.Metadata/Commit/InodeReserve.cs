using DataLayer.Core.Identity;

namespace DataLayer.Metadata.Commit;

/// <summary>
/// Inode numbers whose reservation is committed, for new contents that need an identity before any row: taking one
/// costs no commit. Numbers left at the end of the process are never used.
/// </summary>
internal sealed class InodeReserve(GroupCommitter committer)
{
    private const int BlockLength = 1024;

    private readonly Lock _gate = new();
    private long _next;
    private long _end;

    /// <summary>A number nobody else has.</summary>
    public async ValueTask<InodeId> TakeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            lock (_gate)
            {
                if (_next < _end)
                {
                    return new InodeId(_next++);
                }
            }

            long first = await committer.RunAsync(static w => w.Tables.Reserve("inode", BlockLength), cancellationToken)
                .ConfigureAwait(false);
            lock (_gate)
            {
                // A block that another caller brought meanwhile is given up; numbers are plenty.
                _next = first;
                _end = first + BlockLength;
            }
        }
    }
}
