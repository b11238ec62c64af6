using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Csi.Node;

/// <summary>
/// A path the caller wants something mounted at, held by its parent folder. The path is walked once, by the kernel, and
/// no symbolic link is followed on the way: whoever can write beside a pod's volumes must not be able to have us mount,
/// or remove, somewhere else. What is done afterwards starts from the open parent, so nothing changes under us.
/// </summary>
internal sealed class TargetPath : IDisposable
{
    private const int MaxBytes = 4096;
    private const ulong OpenPathFolder = 0x200000 | 0x10000 | 0x80000; // O_PATH | O_DIRECTORY | O_CLOEXEC
    private const ulong NoLinks = 0x04 | 0x02; // RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS

    private TargetPath(string path, SafeFileHandle parent)
    {
        Parent = parent;
        Name = Path.GetFileName(path);
        FullPath = Path.Combine(RealPath(parent), Name);
    }

    /// <summary>The whole path as mountinfo has it: links above the root resolved, no '/' at its end.</summary>
    public string FullPath { get; }

    /// <summary>The last component.</summary>
    public string Name { get; }

    /// <summary>The folder it is in.</summary>
    public SafeFileHandle Parent { get; }

    /// <summary>The path by way of the open parent, for calls that take only a path.</summary>
    public string ByParent => string.Create(
        CultureInfo.InvariantCulture, $"/proc/self/fd/{(int)Parent.DangerousGetHandle()}/{Name}");

    /// <summary>Opens a path's parent.</summary>
    /// <param name="path">The path of the request.</param>
    /// <param name="field">The request's field, for messages.</param>
    /// <param name="root">The folder it must be below, or null.</param>
    /// <returns>The path; null where its parent is not there.</returns>
    /// <exception cref="RpcException">INVALID_ARGUMENT: no path, a relative one, one with '..', outside the root, or
    /// through a symbolic link.</exception>
    public static TargetPath? TryOpen(string path, string field, string? root)
    {
        string clean = Check(path, field, root);
        SafeFileHandle? parent = OpenFolder(Path.GetDirectoryName(clean)!, root, out int errno);
        return (parent, errno) switch
        {
            ({ } found, _) => new TargetPath(clean, found),
            (_, Errno.NoEntry) => null,
            (_, Errno.TooManyLinks or Errno.CrossDevice) => throw new RpcException(
                RpcCode.InvalidArgument, $"{field} '{path}' goes through a symbolic link, which is refused."),
            (_, Errno.NotADirectory) => throw new RpcException(
                RpcCode.InvalidArgument, $"{field} '{path}' goes through something that is no folder."),
            _ => throw new RpcException(
                RpcCode.Internal, $"{field} '{path}' cannot be reached: {Marshal.GetPInvokeErrorMessage(errno)}."),
        };
    }

    /// <summary>Opens a path's parent, which must be there.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT as above, also where the parent is missing.</exception>
    public static TargetPath Open(string path, string field, string? root) =>
        TryOpen(path, field, root)
        ?? throw new RpcException(RpcCode.InvalidArgument, $"The folder that holds {field} '{path}' is not there.");

    /// <summary>Makes the folder if it is not there. What is there and no folder (a link, say) is refused.</summary>
    public void MakeFolder()
    {
        const uint Mode = 0x1E8; // 0750: what the kubelet uses for volumes' folders.
        if (Libc.MakeDirectoryAt(Parent, Name, Mode) != 0
            && Marshal.GetLastPInvokeError() is int errno and not Errno.Exists)
        {
            throw new RpcException(
                RpcCode.Internal, $"'{FullPath}' cannot be made: {Marshal.GetPInvokeErrorMessage(errno)}.");
        }

        using SafeFileHandle folder = OpenSelf();
    }

    /// <summary>Opens the folder itself.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: there is no folder, or a link.</exception>
    public SafeFileHandle OpenSelf()
    {
        Libc.OpenHow how = new() { Flags = OpenPathFolder, Resolve = NoLinks };
        bool added = false;
        try
        {
            Parent.DangerousAddRef(ref added);
            return Libc.OpenAt2((int)Parent.DangerousGetHandle(), Name, how, out int errno)
                ?? throw new RpcException(
                    RpcCode.InvalidArgument,
                    $"'{FullPath}' is no folder, or a symbolic link: {Marshal.GetPInvokeErrorMessage(errno)}.");
        }
        finally
        {
            if (added)
            {
                Parent.DangerousRelease();
            }
        }
    }

    /// <summary>
    /// Removes the folder if it is there and empty. Never more: what lies in it after a mount went is not ours.
    /// </summary>
    public void RemoveFolder()
    {
        if (Libc.UnlinkAt(Parent, Name, Libc.AtRemoveDirectory) == 0)
        {
            return;
        }

        int errno = Marshal.GetLastPInvokeError();
        if (errno != Errno.NoEntry)
        {
            throw new RpcException(
                RpcCode.Internal,
                $"'{FullPath}' is not mounted and cannot be removed: {Marshal.GetPInvokeErrorMessage(errno)}. "
                + "Look what lies in it; only an empty folder is removed.");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Parent.Dispose();

    private static string RealPath(SafeFileHandle folder) =>
        new FileInfo(string.Create(
            CultureInfo.InvariantCulture, $"/proc/self/fd/{(int)folder.DangerousGetHandle()}")).LinkTarget
        ?? throw new RpcException(RpcCode.Internal, "/proc is not mounted in this container.");

    private static string Check(string path, string field, string? root)
    {
        if (path.Length == 0)
        {
            throw new RpcException(RpcCode.InvalidArgument, $"{field} is missing.");
        }

        string clean = path.Length > 1 ? path.TrimEnd('/') : path;
        string? fault =
            Encoding.UTF8.GetByteCount(path) >= MaxBytes ? $"is longer than {MaxBytes - 1} bytes"
            : !clean.StartsWith('/') ? "is not absolute"
            : clean.Length < 2 ? "is the root folder"
            : clean.Contains('\0', StringComparison.Ordinal) ? "holds a NUL"
            : clean[1..].Split('/').Any(c => c is "" or "." or "..") ? "holds an empty component, '.' or '..'"
            : root is not null && !clean.StartsWith(root + "/", StringComparison.Ordinal) ? $"is not below {root}"
            : null;
        return fault is null ? clean : throw new RpcException(RpcCode.InvalidArgument, $"{field} {fault}.");
    }

    /// <summary>
    /// The root itself is the administrator's and may be reached through links; below it there are none.
    /// </summary>
    private static SafeFileHandle? OpenFolder(string folder, string? root, out int errno)
    {
        Libc.OpenHow plain = new() { Flags = OpenPathFolder };
        Libc.OpenHow guarded = new() { Flags = OpenPathFolder, Resolve = NoLinks };
        if (root is null || folder == root)
        {
            return Libc.OpenAt2(Libc.AtCurrentFolder, folder, root is null ? guarded : plain, out errno);
        }

        using SafeFileHandle? start = Libc.OpenAt2(Libc.AtCurrentFolder, root, plain, out errno);
        return start is null
            ? null
            : Libc.OpenAt2((int)start.DangerousGetHandle(), folder[(root.Length + 1)..], guarded, out errno);
    }
}
