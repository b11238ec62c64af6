using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Client.Feeds.Cuda.Interop;

/// <summary>
/// The entry points of cuFile (GPUDirect Storage) that this library calls, found at run time; signatures as cufile.h
/// has them. The library stays loaded until the process ends.
/// </summary>
internal sealed unsafe class CuFileFunctions
{
    /// <summary>The library's name.</summary>
    public const string DefaultLibrary = "libcufile.so.0";

    /// <summary>CU_FILE_HANDLE_TYPE_OPAQUE_FD.</summary>
    public const int HandleTypeDescriptor = 1;

    /// <summary><c>CUfileError_t cuFileDriverOpen(void)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<CuFileResult> DriverOpen;

    /// <summary><c>CUfileError_t cuFileHandleRegister(CUfileHandle_t* fh, CUfileDescr_t* descr)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint*, CuFileDescriptor*, CuFileResult> HandleRegister;

    /// <summary><c>void cuFileHandleDeregister(CUfileHandle_t fh)</c>.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, void> HandleDeregister;

    /// <summary>
    /// <c>ssize_t cuFileRead(CUfileHandle_t fh, void* base, size_t size, off_t fileOffset, off_t baseOffset)</c>: bytes
    /// read; −1 with errno, or the negative number of an error of cuFile.
    /// </summary>
    public readonly delegate* unmanaged[Cdecl]<nint, nint, nuint, long, long, nint> Read;

    private CuFileFunctions(nint library, string path)
    {
        Path = path;
        DriverOpen = (delegate* unmanaged[Cdecl]<CuFileResult>)Find("cuFileDriverOpen");
        HandleRegister =
            (delegate* unmanaged[Cdecl]<nint*, CuFileDescriptor*, CuFileResult>)Find("cuFileHandleRegister");
        HandleDeregister = (delegate* unmanaged[Cdecl]<nint, void>)Find("cuFileHandleDeregister");
        Read = (delegate* unmanaged[Cdecl]<nint, nint, nuint, long, long, nint>)Find("cuFileRead");

        nint Find(string name) => NativeLibrary.TryGetExport(library, name, out nint address)
            ? address
            : throw new DataLayerException(
                ErrorCode.NotSupported, $"'{path}' has no {name}: it is not cuFile. Name another, or none.");
    }

    /// <summary>Where it was loaded from.</summary>
    public string Path { get; }

    /// <summary>Loads cuFile; null where there is none of that name.</summary>
    /// <exception cref="DataLayerException">NotSupported: what is there is something else.</exception>
    public static CuFileFunctions? TryLoad(string path) =>
        NativeLibrary.TryLoad(path, out nint library) ? new CuFileFunctions(library, path) : null;
}

/// <summary>CUfileError_t: an error of cuFile, and where it is 5011 one of the driver.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CuFileResult
{
    public readonly int Code;
    public readonly CudaResult Driver;
}

/// <summary>
/// CUfileDescr_t: its kind, a union of descriptor and pointer, and operations of user-space file systems.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CuFileDescriptor
{
    public int Type;
    public int Padding;
    public long Descriptor;
    public nint Operations;
}

/// <summary>Turns an error of cuFile into a fault with its name and what to do. The one table.</summary>
internal static class CuFileFault
{
    /// <summary>CU_FILE_CUDA_DRIVER_ERROR: the driver's own answer says more.</summary>
    public const int DriverError = 5011;

    /// <summary>
    /// The errors that say: not this file system, device or machine. A copy through the host does it.
    /// </summary>
    public static bool MeansUnsupported(int code) => code is 5001 or 5003 or 5004 or 5005 or 5007 or 5008 or 5009
        or 5010 or 5018 or 5027 or 5033 or 5034;

    /// <summary>The fault of a failed call.</summary>
    /// <param name="functions">The driver, for its own answers.</param>
    /// <param name="code">5000 and more: of cuFile.</param>
    /// <param name="driver">The driver's answer, where the code says so.</param>
    /// <param name="call">What was called, and on what.</param>
    public static DataLayerException Make(CudaFunctions functions, int code, CudaResult driver, string call)
    {
        if (code == DriverError && driver != CudaResult.Success)
        {
            return CudaFault.Make(functions, driver, call);
        }

        (string name, ErrorCode error, string remedy) = Describe(code);
        return new DataLayerException(
            error, string.Create(CultureInfo.InvariantCulture, $"{call} failed: {name} ({code}). {remedy}"));
    }

