using System.Net.Sockets;
using DataLayer.Core.Errors;
using DataLayer.Core.Interop;
using DataLayer.Engine.Feeds.Serving;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Server.Feeds;

/// <summary>Frames over a Unix socket, with the descriptors of slabs.</summary>
internal sealed class SocketFeedWire(Socket socket, TimeProvider time) : FeedWire
{
    private static readonly TimeSpan _retry = TimeSpan.FromMilliseconds(5);

    /// <summary>What has come: several releases are one call of the kernel.</summary>
    private readonly byte[] _ahead = new byte[1024];
    private int _from;
    private int _to;

    /// <inheritdoc/>
    public override bool HasSharedMemory => true;

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        socket.Dispose();
        return base.DisposeAsync();
    }

    /// <inheritdoc/>
    protected override async ValueTask SendBytesAsync(
        ReadOnlyMemory<byte> bytes, Slab? descriptor, CancellationToken cancellationToken)
    {
        // The frames under way are few and short: the socket's buffer has room unless the client does not read.
        int sent = 0;
        long start = time.GetTimestamp();
        while (sent < bytes.Length)
        {
            int count = Send(bytes.Span[sent..], sent == 0 ? descriptor?.File : null, out int errno);
            if (count > 0)
            {
                sent += count;
                start = time.GetTimestamp();
            }
            else if (errno == Errno.TryAgain && time.GetElapsedTime(start) < SendTimeout)
            {
                await Task.Delay(_retry, time, cancellationToken);
            }
            else if (errno != Errno.Interrupted)
            {
                throw Gone(new SocketException(errno));
            }
        }
    }

    /// <inheritdoc/>
    protected override async ValueTask<bool> FillAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int filled = 0;
        while (filled < buffer.Length)
        {
            if (_from < _to)
            {
                int part = Math.Min(buffer.Length - filled, _to - _from);
                _ahead.AsSpan(_from, part).CopyTo(buffer.Span[filled..]);
                _from += part;
                filled += part;
                continue;
            }

            int count = Receive(_ahead, out int errno);
            if (count > 0)
            {
                (_from, _to) = (0, count);
            }
            else if (count == 0)
            {
                return filled == 0 ? false : throw Gone(null);
            }
            else if (errno == Errno.TryAgain)
            {
                await WaitAsync(cancellationToken);
            }
            else if (errno != Errno.Interrupted)
            {
                throw Gone(new SocketException(errno));
            }
        }

        return true;
    }

    private int Send(ReadOnlySpan<byte> bytes, SafeFileHandle? descriptor, out int errno)
    {
        try
        {
            return DescriptorSocket.Send(socket, bytes, descriptor, out errno);
        }
        catch (ObjectDisposedException e)
        {
            throw Gone(e);
        }
    }

    private int Receive(Span<byte> bytes, out int errno)
    {
        int count;
        SafeFileHandle? descriptor;
        bool isTooMany;
        try
        {
            count = DescriptorSocket.Receive(socket, bytes, out descriptor, out isTooMany, out errno);
        }
        catch (ObjectDisposedException e)
        {
            throw Gone(e);
        }

        if (descriptor is not null || isTooMany)
        {
            descriptor?.Dispose();
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "A client sent a descriptor over the feed's socket: only the service does.");
        }

        return count;
    }

    /// <summary>
    /// Waits until there is something to read: a read of nothing completes then, and no thread waits.
    /// </summary>
    private async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            await socket.ReceiveAsync(Memory<byte>.Empty, cancellationToken);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw Gone(e);
        }
    }
}
