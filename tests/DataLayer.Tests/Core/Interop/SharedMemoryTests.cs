using System.Net.Sockets;
using DataLayer.Core.Interop;
using DataLayer.TestSupport;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Tests.Core.Interop;

public sealed unsafe class SharedMemoryTests
{
    [Fact]
    public void A_mapping_shows_what_another_one_wrote_and_cannot_be_cut()
    {
        using SafeFileHandle file = SharedMemoryFile.Create("test", 8192);
        using SharedMapping written = SharedMapping.Map(file, 8192, writable: true);
        using SharedMapping read = SharedMapping.Map(file, 8192, writable: false);
        written.Pointer[8191] = 42;
        Assert.Equal(42, read.Pointer[8191]);
        Assert.True(SharedMemoryFile.IsSealed(file));
        Assert.ThrowsAny<Exception>(() => RandomAccess.SetLength(file, 4096));
    }

    [Fact]
    public void A_descriptor_travels_with_the_first_byte()
    {
        using TempFolder folder = new("descriptors");
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(folder.Combine("s")));
        listener.Listen();
        using Socket from = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        from.Connect(new UnixDomainSocketEndPoint(folder.Combine("s")));
        using Socket to = listener.Accept();
        using SafeFileHandle file = SharedMemoryFile.Create("test", 4096);
        Assert.Equal(3, DescriptorSocket.Send(from, "abc"u8, file, out int errno));
        Assert.Equal(0, errno);
        byte[] bytes = new byte[8];
        Assert.Equal(3, DescriptorSocket.Receive(to, bytes, out SafeFileHandle? came, out bool tooMany, out _));
        Assert.False(tooMany);
        using (came)
        {
            Assert.True(SharedMemoryFile.IsSealed(came!));
        }

        Assert.Equal((Environment.ProcessId, DescriptorSocket.OwnUserId),
            (DescriptorSocket.GetPeer(to).ProcessId, DescriptorSocket.GetPeer(to).UserId));
        from.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, DescriptorSocket.Receive(to, bytes, out _, out _, out _));
    }
}
