using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Commit;

/// <summary>
/// Numbers taken from a counter in blocks, so that giving one out costs no statement. What a crash or a rollback
/// leaves of a block is never given out, which keeps numbers unique for good. Used by the writer only.
/// </summary>
internal sealed class NumberRange(string counter, int blockLength)
{
    private long _next;
    private long _end;
    private bool _reservedSinceMark;

    /// <summary>The next number.</summary>
    public long Take(TreeTables tables)
    {
        if (_next == _end)
        {
            _next = tables.Reserve(counter, blockLength);
            _end = _next + blockLength;
            _reservedSinceMark = true;
        }

        return _next++;
    }

    /// <summary>Starts a stretch that <see cref="Rollback"/> may undo.</summary>
    public void Mark() => _reservedSinceMark = false;

    /// <summary>Forgets the block if its reservation was undone.</summary>
    public void Rollback(bool wholeTransaction)
    {
        if (_reservedSinceMark || wholeTransaction)
        {
            _next = _end = 0;
        }
    }
}
