using System.Net.Sockets;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Keeper;

namespace DataLayer.Server.Hosting;

/// <summary>Listens on a Unix stream socket in the state folder, whose lock makes this the only listener.</summary>
internal static class UnixListener
{
    /// <summary>Replaces what lies at the path, perhaps the socket of a killed service, and listens.</summary>
    /// <param name="path">Where.</param>
    /// <param name="mode">Who may connect.</param>
    /// <param name="whose">What the error of a path that is too long begins with: <c>The feeds'</c>.</param>
    /// <param name="remedy">What that error ends with.</param>
    /// <exception cref="DataLayerException">NameTooLong.</exception>
    /// <exception cref="SocketException">It cannot be bound.</exception>
    public static Socket Listen(string path, UnixFileMode mode, string whose, string remedy)
    {
        int length = Encoding.UTF8.GetByteCount(path);
        if (length > MountKeeperOptions.MaxSocketPathBytes)
        {
            throw new DataLayerException(
                ErrorCode.NameTooLong,
                $"{whose} socket '{path}' has a path of {length} bytes; the kernel takes at most "
                + $"{MountKeeperOptions.MaxSocketPathBytes}. {remedy}");
        }

        File.Delete(path);
        Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(path));
            File.SetUnixFileMode(path, mode);
            listener.Listen();
            return listener;
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }
}
