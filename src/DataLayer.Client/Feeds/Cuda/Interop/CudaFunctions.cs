using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Client.Feeds.Cuda.Interop;

/// <summary>
/// The entry points of the CUDA driver that this library calls, found at run time: a program that links against this
/// library runs where there is no driver. Signatures as cuda.h has them; the names are the versioned ones that the
/// header's macros stand for.
/// </summary>
/// <remarks>
/// The library stays loaded until the process ends: the driver has threads of its own. Function pointers rather than
/// LibraryImport, as the path is an option and a process may hold several (docs/decisions/0210).
/// </remarks>
internal sealed unsafe class CudaFunctions
{
    /// <summary>The driver's name on every Linux.</summary>
    public const string DefaultLibrary = "libcuda.so.1";

    /// <summary>CU_MEMHOSTREGISTER_PORTABLE: locked for all contexts of the process.</summary>
    public const uint HostRegisterPortable = 1;

    /// <summary>CU_STREAM_NON_BLOCKING: does not wait for the stream 0 of anybody else.</summary>
    public const uint StreamNonBlocking = 1;

    /// <summary>CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING: who waits sleeps; it is no clock.</summary>
    public const uint EventBlockingNoTiming = 3;

    /// <summary><c>CUresult cuInit(unsigned int flags)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<uint, CudaResult> Init;

    /// <summary><c>CUresult cuDeviceGetCount(int* count)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<int*, CudaResult> DeviceGetCount;

    /// <summary><c>CUresult cuDeviceGet(CUdevice* device, int ordinal)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<int*, int, CudaResult> DeviceGet;

    /// <summary><c>CUresult cuDeviceGetName(char* name, int len, CUdevice dev)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<byte*, int, int, CudaResult> DeviceGetName;

    /// <summary>
    /// <c>CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice dev)</c>: 16 bytes; of a MIG device its own.
    /// </summary>
    public readonly delegate* unmanaged[Cdecl]<byte*, int, CudaResult> DeviceGetUuid;

    /// <summary><c>CUresult cuDevicePrimaryCtxRetain(CUcontext* pctx, CUdevice dev)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint*, int, CudaResult> PrimaryContextRetain;

    /// <summary><c>CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<int, CudaResult> PrimaryContextRelease;

    /// <summary><c>CUresult cuCtxSetCurrent(CUcontext ctx)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, CudaResult> ContextSetCurrent;

    /// <summary><c>CUresult cuCtxPushCurrent_v2(CUcontext ctx)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, CudaResult> ContextPush;

    /// <summary><c>CUresult cuCtxPopCurrent_v2(CUcontext* pctx)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint*, CudaResult> ContextPop;

    /// <summary><c>CUresult cuMemHostRegister_v2(void* p, size_t bytesize, unsigned int flags)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, nuint, uint, CudaResult> HostRegister;

    /// <summary><c>CUresult cuMemHostUnregister(void* p)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, CudaResult> HostUnregister;

    /// <summary><c>CUresult cuMemAlloc_v2(CUdeviceptr* dptr, size_t bytesize)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<ulong*, nuint, CudaResult> Allocate;

    /// <summary><c>CUresult cuMemFree_v2(CUdeviceptr dptr)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<ulong, CudaResult> Free;

    /// <summary>
    /// <c>CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void* src, size_t count, CUstream stream)</c>.
    /// </summary>
    public readonly delegate* unmanaged[Cdecl]<ulong, nint, nuint, nint, CudaResult> CopyToDeviceAsync;

    /// <summary><c>CUresult cuMemcpyDtoH_v2(void* dst, CUdeviceptr src, size_t count)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, ulong, nuint, CudaResult> CopyToHost;

    /// <summary><c>CUresult cuStreamCreate(CUstream* stream, unsigned int flags)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint*, uint, CudaResult> StreamCreate;

    /// <summary><c>CUresult cuStreamDestroy_v2(CUstream stream)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, CudaResult> StreamDestroy;

    /// <summary><c>CUresult cuStreamSynchronize(CUstream stream)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, CudaResult> StreamSynchronize;

    /// <summary><c>CUresult cuEventCreate(CUevent* event, unsigned int flags)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint*, uint, CudaResult> EventCreate;

    /// <summary><c>CUresult cuEventRecord(CUevent event, CUstream stream)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, nint, CudaResult> EventRecord;

    /// <summary><c>CUresult cuEventQuery(CUevent event)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, CudaResult> EventQuery;

    /// <summary><c>CUresult cuEventSynchronize(CUevent event)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, CudaResult> EventSynchronize;

    /// <summary><c>CUresult cuEventDestroy_v2(CUevent event)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, CudaResult> EventDestroy;

    private readonly delegate* unmanaged[Cdecl]<CudaResult, byte**, CudaResult> _getErrorName;
    private readonly delegate* unmanaged[Cdecl]<CudaResult, byte**, CudaResult> _getErrorString;

