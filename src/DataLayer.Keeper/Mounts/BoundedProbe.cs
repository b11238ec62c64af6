using System.Runtime.InteropServices;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Keeper.Interop;

namespace DataLayer.Keeper.Mounts;

/// <summary>
/// Calls on paths that may lie on a mount whose server is gone: there a <c>stat</c> waits without end and no signal but
/// SIGKILL ends it. Each runs on a thread of its own that is left behind where the time is over.
/// </summary>
public static class BoundedProbe
{
    /// <summary>How long a path may take to answer. A healthy local file system takes microseconds.</summary>
    public static TimeSpan DefaultTimeout { get; } = TimeSpan.FromSeconds(5);

    /// <summary>Runs a blocking call with a deadline.</summary>
    /// <param name="call">Touches nothing that matters when it ends late.</param>
    /// <param name="path">Named in the fault.</param>
    /// <param name="timeout">The deadline.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Gives up at once.</param>
    /// <exception cref="DataLayerException">TimedOut: the path hangs.</exception>
    public static async Task<T> RunAsync<T>(
        Func<T> call, string path, TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread thread = new(() =>
        {
            try
            {
                done.TrySetResult(call());
            }
            catch (Exception e)
            {
                done.TrySetException(e);
            }
        })
        {
            IsBackground = true,
            Name = "probe of a path",
        };
        thread.Start();
        try
        {
            return await done.Task.WaitAsync(timeout, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            throw new DataLayerException(
                ErrorCode.TimedOut,
                $"'{path}' does not answer: it lies on a mount whose server is gone. Detach that mount first, with "
                + $"'datalayer umount --lazy' or 'umount -l'.", e);
        }
    }

    /// <summary>
    /// The path as the kernel's table of mounts names it: absolute, links resolved in all but the last component, which
    /// may be a dead mount and is not touched.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound: the folder above does not exist. TimedOut: it hangs.</exception>
    public static async Task<string> ResolveParentAsync(
        string path, TimeProvider time, CancellationToken cancellationToken)
    {
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        if (System.IO.Path.GetDirectoryName(full) is not { } parent)
        {
            return full;
        }

        string real = await RunAsync(() => RealPath(parent), parent, DefaultTimeout, time, cancellationToken)
            .ConfigureAwait(false);
        return System.IO.Path.Combine(real, System.IO.Path.GetFileName(full));
    }

    /// <summary>realpath(3).</summary>
    internal static unsafe string RealPath(string path)
    {
        byte* resolved = Libc.RealPath(path, null);
        if (resolved is null)
        {
            throw FailedCall.Fault(FailedCall.Last, $"Resolving '{path}'", "Name a folder that exists.");
        }

        try
        {
            return Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(resolved));
        }
        finally
        {
            NativeMemory.Free(resolved);
        }
    }
}
