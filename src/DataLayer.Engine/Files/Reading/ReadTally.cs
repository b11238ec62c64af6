namespace DataLayer.Engine.Files.Reading;

/// <summary>Counts where the bytes of several reads came from. Any thread.</summary>
internal sealed class ReadTally
{
    private long _memoryBytes;
    private long _hotBytes;
    private long _originBytes;

    public long MemoryBytes => Volatile.Read(ref _memoryBytes);

    public long HotBytes => Volatile.Read(ref _hotBytes);

    public long OriginBytes => Volatile.Read(ref _originBytes);

    /// <summary>Adds what one read brought.</summary>
    public void Add(long memoryBytes, long hotBytes, long originBytes)
    {
        Interlocked.Add(ref _memoryBytes, memoryBytes);
        if (hotBytes + originBytes != 0)
        {
            Interlocked.Add(ref _hotBytes, hotBytes);
            Interlocked.Add(ref _originBytes, originBytes);
        }
    }

    /// <summary>Begins anew; nobody adds.</summary>
    public void Clear() => _memoryBytes = _hotBytes = _originBytes = 0;
}
