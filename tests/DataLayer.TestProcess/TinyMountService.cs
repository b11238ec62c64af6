using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using DataLayer.Keeper.Channel;
using DataLayer.Protocol.Keeper;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.TestProcess;

/// <summary>
/// The smallest service that can take a mount over: it listens for keepers and answers the kernel with one folder that holds the
/// file <c>data</c>, whose bytes are a function of their offsets. For the tests of the keeper, which must not depend on the
/// real file system's semantics. Structures and numbers: linux/fuse.h of Linux 6.18, protocol 7.45.
/// </summary>
internal static partial class TinyMountService
{
    /// <summary>Length of the file <c>data</c>, bytes.</summary>
    internal const long DataBytes = 64L << 20;

    private const ulong Root = 1;
    private const ulong File = 2;
    private const int NoEntry = -2;
    private const int NotSupported = -38;
    private const int InHeaderBytes = 40;
    private const int NotifyResend = 7;
    private const int ServingThreads = 2;
    private const int MaxRequestBytes = 1 << 20;

    /// <summary>Takes mounts until it is killed.</summary>
    internal static async Task RunAsync(string socketPath, TextWriter output)
    {
        System.IO.File.Delete(socketPath);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(socketPath));
        listener.Listen();
        await output.WriteLineAsync("ready");
        await output.FlushAsync();
        while (true)
        {
            var channel = new KeeperChannel(await listener.AcceptAsync());
            _ = Task.Run(() => ServeAsync(channel));
        }
    }

    /// <summary>The byte of <c>data</c> at an offset.</summary>
    private static byte ByteAt(long offset) => (byte)((offset * 31) ^ (offset >> 12));

    private static async Task ServeAsync(KeeperChannel channel)
    {
        using var frame = await channel.ReceiveAsync(default) ?? throw new InvalidOperationException("no hello");
        var hello = KeeperPayload.Read(frame.Payload.Span, KeeperJson.Default.KeeperHello);
        var device = frame.TakeDescriptor();
        if (hello.Negotiated.Length > 0)
        {
            await WelcomeAsync(channel);
            var resend = new byte[16];
            BinaryPrimitives.WriteInt32LittleEndian(resend, resend.Length);
            BinaryPrimitives.WriteInt32LittleEndian(resend.AsSpan(4), NotifyResend);
            Write(device, resend);
        }

        var threads = Enumerable.Range(0, ServingThreads).Select(_ => Task.Factory.StartNew(
            () => Serve(device, channel), TaskCreationOptions.LongRunning)).ToArray();
        _ = Task.Run(async () =>
        {
            // The keeper's end closes the connection: the descriptor goes, and with it the mount.
            using var next = await channel.ReceiveAsync(default);
            device.Dispose();
        });
        await Task.WhenAll(threads);
        await channel.SendAsync(KeeperFrameKind.Ended, default, null, default);
    }

    private static void Serve(SafeFileHandle device, KeeperChannel channel)
    {
        var request = new byte[MaxRequestBytes + 4096];
        while (true)
        {
            var length = Read(device, request, (nuint)request.Length);
            if (length < 0)
            {
                const int interrupted = 4;
                const int noEntry = 2;
                var errno = Marshal.GetLastPInvokeError();
                if (errno is interrupted or noEntry)
                {
                    continue;
                }

                return;
            }

            Answer(device, channel, request.AsSpan(0, (int)length));
        }
    }

    private static void Answer(SafeFileHandle device, KeeperChannel channel, ReadOnlySpan<byte> request)
    {
        var opcode = BinaryPrimitives.ReadUInt32LittleEndian(request[4..]);
        var unique = BinaryPrimitives.ReadUInt64LittleEndian(request[8..]);
        var node = BinaryPrimitives.ReadUInt64LittleEndian(request[16..]);
        var body = request[InHeaderBytes..];
        switch (opcode)
        {
            case 1: // LOOKUP
                var isFile = node == Root && body.StartsWith("data\0"u8);
                Reply(device, unique, isFile ? 0 : NoEntry, isFile ? Entry() : []);
                break;
            case 2 or 36 or 42: // FORGET, INTERRUPT, BATCH_FORGET: no answer
                break;
            case 3: // GETATTR: attr_valid, dummy, attr
                Reply(device, unique, 0, [.. new byte[16], .. Attributes(node)]);
                break;
            case 14 or 27: // OPEN, OPENDIR: FOPEN_DIRECT_IO (1) makes every read of the file a request
                var open = new byte[16];
                open[8] = (byte)(opcode == 14 ? 1 : 0);
                Reply(device, unique, 0, open);
                break;
            case 15: // READ
                Reply(device, unique, 0, Content(body));
                break;
            case 26: // INIT
                Negotiate(device, channel, unique, body);
                break;
            case 28: // READDIR: at its end
                Reply(device, unique, 0, []);
                break;
            case 18 or 25 or 29: // RELEASE, FLUSH, RELEASEDIR
                Reply(device, unique, 0, []);
                break;
            default:
                Reply(device, unique, NotSupported, []);
                break;
        }
    }

    private static void Negotiate(SafeFileHandle device, KeeperChannel channel, ulong unique, ReadOnlySpan<byte> body)
    {
        const uint initExtended = 1u << 30;
        const uint hasResend = 1u << 7;
        var answer = new byte[64];
        BinaryPrimitives.WriteUInt32LittleEndian(answer, 7);
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(4), Math.Min(45, BinaryPrimitives.ReadUInt32LittleEndian(body[4..])));
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(8), 1 << 20);
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(12), initExtended);
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(20), 4096);
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(24), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(32), hasResend);
        Reply(device, unique, 0, answer);
        var kept = KeeperPayload.Write(new KeeperNegotiated { Negotiated = answer }, KeeperJson.Default.KeeperNegotiated);
        channel.SendAsync(KeeperFrameKind.Negotiated, kept, null, default).AsTask().GetAwaiter().GetResult();
        WelcomeAsync(channel).AsTask().GetAwaiter().GetResult();
    }

    private static ValueTask WelcomeAsync(KeeperChannel channel) => channel.SendAsync(
        KeeperFrameKind.Welcome,
        KeeperPayload.Write(new KeeperWelcome { Ok = true, ServiceProcessId = Environment.ProcessId }, KeeperJson.Default.KeeperWelcome),
        null, default);

    private static byte[] Content(ReadOnlySpan<byte> body)
    {
        var offset = BinaryPrimitives.ReadInt64LittleEndian(body[8..]);
        var count = (int)Math.Clamp(DataBytes - offset, 0, BinaryPrimitives.ReadUInt32LittleEndian(body[16..]));
        var bytes = new byte[count];
        for (var i = 0; i < count; i++)
        {
            bytes[i] = ByteAt(offset + i);
        }

        return bytes;
    }

    // fuse_entry_out: node, generation, validities of entry and attributes (zero: ask again each time), attributes.
    private static byte[] Entry()
    {
        var entry = new byte[40];
        BinaryPrimitives.WriteUInt64LittleEndian(entry, File);
        return [.. entry, .. Attributes(File)];
    }

    private static byte[] Attributes(ulong node)
    {
        const uint folder = 0x41ED; // S_IFDIR | 0755
        const uint regular = 0x81A4; // S_IFREG | 0644
        var attributes = new byte[88];
        BinaryPrimitives.WriteUInt64LittleEndian(attributes, node);
        BinaryPrimitives.WriteInt64LittleEndian(attributes.AsSpan(8), node == File ? DataBytes : 0);
        BinaryPrimitives.WriteUInt32LittleEndian(attributes.AsSpan(60), node == File ? regular : folder);
        BinaryPrimitives.WriteUInt32LittleEndian(attributes.AsSpan(64), node == File ? 1u : 2u);
        return attributes;
    }

    private static void Reply(SafeFileHandle device, ulong unique, int error, ReadOnlySpan<byte> body)
    {
        var reply = new byte[16 + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(reply, reply.Length);
        BinaryPrimitives.WriteInt32LittleEndian(reply.AsSpan(4), error);
        BinaryPrimitives.WriteUInt64LittleEndian(reply.AsSpan(8), unique);
        body.CopyTo(reply.AsSpan(16));
        Write(device, reply);
    }

    private static void Write(SafeFileHandle device, byte[] bytes) => _ = Write(device, bytes, (nuint)bytes.Length);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(SafeFileHandle file, byte[] buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(SafeFileHandle file, byte[] buffer, nuint count);
}
