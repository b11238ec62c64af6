using System.Globalization;
using DataLayer.TestSupport.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.TestSupport.Mounts;

/// <summary>
/// A FUSE mount of the test's own: the device opened and mounted with mount(2), as the keeper does. Needs root. Disposal always
/// unmounts: it detaches the mount and then closes the device, which ends every request that still waits.
/// </summary>
public sealed class FusePoint : IDisposable
{
    /// <summary>Mounts at a folder, which is made if need be.</summary>
    public FusePoint(string path, bool readOnly = false, bool privileged = false)
    {
        Path = path;
        Directory.CreateDirectory(path);
        Device = MountCalls.OpenDevice();
        var number = Device.DangerousGetHandle().ToInt32();
        var data = string.Create(
            CultureInfo.InvariantCulture,
            $"fd={number},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions");
        try
        {
            MountCalls.Mount("datalayer-test", path, "fuse.datalayer", data, readOnly, privileged);
        }
        catch
        {
            Device.Dispose();
            throw;
        }
    }

    /// <summary>Where it is mounted.</summary>
    public string Path { get; }

    /// <summary>The device, to be served.</summary>
    public SafeFileHandle Device { get; }

    /// <summary>Detaches the mount: readers of the device are told so once nobody uses it.</summary>
    public void Detach() => MountCalls.Detach(Path);

    /// <inheritdoc/>
    public void Dispose()
    {
        Detach();
        Device.Dispose();
    }
}
