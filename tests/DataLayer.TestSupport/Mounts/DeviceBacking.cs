using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Fuse;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.TestSupport.Mounts;

/// <summary>Registers backing files with the kernel as the keeper does: by ioctl on the device. Needs root.</summary>
public sealed unsafe partial class DeviceBacking(Func<SafeFileHandle> device) : IBackingFiles
{
    private const nuint OpenRequest = 0x4010E501; // _IOW(229, 1, struct fuse_backing_map)
    private const nuint CloseRequest = 0x4004E502; // _IOW(229, 2, uint32_t)
    private readonly ConcurrentDictionary<string, int> _ids = new();

    /// <summary>Files registered now, a count.</summary>
    public int Count => _ids.Count;

    /// <inheritdoc/>
    public ValueTask<int> OpenAsync(string key, SafeFileHandle file, CancellationToken cancellationToken)
    {
        if (_ids.TryGetValue(key, out var known))
        {
            return ValueTask.FromResult(known);
        }

        var map = stackalloc int[4];
        map[0] = (int)file.DangerousGetHandle();
        map[1] = map[2] = map[3] = 0;
        var id = Ioctl(device(), OpenRequest, map);
        if (id <= 0)
        {
            throw new DataLayerException(ErrorCode.NotSupported, $"errno {Marshal.GetLastPInvokeError()}");
        }

        _ids[key] = id;
        return ValueTask.FromResult(id);
    }

    /// <inheritdoc/>
    public ValueTask CloseAsync(string key, CancellationToken cancellationToken)
    {
        if (_ids.TryRemove(key, out var id))
        {
            _ = Ioctl(device(), CloseRequest, &id);
        }

        return ValueTask.CompletedTask;
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(SafeFileHandle device, nuint request, void* argument);
}
