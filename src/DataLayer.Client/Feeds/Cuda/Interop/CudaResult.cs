namespace DataLayer.Client.Feeds.Cuda.Interop;

/// <summary>
/// What a call of the CUDA driver answers (CUresult of cuda.h): those that this library tells apart. Any other number
/// may come too, and has a name and a text from the driver.
/// </summary>
internal enum CudaResult
{
    /// <summary>CUDA_SUCCESS.</summary>
    Success = 0,

    /// <summary>CUDA_ERROR_INVALID_VALUE.</summary>
    InvalidValue = 1,

    /// <summary>CUDA_ERROR_OUT_OF_MEMORY: of the device, or of what the host may page-lock.</summary>
    OutOfMemory = 2,

    /// <summary>CUDA_ERROR_NOT_INITIALIZED.</summary>
    NotInitialized = 3,

    /// <summary>CUDA_ERROR_DEINITIALIZED: the driver ends with the process.</summary>
    Deinitialized = 4,

    /// <summary>CUDA_ERROR_STUB_LIBRARY: the library to link against, not the driver.</summary>
    StubLibrary = 34,

    /// <summary>CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER.</summary>
    CallRequiresNewerDriver = 36,

    /// <summary>CUDA_ERROR_DEVICE_UNAVAILABLE: another process has it alone.</summary>
    DeviceUnavailable = 46,

    /// <summary>CUDA_ERROR_NO_DEVICE.</summary>
    NoDevice = 100,

    /// <summary>CUDA_ERROR_INVALID_DEVICE.</summary>
    InvalidDevice = 101,

    /// <summary>CUDA_ERROR_DEVICE_NOT_LICENSED.</summary>
    DeviceNotLicensed = 102,

    /// <summary>CUDA_ERROR_INVALID_CONTEXT.</summary>
    InvalidContext = 201,

    /// <summary>CUDA_ERROR_MAP_FAILED.</summary>
    MapFailed = 205,

    /// <summary>CUDA_ERROR_ECC_UNCORRECTABLE.</summary>
    EccUncorrectable = 214,

    /// <summary>CUDA_ERROR_UNSUPPORTED_LIMIT.</summary>
    UnsupportedLimit = 215,

    /// <summary>CUDA_ERROR_NVLINK_UNCORRECTABLE.</summary>
    NvLinkUncorrectable = 220,

    /// <summary>CUDA_ERROR_OPERATING_SYSTEM.</summary>
    OperatingSystem = 304,

    /// <summary>CUDA_ERROR_INVALID_HANDLE.</summary>
    InvalidHandle = 400,

    /// <summary>CUDA_ERROR_ILLEGAL_STATE.</summary>
    IllegalState = 401,

    /// <summary>CUDA_ERROR_NOT_FOUND.</summary>
    NotFound = 500,

    /// <summary>CUDA_ERROR_NOT_READY: of a query, not a failure.</summary>
    NotReady = 600,

    /// <summary>CUDA_ERROR_ILLEGAL_ADDRESS.</summary>
    IllegalAddress = 700,

    /// <summary>CUDA_ERROR_LAUNCH_TIMEOUT.</summary>
    LaunchTimeout = 702,

    /// <summary>CUDA_ERROR_CONTEXT_IS_DESTROYED.</summary>
    ContextIsDestroyed = 709,

    /// <summary>CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED.</summary>
    HostMemoryAlreadyRegistered = 712,

    /// <summary>CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED.</summary>
    HostMemoryNotRegistered = 713,

    /// <summary>CUDA_ERROR_HARDWARE_STACK_ERROR, the first of six faults of a kernel.</summary>
    HardwareStackError = 714,

    /// <summary>CUDA_ERROR_LAUNCH_FAILED, the last of six faults of a kernel.</summary>
    LaunchFailed = 719,

    /// <summary>CUDA_ERROR_NOT_PERMITTED.</summary>
    NotPermitted = 800,

    /// <summary>CUDA_ERROR_NOT_SUPPORTED.</summary>
    NotSupported = 801,

    /// <summary>CUDA_ERROR_SYSTEM_NOT_READY: the fabric manager, or another part of the machine.</summary>
    SystemNotReady = 802,

    /// <summary>CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: library and kernel module.</summary>
    SystemDriverMismatch = 803,

    /// <summary>CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE.</summary>
    CompatNotSupportedOnDevice = 804,

    /// <summary>CUDA_ERROR_MPS_CONNECTION_FAILED, the first of the faults of the multi-process service.</summary>
    MpsConnectionFailed = 805,

    /// <summary>CUDA_ERROR_MPS_CLIENT_TERMINATED, the last of them.</summary>
    MpsClientTerminated = 810,

    /// <summary>CUDA_ERROR_UNKNOWN.</summary>
    Unknown = 999,
}