    private CudaFunctions(nint library, string path)
    {
        Path = path;
        Init = (delegate* unmanaged[Cdecl]<uint, CudaResult>)Find("cuInit");
        DeviceGetCount = (delegate* unmanaged[Cdecl]<int*, CudaResult>)Find("cuDeviceGetCount");
        DeviceGet = (delegate* unmanaged[Cdecl]<int*, int, CudaResult>)Find("cuDeviceGet");
        DeviceGetName = (delegate* unmanaged[Cdecl]<byte*, int, int, CudaResult>)Find("cuDeviceGetName");
        DeviceGetUuid = (delegate* unmanaged[Cdecl]<byte*, int, CudaResult>)Find("cuDeviceGetUuid_v2");
        PrimaryContextRetain = (delegate* unmanaged[Cdecl]<nint*, int, CudaResult>)Find("cuDevicePrimaryCtxRetain");
        PrimaryContextRelease = (delegate* unmanaged[Cdecl]<int, CudaResult>)Find("cuDevicePrimaryCtxRelease_v2");
        ContextSetCurrent = (delegate* unmanaged[Cdecl]<nint, CudaResult>)Find("cuCtxSetCurrent");
        ContextPush = (delegate* unmanaged[Cdecl]<nint, CudaResult>)Find("cuCtxPushCurrent_v2");
        ContextPop = (delegate* unmanaged[Cdecl]<nint*, CudaResult>)Find("cuCtxPopCurrent_v2");
        HostRegister = (delegate* unmanaged[Cdecl]<nint, nuint, uint, CudaResult>)Find("cuMemHostRegister_v2");
        HostUnregister = (delegate* unmanaged[Cdecl]<nint, CudaResult>)Find("cuMemHostUnregister");
        Allocate = (delegate* unmanaged[Cdecl]<ulong*, nuint, CudaResult>)Find("cuMemAlloc_v2");
        Free = (delegate* unmanaged[Cdecl]<ulong, CudaResult>)Find("cuMemFree_v2");
        CopyToDeviceAsync =
            (delegate* unmanaged[Cdecl]<ulong, nint, nuint, nint, CudaResult>)Find("cuMemcpyHtoDAsync_v2");
        CopyToHost = (delegate* unmanaged[Cdecl]<nint, ulong, nuint, CudaResult>)Find("cuMemcpyDtoH_v2");
        StreamCreate = (delegate* unmanaged[Cdecl]<nint*, uint, CudaResult>)Find("cuStreamCreate");
        StreamDestroy = (delegate* unmanaged[Cdecl]<nint, CudaResult>)Find("cuStreamDestroy_v2");
        StreamSynchronize = (delegate* unmanaged[Cdecl]<nint, CudaResult>)Find("cuStreamSynchronize");
        EventCreate = (delegate* unmanaged[Cdecl]<nint*, uint, CudaResult>)Find("cuEventCreate");
        EventRecord = (delegate* unmanaged[Cdecl]<nint, nint, CudaResult>)Find("cuEventRecord");
        EventQuery = (delegate* unmanaged[Cdecl]<nint, CudaResult>)Find("cuEventQuery");
        EventSynchronize = (delegate* unmanaged[Cdecl]<nint, CudaResult>)Find("cuEventSynchronize");
        EventDestroy = (delegate* unmanaged[Cdecl]<nint, CudaResult>)Find("cuEventDestroy_v2");
        _getErrorName = (delegate* unmanaged[Cdecl]<CudaResult, byte**, CudaResult>)Find("cuGetErrorName");
        _getErrorString = (delegate* unmanaged[Cdecl]<CudaResult, byte**, CudaResult>)Find("cuGetErrorString");

        nint Find(string name) => NativeLibrary.TryGetExport(library, name, out nint address)
            ? address
            : throw new DataLayerException(
                ErrorCode.NotSupported,
                $"'{path}' has no {name}: it is no CUDA driver, or one before CUDA 11.4. Install a newer driver.");
    }

    /// <summary>Where it was loaded from.</summary>
    public string Path { get; }

    /// <summary>Loads a driver; null where there is none of that name.</summary>
    /// <exception cref="DataLayerException">NotSupported: what is there is none, or too old.</exception>
    public static CudaFunctions? TryLoad(string path) =>
        NativeLibrary.TryLoad(path, out nint library) ? new CudaFunctions(library, path) : null;

    /// <summary>The driver's name of an answer, as CUDA_ERROR_OUT_OF_MEMORY.</summary>
    public string NameOf(CudaResult result) => Ask(_getErrorName, result)
        ?? string.Create(CultureInfo.InvariantCulture, $"CUDA_ERROR_{(int)result}");

    /// <summary>The driver's text of an answer, without a full stop.</summary>
    public string TextOf(CudaResult result) =>
        Ask(_getErrorString, result)?.TrimEnd('.') ?? "the driver has no text for it";

    private static string? Ask(
        delegate* unmanaged[Cdecl]<CudaResult, byte**, CudaResult> question, CudaResult result)
    {
        byte* text = null;
        return question(result, &text) == CudaResult.Success && text is not null
            ? Marshal.PtrToStringUTF8((nint)text)
            : null;
    }
}
