using Microsoft.Win32.SafeHandles;

namespace DataLayer.Client.Feeds.Cuda.Interop;

/// <summary>
/// The primary context of a device, retained: the one that the CUDA runtime and PyTorch use too, so memory is shared
/// with them. Released when the last object made in it is gone.
/// </summary>
internal sealed unsafe class CudaContext : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly int _device;

    private CudaContext(CudaFunctions functions, int device)
        : base(ownsHandle: true) => (Functions, _device) = (functions, device);

    /// <summary>The driver.</summary>
    public CudaFunctions Functions { get; }

    /// <summary>Retains the primary context of a device.</summary>
    public static CudaContext Retain(CudaFunctions functions, int device)
    {
        CudaContext context = new(functions, device);
        nint value = 0;
        CudaFault.Check(functions, functions.PrimaryContextRetain(&value, device), "cuDevicePrimaryCtxRetain");
        context.SetHandle(value);
        return context;
    }

    /// <summary>Makes it current on this thread for a scope.</summary>
    public Scope Enter()
    {
        CudaFault.Check(Functions, Functions.ContextPush(handle), "cuCtxPushCurrent");
        return new Scope(Functions);
    }

    /// <summary>Makes it current on this thread for good: of threads that belong to the device.</summary>
    public void SetCurrent() =>
        CudaFault.Check(Functions, Functions.ContextSetCurrent(handle), "cuCtxSetCurrent");

    /// <summary>Releases what an object of this context holds; its failure is the caller's to judge.</summary>
    internal bool ReleaseWithin(delegate* unmanaged[Cdecl]<nint, CudaResult> release, nint target)
    {
        // At the end of a process the driver may be gone before the last finalizer.
        CudaResult entered = Functions.ContextPush(handle);
        if (entered != CudaResult.Success)
        {
            return entered == CudaResult.Deinitialized;
        }

        CudaResult result = release(target);
        nint popped;
        _ = Functions.ContextPop(&popped);
        return result is CudaResult.Success or CudaResult.Deinitialized;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() =>
        Functions.PrimaryContextRelease(_device) is CudaResult.Success or CudaResult.Deinitialized;

    /// <summary>A stretch of code in which a context is current.</summary>
    internal readonly ref struct Scope(CudaFunctions functions)
    {
        /// <summary>Makes the context current that was so before.</summary>
        public void Dispose()
        {
            nint popped;
            _ = functions.ContextPop(&popped);
        }
    }
}

/// <summary>Something made in a context, which stays until it is released.</summary>
internal abstract class CudaHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly CudaContext _context;
    private readonly bool _contextHeld;

    private protected CudaHandle(CudaContext context)
        : base(ownsHandle: true)
    {
        _context = context;
        context.DangerousAddRef(ref _contextHeld);
    }

    /// <summary>The driver's own value, for calls within a reference held.</summary>
    internal nint Value => handle;

    /// <summary>The context.</summary>
    protected CudaContext Context => _context;

    /// <summary>Enters the context to make the object; where that fails the handle is closed.</summary>
    private protected CudaContext.Scope EnterOrLetGo()
    {
        try
        {
            return _context.Enter();
        }
        catch
        {
            SetHandleAsInvalid();
            LetContextGo();
            throw;
        }
    }

    /// <summary>Takes the driver's value; without one the handle is closed and lets its context go.</summary>
    private protected void Own(nint value, CudaResult result, string call)
    {
        SetHandle(value);
        if (result == CudaResult.Success)
        {
            return;
        }

        SetHandleAsInvalid();
        LetContextGo();
        throw CudaFault.Make(_context.Functions, result, call);
    }

    /// <summary>Calls what releases the object.</summary>
    private protected abstract bool ReleaseObject();

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        bool released = ReleaseObject();
        LetContextGo();
        return released;
    }

    private void LetContextGo()
    {
        if (_contextHeld)
        {
            _context.DangerousRelease();
        }
    }
}

/// <summary>A stream.</summary>
internal sealed unsafe class CudaStream : CudaHandle
{
    /// <summary>Makes a stream that waits for no other.</summary>
    public CudaStream(CudaContext context)
        : base(context)
    {
        using CudaContext.Scope scope = EnterOrLetGo();
        nint value = 0;
        CudaResult result = context.Functions.StreamCreate(&value, CudaFunctions.StreamNonBlocking);
        Own(value, result, "cuStreamCreate");
    }

    private protected override bool ReleaseObject() =>
        Context.ReleaseWithin(Context.Functions.StreamDestroy, handle);
}

/// <summary>An event: what stood before it in its stream has ended.</summary>
internal sealed unsafe class CudaEvent : CudaHandle
{
    /// <summary>Makes an event that whoever waits for it sleeps at.</summary>
    public CudaEvent(CudaContext context)
        : base(context)
    {
        using CudaContext.Scope scope = EnterOrLetGo();
        nint value = 0;
        CudaResult result = context.Functions.EventCreate(&value, CudaFunctions.EventBlockingNoTiming);
        Own(value, result, "cuEventCreate");
    }

    private protected override bool ReleaseObject() =>
        Context.ReleaseWithin(Context.Functions.EventDestroy, handle);
}

/// <summary>Host memory that is page-locked. The memory stays mapped until this is released.</summary>
internal sealed unsafe class CudaHostRegistration : CudaHandle
{
    /// <summary>Locks memory of this process for all contexts.</summary>
    public CudaHostRegistration(CudaContext context, nint address, long lengthBytes)
        : base(context)
    {
        using CudaContext.Scope scope = EnterOrLetGo();
        CudaResult result = context.Functions.HostRegister(
            address, (nuint)lengthBytes, CudaFunctions.HostRegisterPortable);
        Own(address, result, "cuMemHostRegister");
    }

    private protected override bool ReleaseObject() =>
        Context.ReleaseWithin(Context.Functions.HostUnregister, handle);
}

/// <summary>Memory of a device.</summary>
internal sealed unsafe class CudaAllocation : CudaHandle
{
    /// <summary>Allocates.</summary>
    public CudaAllocation(CudaContext context, long lengthBytes)
        : base(context)
    {
        using CudaContext.Scope scope = EnterOrLetGo();
        ulong value = 0;
        CudaResult result = context.Functions.Allocate(&value, (nuint)lengthBytes);
        Own((nint)value, result, "cuMemAlloc");
    }

    private protected override bool ReleaseObject() => Context.ReleaseWithin(
        (delegate* unmanaged[Cdecl]<nint, CudaResult>)Context.Functions.Free, handle);
}
