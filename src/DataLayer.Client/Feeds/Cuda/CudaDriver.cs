using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Client.Feeds.Cuda.Interop;
using DataLayer.Core.Errors;

namespace DataLayer.Client.Feeds.Cuda;

/// <summary>The GPUs of this process, and the way to open one. Safe for concurrent use.</summary>
public static class CudaDriver
{
    private const int UuidBytes = 16;
    private const int NameBytes = 256;

    /// <summary>The GPUs this process sees; none where there is no driver, or no device for it.</summary>
    /// <param name="options">Names the driver; or null.</param>
    /// <exception cref="DataLayerException">There is a driver, and it fails.</exception>
    public static IReadOnlyList<CudaDeviceDescription> ListDevices(CudaDeviceOptions? options = null)
    {
        CudaFunctions? functions = CudaFunctions.TryLoad((options ?? new CudaDeviceOptions()).DriverLibrary);
        return functions is null ? [] : List(functions);
    }

    /// <summary>Opens a GPU.</summary>
    /// <exception cref="DataLayerException">
    /// NotFound: no driver, or no such device; the message lists those there are. Others: the driver's.
    /// </exception>
    public static CudaDevice Open(CudaDeviceOptions? options = null)
    {
        options ??= new CudaDeviceOptions();
        CudaFunctions functions = CudaFunctions.TryLoad(options.DriverLibrary)
            ?? throw new DataLayerException(
                ErrorCode.NotFound,
                $"There is no CUDA driver '{options.DriverLibrary}' here: install NVIDIA's, give the container its "
                    + "devices (--gpus all), or feed host memory with HostDevice.Instance.");
        CudaDeviceDescription device = Choose(List(functions), options.Device);
        return new CudaDevice(functions, device, options);
    }

    /// <summary>
    /// Opens a GPU where this process sees one, else the host: the same loop runs on both. A GPU that is asked for by
    /// name and is not there is a fault all the same.
    /// </summary>
    /// <exception cref="DataLayerException">There is a driver with devices, and it fails or has not the one asked
    /// for.</exception>
    public static Devices.IFeedDevice OpenOrHost(CudaDeviceOptions? options = null)
    {
        options ??= new CudaDeviceOptions();
        bool any = options.Device == new CudaDeviceOptions().Device;
        return any && ListDevices(options).Count == 0 ? Devices.HostDevice.Instance : Open(options);
    }

    /// <summary>The driver's number of a device, of its number in the list.</summary>
    internal static unsafe int GetHandle(CudaFunctions functions, int ordinal)
    {
        int device = 0;
        CudaFault.Check(functions, functions.DeviceGet(&device, ordinal), "cuDeviceGet");
        return device;
    }

    private static unsafe List<CudaDeviceDescription> List(CudaFunctions functions)
    {
        CudaResult initialized = functions.Init(0);
        if (initialized is CudaResult.NoDevice)
        {
            return [];
        }

        CudaFault.Check(functions, initialized, "cuInit");
        int count = 0;
        CudaFault.Check(functions, functions.DeviceGetCount(&count), "cuDeviceGetCount");
        List<CudaDeviceDescription> devices = new(count);
        byte* name = stackalloc byte[NameBytes];
        byte* uuid = stackalloc byte[UuidBytes];
        for (int i = 0; i < count; i++)
        {
            int device = GetHandle(functions, i);
            CudaFault.Check(functions, functions.DeviceGetName(name, NameBytes, device), "cuDeviceGetName");
            CudaFault.Check(functions, functions.DeviceGetUuid(uuid, device), "cuDeviceGetUuid");
            string text = Marshal.PtrToStringUTF8((nint)name) ?? "";
            bool isPart = text.Contains(" MIG ", StringComparison.Ordinal);
            devices.Add(
                new CudaDeviceDescription(i, text, ToText(new ReadOnlySpan<byte>(uuid, UuidBytes), isPart)));
        }

        return devices;
    }

    private static string ToText(ReadOnlySpan<byte> uuid, bool isPart) =>
        (isPart ? "MIG-" : "GPU-") + new Guid(uuid, bigEndian: true).ToString("D", CultureInfo.InvariantCulture);

    private static CudaDeviceDescription Choose(List<CudaDeviceDescription> devices, string wanted)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(wanted, nameof(wanted));
        List<CudaDeviceDescription> found = [];
        bool isNumber = int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal);
        string bare = WithoutPrefix(wanted);
        foreach (CudaDeviceDescription device in devices)
        {
            // The driver names whole devices and parts of them alike by 16 bytes: the prefix is for people.
            bool fits = isNumber
                ? device.Ordinal == ordinal
                : bare.Length > 0
                    && WithoutPrefix(device.Uuid).StartsWith(bare, StringComparison.OrdinalIgnoreCase);
            if (fits)
            {
                found.Add(device);
            }
        }

        if (found.Count == 1)
        {
            return found[0];
        }

        List<string> names = [];
        foreach (CudaDeviceDescription device in devices)
        {
            names.Add(string.Create(CultureInfo.InvariantCulture, $"{device.Ordinal}: {device.Name} ({device.Uuid})"));
        }

        string list = names.Count == 0 ? "none" : string.Join(", ", names);
        throw new DataLayerException(
            found.Count == 0 ? ErrorCode.NotFound : ErrorCode.InvalidArgument,
            $"{(found.Count == 0 ? "No device is" : "More than one device is")} '{wanted}'. This process sees: {list}. "
                + "A MIG device is seen only where CUDA_VISIBLE_DEVICES names it before the process starts.");
    }

    private static string WithoutPrefix(string uuid) =>
        uuid.StartsWith("GPU-", StringComparison.OrdinalIgnoreCase)
        || uuid.StartsWith("MIG-", StringComparison.OrdinalIgnoreCase)
            ? uuid[4..]
            : uuid;
}