    private static (string Name, ErrorCode Code, string Remedy) Describe(int code) => code switch
    {
        5001 => ("CU_FILE_DRIVER_NOT_INITIALIZED", ErrorCode.NotSupported, "Load nvidia-fs, or allow compat mode."),
        5002 => ("CU_FILE_DRIVER_INVALID_PROPS", ErrorCode.InvalidArgument, "Look at cufile.json."),
        5003 => ("CU_FILE_DRIVER_UNSUPPORTED_LIMIT", ErrorCode.NotSupported, "Look at the limits in cufile.json."),
        5004 => ("CU_FILE_DRIVER_VERSION_MISMATCH", ErrorCode.NotSupported, "Update nvidia-fs and cuFile together."),
        5005 => ("CU_FILE_DRIVER_VERSION_READ_ERROR", ErrorCode.NotSupported, "Update nvidia-fs and cuFile together."),
        5006 => ("CU_FILE_DRIVER_CLOSING", ErrorCode.ShuttingDown, "The process ends."),
        5007 => ("CU_FILE_PLATFORM_NOT_SUPPORTED", ErrorCode.NotSupported, "Read through the host instead."),
        5008 => ("CU_FILE_IO_NOT_SUPPORTED", ErrorCode.NotSupported, "This file system cannot: read through the host."),
        5009 => ("CU_FILE_DEVICE_NOT_SUPPORTED", ErrorCode.NotSupported, "This device cannot: read through the host."),
        5010 => ("CU_FILE_NVFS_DRIVER_ERROR", ErrorCode.TargetFailed, "Look at the kernel's log (dmesg)."),
        DriverError => ("CU_FILE_CUDA_DRIVER_ERROR", ErrorCode.TargetFailed, "Look at the log of cuFile."),
        5012 => ("CU_FILE_CUDA_POINTER_INVALID", ErrorCode.Internal, "Please report it with this text."),
        5013 => ("CU_FILE_CUDA_MEMORY_TYPE_INVALID", ErrorCode.Internal, "Please report it with this text."),
        5014 => ("CU_FILE_CUDA_POINTER_RANGE_ERROR", ErrorCode.Internal, "Please report it with this text."),
        5015 => ("CU_FILE_CUDA_CONTEXT_MISMATCH", ErrorCode.Internal, "Please report it with this text."),
        5018 => ("CU_FILE_INVALID_FILE_TYPE", ErrorCode.InvalidArgument, "Name a regular file."),
        5019 => ("CU_FILE_INVALID_FILE_OPEN_FLAG", ErrorCode.Internal, "Please report it with this text."),
        5020 => ("CU_FILE_DIO_NOT_SET", ErrorCode.NotSupported, "This file system has no direct I/O."),
        5022 => ("CU_FILE_INVALID_VALUE", ErrorCode.Internal, "Please report it with this text."),
        5025 => ("CU_FILE_PERMISSION_DENIED", ErrorCode.PermissionDenied, "Run as a user who may use /dev/nvidia-fs*."),
        5026 => ("CU_FILE_DRIVER_ALREADY_OPEN", ErrorCode.WrongState, "Somebody else in this process opened it."),
        5027 => ("CU_FILE_HANDLE_NOT_REGISTERED", ErrorCode.Internal, "Please report it with this text."),
        5028 => ("CU_FILE_HANDLE_ALREADY_REGISTERED", ErrorCode.WrongState, "Open the file anew."),
        5029 => ("CU_FILE_DEVICE_NOT_FOUND", ErrorCode.NotFound, "Look what nvidia-smi -L lists."),
        5030 => ("CU_FILE_INTERNAL_ERROR", ErrorCode.TargetFailed, "Look at the log of cuFile."),
        5033 => ("CU_FILE_NVFS_SETUP_ERROR", ErrorCode.NotSupported, "Load nvidia-fs, or allow compat mode."),
        5034 => ("CU_FILE_IO_DISABLED", ErrorCode.NotSupported, "Allow compat mode in cufile.json."),
        _ => ("an error without a name here", ErrorCode.TargetFailed, "Look it up in cufile.h."),
    };
}
