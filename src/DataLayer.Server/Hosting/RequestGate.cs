namespace DataLayer.Server.Hosting;

/// <summary>
/// Bounds the requests in flight and counts all. A refused request costs nothing but its answer, so a flood cannot
/// take the memory
/// of the ones being served.
/// </summary>
internal sealed class RequestGate(int maxRequests)
{
    private long _requests;
    private long _refused;
    private long _serverErrors;
    private int _active;

    /// <summary>Requests since start.</summary>
    public long Requests => Interlocked.Read(ref _requests);

    /// <summary>Requests refused.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>Answers with a status of 500 and above.</summary>
    public long ServerErrors => Interlocked.Read(ref _serverErrors);

    /// <summary>Requests in flight.</summary>
    public int Active => Volatile.Read(ref _active);

    /// <summary>The bound.</summary>
    public int MaxRequests => maxRequests;

    /// <summary>Takes a place; false if none is free. Give it back with <see cref="Leave"/>.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _active) > maxRequests)
        {
            Interlocked.Decrement(ref _active);
            Interlocked.Increment(ref _refused);
            return false;
        }

        return true;
    }

    /// <summary>Gives a place back.</summary>
    public void Leave(int status)
    {
        Interlocked.Decrement(ref _active);
        Interlocked.Increment(ref _requests);
        if (status >= StatusCodes.Status500InternalServerError)
        {
            Interlocked.Increment(ref _serverErrors);
        }
    }
}
