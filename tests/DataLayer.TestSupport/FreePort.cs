using System.Net;
using System.Net.Sockets;

namespace DataLayer.TestSupport;

/// <summary>Finds TCP ports that nobody listens on, for servers that cannot be told to choose one themselves (port 0 is better).</summary>
public static class FreePort
{
    /// <summary>One port on loopback that was free a moment ago.</summary>
    public static int Next() => Next(1)[0];

    /// <summary>Several different ports that were free a moment ago.</summary>
    public static int[] Next(int count)
    {
        var listeners = new TcpListener[count];
        var ports = new int[count];
        for (var i = 0; i < count; i++)
        {
            listeners[i] = new TcpListener(IPAddress.Loopback, 0);
            listeners[i].Start();
            ports[i] = ((IPEndPoint)listeners[i].LocalEndpoint).Port;
        }

        foreach (var listener in listeners)
        {
            listener.Dispose();
        }

        return ports;
    }
}
