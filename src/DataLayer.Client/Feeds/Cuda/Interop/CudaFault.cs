using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Client.Feeds.Cuda.Interop;

/// <summary>
/// Turns an answer of the driver into a fault with the driver's own name and text and what to do. The one table.
/// </summary>
internal static class CudaFault
{
    private const string Ours = "This is a wrong call of this library: please report it with this text.";

    /// <summary>Throws where a call failed.</summary>
    /// <exception cref="DataLayerException">As the table says.</exception>
    public static void Check(CudaFunctions functions, CudaResult result, string call)
    {
        if (result != CudaResult.Success)
        {
            throw Make(functions, result, call);
        }
    }

    /// <summary>The fault of a failed call.</summary>
    public static DataLayerException Make(CudaFunctions functions, CudaResult result, string call)
    {
        (ErrorCode code, string remedy) = Describe(result);
        string name = functions.NameOf(result);
        string text = functions.TextOf(result);
        return new DataLayerException(
            code,
            string.Create(CultureInfo.InvariantCulture, $"{call} failed: {name} ({(int)result}): {text}. {remedy}"));
    }

    /// <summary>Code and remedy of an answer.</summary>
    public static (ErrorCode Code, string Remedy) Describe(CudaResult result) => result switch
    {
        CudaResult.OutOfMemory => (
            ErrorCode.Overloaded,
            "Take smaller batches or fewer slabs, free memory of the device, or raise what the process may lock "
                + "(ulimit -l)."),
        CudaResult.NoDevice or CudaResult.InvalidDevice or CudaResult.NotFound => (
            ErrorCode.NotFound,
            "Look what nvidia-smi -L lists, and what CUDA_VISIBLE_DEVICES lets this process see; a container needs "
                + "the device given to it."),
        CudaResult.DeviceUnavailable => (
            ErrorCode.Overloaded, "Another process has the device for itself: end it, or take another device."),
        CudaResult.DeviceNotLicensed => (
            ErrorCode.PermissionDenied, "The virtual GPU has no licence: ask who runs the licence server."),
        CudaResult.NotPermitted => (
            ErrorCode.PermissionDenied,
            "Run as a user who may open /dev/nvidia*, and let it lock memory (ulimit -l unlimited)."),
        CudaResult.NotSupported or CudaResult.UnsupportedLimit => (
            ErrorCode.NotSupported,
            "This device or system cannot do it; CudaDeviceOptions.PageLock = false does without locked memory."),
        CudaResult.StubLibrary => (
            ErrorCode.NotSupported,
            "What was loaded is the library to link against: name the driver's libcuda.so.1, not the one of stubs."),
        CudaResult.CallRequiresNewerDriver or CudaResult.CompatNotSupportedOnDevice => (
            ErrorCode.NotSupported, "Install a newer driver."),
        CudaResult.SystemDriverMismatch => (
            ErrorCode.NotSupported,
            "Library and kernel module of the driver differ, as after an update: restart the machine, or the container "
                + "with the driver of its host."),
        CudaResult.SystemNotReady => (
            ErrorCode.NotSupported, "Start what the machine needs (nvidia-fabricmanager), then try again."),
        >= CudaResult.MpsConnectionFailed and <= CudaResult.MpsClientTerminated => (
            ErrorCode.OriginUnavailable, "The multi-process service does not serve: look at its log and start it."),
        CudaResult.HostMemoryAlreadyRegistered => (
            ErrorCode.WrongState,
            "Somebody else in this process has locked the slab: leave it to the feed, or set "
                + "CudaDeviceOptions.PageLock = false."),
        CudaResult.HostMemoryNotRegistered => (
            ErrorCode.WrongState, "Somebody else in this process has unlocked the slab: leave it to the feed."),
        CudaResult.IllegalAddress or CudaResult.LaunchTimeout or CudaResult.ContextIsDestroyed
            or (>= CudaResult.HardwareStackError and <= CudaResult.LaunchFailed) => (
            ErrorCode.TargetFailed,
            "An earlier call or a kernel broke the context, which stays so until the process ends: start it again and "
                + "go on from its last state; compute-sanitizer finds the kernel."),
        CudaResult.EccUncorrectable or CudaResult.NvLinkUncorrectable => (
            ErrorCode.TargetFailed, "The device is broken: take it out of service and go on elsewhere."),
        CudaResult.OperatingSystem or CudaResult.MapFailed => (
            ErrorCode.TargetFailed, "Look at the kernel's log (dmesg) for the reason."),
        CudaResult.Deinitialized => (ErrorCode.ShuttingDown, "The process ends: dispose devices before."),
        CudaResult.InvalidValue or CudaResult.NotInitialized or CudaResult.InvalidContext or CudaResult.InvalidHandle
            or CudaResult.IllegalState or CudaResult.NotReady => (ErrorCode.Internal, Ours),
        _ => (
            ErrorCode.TargetFailed,
            "Look up the name in the driver's documentation and at the kernel's log (dmesg) for the reason."),
    };
}
