namespace DataLayer.Engine.Tenants;

/// <summary>
/// A tenant at work: its part of what tenants share, and what it got. One stands for all files of no tenant.
/// </summary>
/// <remarks>Its place in a queue is the <see cref="FairGate"/>'s.</remarks>
internal sealed class Tenant(string name, string folder, TenantClass tenantClass, int weight, int index)
{
    /// <summary>How many times a class counts what the next one counts.</summary>
    public const int ClassStep = 4;

    private long _requests;
    private long _bytes;
    private long _waitNanoseconds;

    /// <summary>Its name; empty for the one that stands for files of no tenant.</summary>
    public string Name => name;

    /// <summary>The path of its folder.</summary>
    public string Folder => folder;

    public TenantClass Class => tenantClass;

    /// <summary>Its weight within its class.</summary>
    public int Weight => weight;

    /// <summary>Its place in the list of tenants: the one for no tenant is 0.</summary>
    public int Index => index;

    /// <summary>What its work counts against that of all others: its weight times that of its class.</summary>
    public int Part => weight * tenantClass switch
    {
        TenantClass.Production => ClassStep * ClassStep,
        TenantClass.Standard => ClassStep,
        _ => 1,
    };

    /// <summary>The inode of its folder; 0 for none. Set once, before anything is read.</summary>
    public long FolderInode { get; set; }

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
