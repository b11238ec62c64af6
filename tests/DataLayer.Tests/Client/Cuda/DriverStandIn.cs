using System.Runtime.InteropServices;
using DataLayer.Client.Feeds.Cuda;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;

namespace DataLayer.Tests.Client.Cuda;

/// <summary>
/// One driver of its own for one test: the stand-in of <c>standin.c</c>, built once a test run with <c>cc</c> and loaded from a copy, so that
/// each test begins with an empty log.
/// </summary>
internal sealed unsafe class DriverStandIn : IDisposable
{
    private static readonly Lazy<string> _built = new(Build);
    private readonly TempFolder _folder = new("cuda");
    private readonly nint _library;

    public DriverStandIn(int devices = 1, int mig = -1)
    {
        Path = _folder.Combine("libcuda-standin.so");
        File.Copy(_built.Value, Path);
        _library = NativeLibrary.Load(Path);
        ((delegate* unmanaged[Cdecl]<int, int, void>)Export("standin_devices"))(devices, mig);
    }

    /// <summary>The library.</summary>
    public string Path { get; }

    /// <summary>The stand-in as driver, without cuFile.</summary>
    public CudaDeviceOptions Options => new() { DriverLibrary = Path, FileLibrary = null };

    /// <summary>The calls so far.</summary>
    public string[] Log => Read(withAlive: false);

    /// <summary>From here on nothing in a stream runs until it is told to; false runs all.</summary>
    public void Hold(bool held = true) => ((delegate* unmanaged[Cdecl]<int, void>)Export("standin_hold"))(held ? 1 : 0);

    /// <summary>Runs the next pieces of work (a copy and its event are two); returns how many there were.</summary>
    public int Complete(int count) => ((delegate* unmanaged[Cdecl]<int, int>)Export("standin_complete"))(count);

    /// <summary>Makes a call fail once, after so many that do not.</summary>
    public void Fail(string call, int code, int skip = 0)
    {
        nint name = Marshal.StringToCoTaskMemUTF8(call);
        ((delegate* unmanaged[Cdecl]<nint, int, int, void>)Export("standin_fail"))(name, code, skip);
        Marshal.FreeCoTaskMem(name);
    }

    /// <summary>Asserts that nothing forbidden was done and that all that was made is gone.</summary>
    public void AssertCleanEnd()
    {
        string[] log = Read(withAlive: true);
        Assert.Empty(log.Where(line => line.StartsWith("VIOLATION", StringComparison.Ordinal) || line.StartsWith("alive", StringComparison.Ordinal)));
    }

    /// <summary>The library stays loaded: threads of a device that was not disposed may be in it.</summary>
    public void Dispose() => _folder.Dispose();

    private string[] Read(bool withAlive)
    {
        nint text = ((delegate* unmanaged[Cdecl]<int, nint>)Export("standin_log"))(withAlive ? 1 : 0);
        string log = Marshal.PtrToStringUTF8(text)!;
        ((delegate* unmanaged[Cdecl]<nint, void>)Export("standin_free"))(text);
        return log.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private nint Export(string name) => NativeLibrary.GetExport(_library, name);

    private static string Build()
    {
        string source = System.IO.Path.Combine(RepositoryRoot.Path, "tests", "DataLayer.Tests", "Client", "Cuda", "standin.c");
        string library = new TempFolder("standin").Combine("libstandin.so");
        Command.Run("cc", "-Wall", "-Werror", "-O1", "-g", "-shared", "-fPIC", "-pthread", "-o", library, source);
        return library;
    }
}
