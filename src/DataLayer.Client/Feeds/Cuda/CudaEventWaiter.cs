using System.Collections.Concurrent;
using DataLayer.Client.Feeds.Cuda.Interop;

namespace DataLayer.Client.Feeds.Cuda;

/// <summary>
/// Waits for events of one stream, in their order, on a thread of its own, and completes what waits for each: the
/// driver's wait blocks its thread, and no pool thread may be blocked.
/// </summary>
/// <remarks>Life: made, waits; once stopped, waits for what is left and ends.</remarks>
internal sealed unsafe class CudaEventWaiter
{
    private readonly CudaContext _context;
    private readonly BlockingCollection<(CudaEvent Event, TaskCompletionSource<CudaResult> Done)> _pending = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CudaEventWaiter(CudaContext context, string name)
    {
        _context = context;
        Thread thread = new(Run) { IsBackground = true, Name = name };
        thread.Start();
    }

    /// <summary>Waits for an event that was recorded. The event is the caller's again when the task ends.</summary>
    public Task<CudaResult> WaitAsync(CudaEvent recorded)
    {
        TaskCompletionSource<CudaResult> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _pending.Add((recorded, done));
        return done.Task;
    }

    /// <summary>Takes no more, and ends when all that was taken has ended.</summary>
    public Task StopAsync()
    {
        _pending.CompleteAdding();
        return _ended.Task;
    }

    private void Run()
    {
        try
        {
            CudaResult current = _context.Functions.ContextSetCurrent(_context.DangerousGetHandle());
            foreach ((CudaEvent recorded, TaskCompletionSource<CudaResult> done) in _pending.GetConsumingEnumerable())
            {
                done.SetResult(current != CudaResult.Success
                    ? current
                    : _context.Functions.EventSynchronize(recorded.Value));
            }
        }
        finally
        {
            _pending.Dispose();
            _ended.SetResult();
        }
    }
}
