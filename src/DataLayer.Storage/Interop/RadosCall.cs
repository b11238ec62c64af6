using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Interop;

/// <summary>
/// One asynchronous operation on an object: started, then done when its completion says so. No thread waits for it; who
/// awaits it goes on on the thread pool, never on a thread of the library.
/// </summary>
internal sealed class RadosCall : IDisposable
{
    private readonly TaskCompletionSource<int> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly RadosCompletionHandle _completion;
    private readonly RadosPoolHandle _pool;
    private readonly bool _holdsPool;
    private GCHandle _self;

    private RadosCall(RadosPoolHandle pool)
    {
        _pool = pool;
        pool.DangerousAddRef(ref _holdsPool);
        _self = GCHandle.Alloc(this);
        if (Make(GCHandle.ToIntPtr(_self), out _completion) < 0)
        {
            _self.Free();
            pool.DangerousRelease();
            throw new DataLayerException(ErrorCode.Overloaded, "librados made no completion: memory is short.");
        }
    }

    /// <summary>Carries out a write; its result.</summary>
    internal static async Task<int> WriteAsync(RadosPoolHandle pool, string name, RadosWrite write)
    {
        using RadosCall call = new(pool);
        return await call.EndAsync(
            Librados.AioWrite(write.Handle, pool, call._completion, name, 0, Librados.NoFlags)).ConfigureAwait(false);
    }

    /// <summary>Carries out a read; its result. Cancelled, it ends soon with ECANCELED, its buffers free.</summary>
    internal static async Task<int> ReadAsync(
        RadosPoolHandle pool, string name, RadosRead read, CancellationToken cancellationToken)
    {
        using RadosCall call = new(pool);
        int started = Librados.AioRead(read.Handle, pool, call._completion, name, Librados.NoFlags);
        CancellationTokenRegistration cancelled = started < 0 ? default : cancellationToken.UnsafeRegister(
            static call => ((RadosCall)call!).Cancel(), call);
        await using (cancelled.ConfigureAwait(false))
        {
            return await call.EndAsync(started).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        _completion.Dispose();
        if (_holdsPool)
        {
            _pool.DangerousRelease();
        }
    }

    private Task<int> EndAsync(int started)
    {
        if (started >= 0)
        {
            return _done.Task;
        }

        _self.Free(); // Nothing was started: the completion never comes.
        return Task.FromResult(started);
    }

    private static unsafe int Make(nint self, out RadosCompletionHandle completion) =>
        Librados.CreateCompletion(self, &Complete, out completion);

    private void Cancel() => _ = Librados.AioCancel(_pool, _completion);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Complete(nint completion, nint argument)
    {
        GCHandle handle = GCHandle.FromIntPtr(argument);
        RadosCall call = (RadosCall)handle.Target!;
        handle.Free();
        call._done.TrySetResult(Librados.GetResult(completion));
    }
}
