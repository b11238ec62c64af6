using System.Net.Sockets;
using DataLayer.Core.Errors;
using DataLayer.Keeper.Channel;
using DataLayer.Protocol.Keeper;
using DataLayer.TestSupport;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Tests.Keeper;

public sealed class KeeperChannelTests : IDisposable
{
    private readonly TempFolder _folder = new("channel");
    private readonly Socket _rawSocket;
    private readonly KeeperChannel _left;
    private readonly KeeperChannel _right;

    public KeeperChannelTests()
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(_folder.Combine("s")));
        listener.Listen();
        _rawSocket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _rawSocket.Connect(new UnixDomainSocketEndPoint(_folder.Combine("s")));
        _left = new KeeperChannel(_rawSocket);
        _right = new KeeperChannel(listener.Accept());
    }

    [Fact]
    public async Task A_descriptor_arrives_as_the_same_open_file_both_ways()
    {
        string path = _folder.Combine("file");
        await File.WriteAllTextAsync(path, "the content");
        using SafeFileHandle file = File.OpenHandle(path);
        foreach ((KeeperChannel from, KeeperChannel to) in new[] { (_left, _right), (_right, _left) })
        {
            await from.SendAsync(KeeperFrameKind.BackingOpen, "{}"u8.ToArray(), file, default);
            using KeeperFrame frame = (await to.ReceiveAsync(default))!;
            using SafeFileHandle received = frame.TakeDescriptor();

            byte[] bytes = new byte[11];
            Assert.Equal(11, RandomAccess.Read(received, bytes, 0));
            Assert.Equal("the content"u8.ToArray(), bytes);
            Assert.NotEqual(file.DangerousGetHandle(), received.DangerousGetHandle());
        }
    }

    [Fact]
    public async Task Frames_arrive_whole_in_order_and_each_with_its_own_descriptor()
    {
        string[] names = ["a", "b", "c"];
        foreach (string name in names)
        {
            await File.WriteAllTextAsync(_folder.Combine(name), name);
            using SafeFileHandle file = File.OpenHandle(_folder.Combine(name));
            await _left.SendAsync(KeeperFrameKind.BackingOpen, new byte[30_000], file, default);
            await _left.SendAsync(KeeperFrameKind.Ping, default, null, default);
        }

        foreach (string name in names)
        {
            using KeeperFrame frame = (await _right.ReceiveAsync(default))!;
            using SafeFileHandle received = frame.TakeDescriptor();
            byte[] bytes = new byte[4];
            Assert.Equal(1, RandomAccess.Read(received, bytes, 0));
            Assert.Equal(name[0], (char)bytes[0]);
            Assert.Equal(30_000, frame.Payload.Length);
            using KeeperFrame ping = (await _right.ReceiveAsync(default))!;
            Assert.Equal(KeeperFrameKind.Ping, ping.Kind);
            Assert.Throws<DataLayerException>(ping.TakeDescriptor);
        }
    }

    [Fact]
    public async Task A_frame_larger_than_the_sockets_buffer_waits_for_its_reader()
    {
        _rawSocket.SendBufferSize = 4096;
        byte[] payload = new byte[KeeperFrameHeader.MaxPayloadBytes];
        new Random(7).NextBytes(payload);
        Task sending = _left.SendAsync(KeeperFrameKind.Hello, payload, null, default).AsTask();

        using KeeperFrame frame = (await _right.ReceiveAsync(default))!;
        await sending;
        Assert.True(frame.Payload.Span.SequenceEqual(payload));
    }

    [Fact]
    public async Task An_end_between_frames_is_an_end_and_inside_one_a_fault()
    {
        byte[] header = new byte[KeeperFrameHeader.SizeBytes];
        new KeeperFrameHeader(KeeperFrameKind.Hello, 100, 0).Write(header);
        await _left.SendAsync(KeeperFrameKind.Ping, default, null, default);
        await _rawSocket.SendAsync(header);
        await _rawSocket.SendAsync(new byte[99]);
        _left.Dispose();

        using KeeperFrame? first = await _right.ReceiveAsync(default);
        Assert.NotNull(first);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await _right.ReceiveAsync(default));
        Assert.Equal(ErrorCode.OriginUnavailable, fault.Code);
    }

    [Fact]
    public async Task A_closed_connection_ends_without_a_fault()
    {
        _left.Dispose();
        Assert.Null(await _right.ReceiveAsync(default));
    }

    [Fact]
    public async Task Sending_to_a_closed_connection_is_a_fault_and_no_signal()
    {
        _right.Dispose();
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await _left.SendAsync(KeeperFrameKind.Ping, default, null, default));
        Assert.Equal(ErrorCode.OriginUnavailable, fault.Code);
    }

    [Fact]
    public async Task Bytes_of_another_protocol_are_refused_before_anything_is_read()
    {
        await _rawSocket.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await _right.ReceiveAsync(default));
        Assert.Contains("not one of ours", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_frame_that_claims_a_descriptor_and_brings_none_is_refused()
    {
        byte[] header = new byte[KeeperFrameHeader.SizeBytes];
        new KeeperFrameHeader(KeeperFrameKind.Hello, 0, 1).Write(header);
        await _rawSocket.SendAsync(header);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await _right.ReceiveAsync(default));
        Assert.Contains("came with none", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_descriptor_that_nobody_takes_is_closed_with_its_frame()
    {
        int before = Directory.GetFileSystemEntries("/proc/self/fd").Length;
        using SafeFileHandle file = File.OpenHandle(_folder.Combine("s-file"), FileMode.Create, FileAccess.Write);
        for (int i = 0; i < 50; i++)
        {
            await _left.SendAsync(KeeperFrameKind.BackingOpen, default, file, default);
            (await _right.ReceiveAsync(default))!.Dispose();
        }

        // Tests run side by side; fifty leaked descriptors would stand out of whatever else opens and closes.
        Assert.InRange(Directory.GetFileSystemEntries("/proc/self/fd").Length, 0, before + 40);
    }

    [Fact]
    public async Task Waiting_for_a_frame_can_be_given_up()
    {
        using CancellationTokenSource stop = new();
        Task<KeeperFrame?> waiting = _right.ReceiveAsync(stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public void The_peer_is_who_the_kernel_says_it_is()
    {
        (int process, uint user) = _right.GetPeer();
        Assert.Equal(Environment.ProcessId, process);
        Assert.Equal(Environment.IsPrivilegedProcess, user == 0);
    }

    [Fact]
    public async Task No_service_at_the_socket_is_a_fault_with_the_remedy()
    {
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            () => KeeperChannel.ConnectAsync(_folder.Combine("nobody"), time: null, CancellationToken.None));
        Assert.Equal(ErrorCode.OriginUnavailable, fault.Code);
        Assert.Contains("datalayer serve", fault.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _left.Dispose();
        _right.Dispose();
        _folder.Dispose();
    }
}
