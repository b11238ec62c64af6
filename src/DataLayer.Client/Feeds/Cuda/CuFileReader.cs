using System.Runtime.InteropServices;
using DataLayer.Client.Feeds.Cuda.Interop;
using DataLayer.Client.Feeds.Devices;
using DataLayer.Client.Feeds.Interop;
using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Client.Feeds.Cuda;

/// <summary>Reads files into a GPU's memory by cuFile, without a stop in the host's. Safe for concurrent use.</summary>
internal sealed class CuFileReader
{
    private const long PieceBytes = 16L << 20;

    private static readonly Lock _opening = new();
    private static readonly Dictionary<string, CuFileFunctions?> _opened = new(StringComparer.Ordinal);
    private readonly CuFileFunctions _functions;
    private readonly CudaContext _context;

    private CuFileReader(CuFileFunctions functions, CudaContext context) =>
        (_functions, _context) = (functions, context);

    /// <summary>Opens cuFile once a process; null where it is not there or says that it cannot work here.</summary>
    /// <exception cref="DataLayerException">It is there and broken.</exception>
    public static unsafe CuFileReader? TryOpen(string library, CudaContext context)
    {
        lock (_opening)
        {
            if (!_opened.TryGetValue(library, out CuFileFunctions? functions))
            {
                functions = CuFileFunctions.TryLoad(library);
                if (functions is not null)
                {
                    using CudaContext.Scope scope = context.Enter();
                    CuFileResult result = functions.DriverOpen();
                    if (result.Code != 0 && !CuFileFault.MeansUnsupported(result.Code))
                    {
                        throw CuFileFault.Make(context.Functions, result.Code, result.Driver, "cuFileDriverOpen");
                    }

                    functions = result.Code == 0 ? functions : null;
                }

                _opened.Add(library, functions);
            }

            return functions is null ? null : new CuFileReader(functions, context);
        }
    }

    /// <summary>Reads; null where cuFile cannot read this file, and nothing was read.</summary>
    public async Task<long?> TryReadAsync(
        string path, long fileOffsetBytes, CudaAllocation destination, long offsetBytes, long lengthBytes,
        CancellationToken cancellationToken)
    {
        bool held = false;
        try
        {
            destination.DangerousAddRef(ref held);

            // The library's read blocks its thread, so it gets one.
            return await Task.Factory
                .StartNew(
                    () => Read(path, fileOffsetBytes, destination, offsetBytes, lengthBytes, cancellationToken),
                    CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
                .ConfigureAwait(false);
        }
        finally
        {
            if (held)
            {
                destination.DangerousRelease();
            }
        }
    }

    private unsafe long? Read(
        string path, long fileOffsetBytes, CudaAllocation destination, long offsetBytes, long lengthBytes,
        CancellationToken cancellationToken)
    {
        SafeFileHandle file = OpenDirect(path);
        using CudaContext.Scope scope = _context.Enter();
        using CuFileHandle? handle = CuFileHandle.TryRegister(_functions, file, out CuFileResult refused);
        if (handle is null)
        {
            file.Dispose();
            return CuFileFault.MeansUnsupported(refused.Code)
                ? null
                : throw CuFileFault.Make(
                    _context.Functions, refused.Code, refused.Driver, $"cuFileHandleRegister of '{path}'");
        }

        long done = 0;
        while (done < lengthBytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long wanted = Math.Min(PieceBytes, lengthBytes - done);
            Marshal.SetLastSystemError(0);
            nint count = _functions.Read(
                handle.Value, destination.Value, (nuint)wanted, fileOffsetBytes + done, offsetBytes + done);
            int errno = Marshal.GetLastSystemError();
            if (count < 0)
            {
                return done == 0 && CuFileFault.MeansUnsupported((int)-count)
                    ? null
                    : throw Failed(path, (int)-count, errno);
            }

            if (count == 0)
            {
                break;
            }

            done += count;
        }

        return done;
    }

    private DataLayerException Failed(string path, int code, int errno) => code == 1
        ? new DataLayerException(
            ErrorCode.TargetFailed,
            $"cuFileRead of '{path}' failed: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}). Look whether the "
                + "file can be read by other programs.")
        : CuFileFault.Make(_context.Functions, code, CudaResult.Success, $"cuFileRead of '{path}'");

    /// <summary>
    /// Opens without the page cache where the file system can, which is what cuFile needs for its way.
    /// </summary>
    private static SafeFileHandle OpenDirect(string path)
    {
        SafeFileHandle? direct = Libc.TryOpenDirect(path);
        return direct ?? HostDevice.Open(path);
    }
}
