namespace DataLayer.Engine.Tenants;

/// <summary>
/// A tenant at work: its part of what tenants share, and what it got. One stands for all files of no tenant.
/// </summary>
/// <remarks>Its place in a queue is the <see cref="FairGate"/>'s.</remarks>
/// <param name="options">What is configured.</param>
/// <param name="index">Its lane in gates: 0 for the one for no tenant. Nobody else ever has it.</param>
internal sealed class Tenant(TenantOptions options, int index)
{
    /// <summary>How many times a class counts what the next one counts.</summary>
    public const int ClassStep = 4;

    private volatile TenantOptions _options = options;
    private long _folderInode;
    private long _requests;
    private long _bytes;
    private long _waitNanoseconds;

    /// <summary>What is configured now. Its name never changes.</summary>
    public TenantOptions Options
    {
        get => _options;
        set => _options = value;
    }

    /// <summary>Its name; empty for the one that stands for files of no tenant.</summary>
    public string Name => _options.Name;

    public TenantClass Class => _options.Class;

    /// <summary>Its lane in gates.</summary>
    public int Index => index;

    /// <summary>What its work counts against that of all others: its weight times that of its class.</summary>
    public int Part
    {
        get
        {
            TenantOptions now = _options;
            return now.Weight * now.Class switch
            {
                TenantClass.Production => ClassStep * ClassStep,
                TenantClass.Standard => ClassStep,
                _ => 1,
            };
        }
    }

    /// <summary>The inode of its folder; 0 for none, or before the folder was found.</summary>
    public long FolderInode
    {
        get => Volatile.Read(ref _folderInode);
        set => Volatile.Write(ref _folderInode, value);
    }

    /// <summary>Its transfers from object stores and hot tier, a count.</summary>
    public long Requests => Volatile.Read(ref _requests);

    /// <summary>What they brought, bytes.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    /// <summary>How long they waited for a turn, all together.</summary>
    public TimeSpan Waited => TimeSpan.FromTicks(Volatile.Read(ref _waitNanoseconds) / TimeSpan.NanosecondsPerTick);

    /// <summary>Notes a transfer that got its turn.</summary>
    public void NoteTurn(int bytes, TimeSpan waited)
    {
        Interlocked.Increment(ref _requests);
        Interlocked.Add(ref _bytes, bytes);
        if (waited > TimeSpan.Zero)
        {
            Interlocked.Add(ref _waitNanoseconds, (long)waited.TotalNanoseconds);
        }
    }
}
