using DataLayer.Client.Feeds.Cuda.Interop;

namespace DataLayer.Client.Feeds.Cuda;

/// <summary>How a GPU is opened.</summary>
public sealed record CudaDeviceOptions
{
    /// <summary>
    /// Which device: its number as the process sees it (<c>0</c>), or its UUID as <c>nvidia-smi -L</c> prints it
    /// (<c>GPU-…</c>, of a MIG device <c>MIG-…</c>), whole or its unambiguous begin. Default: the first.
    /// </summary>
    public string Device { get; init; } = "0";

    /// <summary>
    /// Whether slabs are page-locked: copies from them then run beside everything else and at full speed. Default
    /// true; false where the process may not lock memory.
    /// </summary>
    public bool PageLock { get; init; } = true;

    /// <summary>The driver, a name or a path. Default <c>libcuda.so.1</c>.</summary>
    public string DriverLibrary { get; init; } = CudaFunctions.DefaultLibrary;

    /// <summary>
    /// cuFile, a name or a path; null for none. Default <c>libcufile.so.0</c>, used only where it is there.
    /// </summary>
    public string? FileLibrary { get; init; } = CuFileFunctions.DefaultLibrary;
}
