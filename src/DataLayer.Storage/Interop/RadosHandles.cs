using System.Runtime.InteropServices;

namespace DataLayer.Storage.Interop;

/// <summary>A <c>rados_t</c>: one client of a cluster. Closed after the pools that were opened with it.</summary>
internal sealed class RadosClusterHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Librados.Shutdown(handle);
        return true;
    }
}

/// <summary>A <c>rados_ioctx_t</c>: a pool and a namespace. Holds its cluster.</summary>
internal sealed class RadosPoolHandle() : SafeHandle(0, ownsHandle: true)
{
    private RadosClusterHandle? _cluster;

    public override bool IsInvalid => handle == 0;

    /// <summary>Keeps the cluster until this is closed.</summary>
    internal void Hold(RadosClusterHandle cluster)
    {
        bool isHeld = false;
        cluster.DangerousAddRef(ref isHeld);
        _cluster = cluster;
    }

    protected override bool ReleaseHandle()
    {
        Librados.ClosePool(handle);
        _cluster?.DangerousRelease();
        return true;
    }
}

/// <summary>A <c>rados_completion_t</c>: one asynchronous operation.</summary>
internal sealed class RadosCompletionHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Librados.ReleaseCompletion(handle);
        return true;
    }
}

/// <summary>A <c>rados_write_op_t</c>: changes of one object that happen together or not at all.</summary>
internal sealed class RadosWriteHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Librados.ReleaseWrite(handle);
        return true;
    }
}

/// <summary>A <c>rados_read_op_t</c>: reads of one object at one moment.</summary>
internal sealed class RadosReadHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Librados.ReleaseRead(handle);
        return true;
    }
}

/// <summary>A <c>rados_list_ctx_t</c>: a walk over the objects of a namespace.</summary>
internal sealed class RadosListingHandle() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Librados.CloseListing(handle);
        return true;
    }
}
