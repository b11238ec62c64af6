using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Core.Interop;

/// <summary>
/// Bytes and file descriptors over a Unix stream socket (SCM_RIGHTS, unix(7)), without waiting: what cannot be done at
/// once fails with EAGAIN. Structures are those of 64-bit Linux.
/// </summary>
public static unsafe partial class DescriptorSocket
{
    private const int DontWait = 0x40;
    private const int NoSignal = 0x4000;
    private const int ControlTruncated = 8;
    private const int CloseOnExec = 0x4000_0000;
    private const int SocketLevel = 1;
    private const int ScmRights = 1;
    private const int PeerCredentialsOption = 17;

    /// <summary>The user this process runs as.</summary>
    public static uint OwnUserId => GetUserId();

    /// <summary>The process and user at the other end, by SO_PEERCRED: who connected, as the kernel saw it.</summary>
    /// <exception cref="SocketException">It is no Unix socket, or not connected.</exception>
    public static (int ProcessId, uint UserId, uint GroupId) GetPeer(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        PeerCredentials peer = default;
        uint length = (uint)sizeof(PeerCredentials);
        using Held held = new(socket.SafeHandle);
        return GetSocketOption(held.Number, SocketLevel, PeerCredentialsOption, &peer, &length) == 0
            ? (peer.ProcessId, peer.UserId, peer.GroupId)
            : throw new SocketException(Marshal.GetLastPInvokeError());
    }

    /// <summary>Sends as many bytes as the socket takes now; a descriptor goes with the first of them.</summary>
    /// <param name="socket">A connected Unix stream socket.</param>
    /// <param name="bytes">What to send, at least a byte.</param>
    /// <param name="descriptor">What goes with it; stays the caller's. Null for none.</param>
    /// <param name="errno">What went wrong; 0 where nothing did.</param>
    /// <returns>How many bytes went; −1 with an errno.</returns>
    public static int Send(Socket socket, ReadOnlySpan<byte> bytes, SafeFileHandle? descriptor, out int errno)
    {
        ArgumentNullException.ThrowIfNull(socket);
        using Held held = new(socket.SafeHandle);
        using Held attached = new(descriptor);
        fixed (byte* start = bytes)
        {
            IoVector vector = new() { Base = start, Length = (nuint)bytes.Length };
            MessageHeader message = new() { Vectors = &vector, VectorCount = 1 };
            DescriptorMessage control = default;
            if (descriptor is not null)
            {
                control.Length = (nuint)(sizeof(DescriptorMessage) - sizeof(int));
                control.Level = SocketLevel;
                control.Type = ScmRights;
                control.Descriptor = attached.Number;
                message.Control = &control;
                message.ControlLength = (nuint)sizeof(DescriptorMessage);
            }

            nint count = SendMessage(held.Number, &message, DontWait | NoSignal);
            errno = count < 0 ? Marshal.GetLastPInvokeError() : 0;
            return (int)count;
        }
    }

    /// <summary>Takes what has come, and a descriptor that came with it (close-on-exec).</summary>
    /// <param name="socket">A connected Unix stream socket.</param>
    /// <param name="bytes">Room, at least a byte.</param>
    /// <param name="descriptor">What came; the caller's. Null for none.</param>
    /// <param name="isTooMany">Whether more than one descriptor came; then all of them are closed.</param>
    /// <param name="errno">What went wrong; 0 where nothing did.</param>
    /// <returns>How many bytes came; 0 where the other end closed; −1 with an errno.</returns>
    public static int Receive(
        Socket socket, Span<byte> bytes, out SafeFileHandle? descriptor, out bool isTooMany, out int errno)
    {
        ArgumentNullException.ThrowIfNull(socket);
        descriptor = null;
        isTooMany = false;
        using Held held = new(socket.SafeHandle);
        fixed (byte* start = bytes)
        {
            IoVector vector = new() { Base = start, Length = (nuint)bytes.Length };
            DescriptorMessage control = default;
            MessageHeader message = new()
            {
                Vectors = &vector,
                VectorCount = 1,
                Control = &control,
                ControlLength = (nuint)sizeof(DescriptorMessage),
            };
            nint count = ReceiveMessage(held.Number, &message, DontWait | CloseOnExec);
            errno = count < 0 ? Marshal.GetLastPInvokeError() : 0;
            nuint one = (nuint)(sizeof(DescriptorMessage) - sizeof(int));
            if (count >= 0 && message.ControlLength >= one && control.Level == SocketLevel && control.Type == ScmRights)
            {
                descriptor = new SafeFileHandle(control.Descriptor, ownsHandle: true);

                // The control buffer has room for two (CMSG_SPACE rounds up); the kernel closes what does not fit.
                bool second = control.Length >= one + sizeof(int);
                if (second)
                {
                    new SafeFileHandle(control.Padding, ownsHandle: true).Dispose();
                }

                isTooMany = second || (message.Flags & ControlTruncated) != 0;
                if (isTooMany)
                {
                    descriptor.Dispose();
                    descriptor = null;
                }
            }

            return (int)count;
        }
    }

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint SendMessage(int socket, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    private static partial nint ReceiveMessage(int socket, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    private static partial int GetSocketOption(int socket, int level, int option, void* value, uint* length);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint GetUserId();

    /// <summary>A handle that nobody closes meanwhile.</summary>
    private readonly ref struct Held
    {
        private readonly SafeHandle? _handle;

        public Held(SafeHandle? handle)
        {
            bool added = false;
            handle?.DangerousAddRef(ref added);
            _handle = added ? handle : null;
        }

        public int Number => (int)(_handle?.DangerousGetHandle() ?? -1);

        public void Dispose() => _handle?.DangerousRelease();
    }

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct IoVector
    {
        public void* Base;
        public nuint Length;
    }

    /// <summary>struct msghdr of 64-bit glibc and, on little-endian machines, musl.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHeader
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary>struct cmsghdr with one descriptor behind it: CMSG_SPACE(4) is 24, CMSG_LEN(4) is 20.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct DescriptorMessage
    {
        public nuint Length;
        public int Level;
        public int Type;
        public int Descriptor;
        public int Padding;
    }

    /// <summary>struct ucred.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PeerCredentials
    {
        public int ProcessId;
        public uint UserId;
        public uint GroupId;
    }
}
