using System.Net;
using System.Net.Sockets;

namespace DataLayer.TestSupport;

/// <summary>Ports on loopback for servers that cannot be told to choose one themselves.</summary>
public static class FreePort
{
    /// <summary>A TCP port that was free a moment ago.</summary>
    public static int Next()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
