using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DataLayer.Core.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Tests.Feeds;

/// <summary>A client of the feed socket as docs/FORMATS/feed.md describes it, byte by byte; every wait has an end.</summary>
internal sealed class FeedSocketClient : IDisposable
{
    private const int PatienceMicroseconds = 30_000_000;
    private readonly Dictionary<uint, SharedMapping> _slabs = [];

    public FeedSocketClient(string path)
    {
        Socket.Connect(new UnixDomainSocketEndPoint(path));
    }

    public Socket Socket { get; } = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    /// <summary>How many slabs came, replaced ones included.</summary>
    public int SlabCount { get; private set; }

    public void Send(byte kind, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[12 + payload.Length];
        "DLFD"u8.CopyTo(frame);
        BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(4), payload.Length);
        (frame[8], frame[9]) = (1, kind);
        payload.CopyTo(frame.AsSpan(12));
        for (int sent = 0; sent < frame.Length;)
        {
            sent += Socket.Send(frame.AsSpan(sent));
        }
    }

    public void Send(byte kind, string json) => Send(kind, Encoding.UTF8.GetBytes(json));

    public void Release(long sequence)
    {
        byte[] payload = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(payload, sequence);
        Send(7, payload);
    }

    /// <summary>Hello and Welcome.</summary>
    public JsonElement Greet(string? token = null)
    {
        Send(1, token is null ? "{\"client\":\"test/1\"}" : $"{{\"client\":\"test/1\",\"token\":\"{token}\"}}");
        return Expect(2);
    }

    /// <summary>Open and Opened.</summary>
    public JsonElement Open(string json)
    {
        Send(3, json);
        return Expect(4);
    }

    public JsonElement Expect(byte kind)
    {
        (byte came, byte[] payload) = Receive();
        Assert.True(came == kind, $"Frame {came} came, not {kind}: {Encoding.UTF8.GetString(payload)}");
        return JsonDocument.Parse(payload.Length == 0 ? "{}"u8.ToArray() : payload).RootElement;
    }

    /// <summary>The next batch; null at the end.</summary>
    public unsafe FeedPage? Next()
    {
        while (true)
        {
            (byte kind, byte[] payload) = Receive();
            if (kind == 8)
            {
                return null;
            }

            Assert.True(kind is 5 or 6, $"Frame {kind} came: {Encoding.UTF8.GetString(payload)}");
            if (kind == 6)
            {
                uint slab = BinaryPrimitives.ReadUInt32LittleEndian(payload);
                long length = BinaryPrimitives.ReadInt64LittleEndian(payload.AsSpan(8));
                return slab == uint.MaxValue
                    ? new FeedPage(payload.AsSpan(16, (int)length))
                    : new FeedPage(new ReadOnlySpan<byte>(_slabs[slab].Pointer, (int)length));
            }
        }
    }

    /// <summary>The next frame; kind 0 where the service closed.</summary>
    public (byte Kind, byte[] Payload) Receive()
    {
        byte[] header = new byte[12];
        SafeFileHandle? file = Fill(header, mayEnd: true);
        if (header[9] == 0)
        {
            return (0, []);
        }

        Assert.Equal("DLFD", Encoding.ASCII.GetString(header, 0, 4));
        Assert.Equal((1, 0, file is null ? 0 : 1), (header[8], header[11], header[10]));
        byte[] payload = new byte[BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(4))];
        Fill(payload, mayEnd: false);
        if (header[9] == 5)
        {
            uint slab = BinaryPrimitives.ReadUInt32LittleEndian(payload);
            long length = BinaryPrimitives.ReadInt64LittleEndian(payload.AsSpan(8));
            Assert.True(SharedMemoryFile.IsSealed(file!));
            Assert.Equal(length, RandomAccess.GetLength(file!));
            if (_slabs.Remove(slab, out SharedMapping? former))
            {
                former.Dispose();
            }

            _slabs[slab] = SharedMapping.Map(file!, length, writable: false);
            SlabCount++;
        }

        file?.Dispose();
        return (header[9], payload);
    }

    public void Dispose()
    {
        Socket.Dispose();
        foreach (SharedMapping slab in _slabs.Values)
        {
            slab.Dispose();
        }
    }

    private SafeFileHandle? Fill(byte[] buffer, bool mayEnd)
    {
        SafeFileHandle? file = null;
        for (int filled = 0; filled < buffer.Length;)
        {
            Assert.True(Socket.Poll(PatienceMicroseconds, SelectMode.SelectRead), "The service says nothing.");
            int count = DescriptorSocket.Receive(Socket, buffer.AsSpan(filled), out SafeFileHandle? came, out _, out int errno);
            file ??= came;
            Assert.True(count > 0 || (mayEnd && filled == 0), $"The service closed in the middle of a frame (errno {errno}).");
            if (count <= 0)
            {
                return null;
            }

            filled += count;
        }

        return file;
    }
}
