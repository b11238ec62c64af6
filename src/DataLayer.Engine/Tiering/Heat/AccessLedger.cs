namespace DataLayer.Engine.Tiering.Heat;

/// <summary>
/// The cells that counted something since they were last taken: a list through the cells themselves, pushed without a
/// lock, taken as a whole.
/// </summary>
/// <param name="limit">At this many cells <see cref="Full"/> is called, a count.</param>
internal sealed class AccessLedger(int limit)
{
    private AccessCell? _head;
    private int _count;

    /// <summary>Called once each time the list becomes as long as the limit: sets a signal and returns.</summary>
    public Action? Full { get; set; }

    /// <summary>Puts a cell on the list that is not on it.</summary>
    public void Push(AccessCell cell)
    {
        AccessCell? head = Volatile.Read(ref _head);
        while (true)
        {
            cell.Next = head;
            AccessCell? seen = Interlocked.CompareExchange(ref _head, cell, head);
            if (ReferenceEquals(seen, head))
            {
                break;
            }

            head = seen;
        }

        if (Interlocked.Increment(ref _count) == limit)
        {
            Full?.Invoke();
        }
    }

    /// <summary>
    /// Takes all cells off the list. Read each one's successor before its counts: then it may be listed again.
    /// </summary>
    public AccessCell? TakeAll()
    {
        Interlocked.Exchange(ref _count, 0);
        return Interlocked.Exchange(ref _head, null);
    }
}
