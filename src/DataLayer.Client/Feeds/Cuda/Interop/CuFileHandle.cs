using Microsoft.Win32.SafeHandles;

namespace DataLayer.Client.Feeds.Cuda.Interop;

/// <summary>A file that cuFile reads. It holds the descriptor open until it is released.</summary>
internal sealed unsafe class CuFileHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    private readonly CuFileFunctions _functions;
    private readonly SafeFileHandle _file;

    private CuFileHandle(CuFileFunctions functions, SafeFileHandle file)
        : base(ownsHandle: true) => (_functions, _file) = (functions, file);

    /// <summary>The library's own value, for calls within a reference held.</summary>
    internal nint Value => handle;

    /// <summary>
    /// Registers a file, which is this handle's from now on; null and the file's again where cuFile refuses.
    /// </summary>
    /// <param name="functions">The library.</param>
    /// <param name="file">An open file.</param>
    /// <param name="refused">Why not.</param>
    public static CuFileHandle? TryRegister(CuFileFunctions functions, SafeFileHandle file, out CuFileResult refused)
    {
        CuFileHandle made = new(functions, file);
        CuFileDescriptor descriptor = new()
        {
            Type = CuFileFunctions.HandleTypeDescriptor,
            Descriptor = (int)file.DangerousGetHandle(),
        };
        nint value = 0;
        refused = functions.HandleRegister(&value, &descriptor);
        if (refused.Code != 0)
        {
            made.SetHandleAsInvalid();
            return null;
        }

        made.SetHandle(value);
        return made;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        _functions.HandleDeregister(handle);
        _file.Dispose();
        return true;
    }
}
