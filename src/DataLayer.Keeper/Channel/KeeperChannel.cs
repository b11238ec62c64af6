using System.Net.Sockets;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Interop;
using DataLayer.Keeper.Interop;
using DataLayer.Protocol.Keeper;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Keeper.Channel;

/// <summary>
/// One connection between a keeper and the service: whole frames both ways, each with at most one file descriptor
/// (SCM_RIGHTS, unix(7)). One receiver at a time; senders may be many.
/// </summary>
/// <remarks>
/// A descriptor travels with the first byte of its frame's header, which is how the receiver knows whose it is. A frame
/// that breaks the format ends the connection: nothing after it can be trusted. Descriptors arrive close-on-exec.
/// </remarks>
public sealed class KeeperChannel : IDisposable
{
    /// <summary>How long a peer may leave its socket's buffer full before it counts as dead.</summary>
    private static readonly TimeSpan _sendTimeout = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan _sendRetry = TimeSpan.FromMilliseconds(5);
    private readonly Socket _socket;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _sending = new(1, 1);

    /// <summary>Takes over a connected Unix stream socket.</summary>
    public KeeperChannel(Socket socket, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(socket);
        _socket = socket;
        _time = time ?? TimeProvider.System;
    }

    /// <summary>The user this process runs as.</summary>
    public static uint OwnUserId => DescriptorSocket.OwnUserId;

    /// <summary>Connects to a service's socket.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: nobody listens there. PermissionDenied: it is another
    /// user's.</exception>
    public static async Task<KeeperChannel> ConnectAsync(
        string socketPath, TimeProvider? time, CancellationToken cancellationToken)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken)
                .ConfigureAwait(false);
            return new KeeperChannel(socket, time);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            socket.Dispose();
            throw e is SocketException { SocketErrorCode: SocketError.AccessDenied }
                ? new DataLayerException(
                    ErrorCode.PermissionDenied,
                    $"The keeper's socket '{socketPath}' belongs to another user. Run as the service's user or as "
                    + "root.", e)
                : new DataLayerException(
                    ErrorCode.OriginUnavailable,
                    $"No service listens on the keeper's socket '{socketPath}': {e.Message} Start it with 'datalayer "
                    + "serve', or name the right one.", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The user at the other end, by SO_PEERCRED: who connected, as the kernel saw it then.</summary>
    public (int ProcessId, uint UserId) GetPeer()
    {
        try
        {
            (int process, uint user, _) = DescriptorSocket.GetPeer(_socket);
            return (process, user);
        }
        catch (SocketException e)
        {
            throw FailedCall.Fault(e.NativeErrorCode, "getsockopt of SO_PEERCRED", "Connect with a Unix socket.");
        }
    }

    /// <summary>Sends a frame. The descriptor stays the caller's; the other end gets its own.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: the connection is over, or the peer does not read.
    /// InvalidArgument: the payload is too long.</exception>
    public async ValueTask SendAsync(
        KeeperFrameKind kind, ReadOnlyMemory<byte> payload, SafeFileHandle? descriptor,
        CancellationToken cancellationToken)
    {
        if (payload.Length > KeeperFrameHeader.MaxPayloadBytes)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"A payload of {payload.Length} bytes does not fit a keeper's frame.");
        }

        byte[] frame = new byte[KeeperFrameHeader.SizeBytes + payload.Length];
        new KeeperFrameHeader(kind, payload.Length, descriptor is null ? 0 : 1).Write(frame);
        payload.CopyTo(frame.AsMemory(KeeperFrameHeader.SizeBytes));
        await _sending.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await SendWholeAsync(frame, descriptor, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw Gone(e);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>The next frame; null where the other end closed the connection between two frames.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: the connection broke. InvalidArgument or NotSupported:
    /// what came is not a frame of this version; the connection is of no use any more.</exception>
    public async ValueTask<KeeperFrame?> ReceiveAsync(CancellationToken cancellationToken)
    {
        byte[] header = new byte[KeeperFrameHeader.SizeBytes];
        SafeFileHandle? descriptor = null;
        try
        {
            (bool whole, descriptor) = await FillAsync(header, cancellationToken).ConfigureAwait(false);
            if (!whole)
            {
                return null;
            }

            KeeperFrameHeader read = KeeperFrameHeader.Read(header);
            if ((descriptor is null ? 0 : 1) != read.DescriptorCount)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                    $"The frame {read.Kind} on the keeper's socket claims {read.DescriptorCount} descriptors and came "
                    + $"with {(descriptor is null ? "none" : "one")}.");
            }

            byte[] payload = new byte[read.PayloadBytes];
            if (payload.Length > 0)
            {
                (whole, SafeFileHandle? stray) = await FillAsync(payload, cancellationToken).ConfigureAwait(false);
                if (stray is not null || !whole)
                {
                    stray?.Dispose();
                    throw stray is not null
                        ? new DataLayerException(
                            ErrorCode.InvalidArgument, "A descriptor came in the middle of a keeper's frame.")
                        : Gone(null);
                }
            }

            KeeperFrame frame = new(read.Kind, payload, descriptor);
            descriptor = null;
            return frame;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw Gone(e);
        }
        finally
        {
            descriptor?.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private async ValueTask SendWholeAsync(
        byte[] frame, SafeFileHandle? descriptor, CancellationToken cancellationToken)
    {
        // The descriptor goes with the first byte that is taken; whatever the socket has no room for follows without.
        int sent = 0;
        long start = _time.GetTimestamp();
        while (sent < frame.Length)
        {
            int count = DescriptorSocket.Send(
                _socket, frame.AsSpan(sent), sent == 0 ? descriptor : null, out int errno);
            if (count >= 0)
            {
                sent += count;
            }
            else if (errno == Errno.TryAgain && _time.GetElapsedTime(start) < _sendTimeout)
            {
                await Task.Delay(_sendRetry, _time, cancellationToken).ConfigureAwait(false);
            }
            else if (errno != Errno.Interrupted)
            {
                throw Gone(new SocketException(errno, Marshal.GetPInvokeErrorMessage(errno)));
            }
        }
    }

    /// <summary>Reads until the buffer is full; false where the connection ended before the first byte.</summary>
    private async ValueTask<(bool Whole, SafeFileHandle? Descriptor)> FillAsync(
        byte[] buffer, CancellationToken cancellationToken)
    {
        SafeFileHandle? descriptor = null;
        try
        {
            int filled = 0;
            while (filled < buffer.Length)
            {
                int count = ReceiveSome(buffer.AsSpan(filled), ref descriptor, out int errno);
                if (count > 0)
                {
                    filled += count;
                }
                else if (count == 0)
                {
                    return filled == 0 ? (false, Take(ref descriptor)) : throw Gone(null);
                }
                else if (errno == Errno.TryAgain)
                {
                    // A read of nothing completes when there is something: no thread waits.
                    await _socket.ReceiveAsync(Memory<byte>.Empty, cancellationToken).ConfigureAwait(false);
                }
                else if (errno != Errno.Interrupted)
                {
                    throw Gone(new SocketException(errno, Marshal.GetPInvokeErrorMessage(errno)));
                }
            }

            return (true, Take(ref descriptor));
        }
        finally
        {
            descriptor?.Dispose();
        }
    }

    private static SafeFileHandle? Take(ref SafeFileHandle? descriptor)
    {
        SafeFileHandle? taken = descriptor;
        descriptor = null;
        return taken;
    }

    private int ReceiveSome(Span<byte> bytes, ref SafeFileHandle? descriptor, out int errno)
    {
        int count = DescriptorSocket.Receive(
            _socket, bytes, out SafeFileHandle? came, out bool isTooMany, out errno);
        if (isTooMany || (came is not null && descriptor is not null))
        {
            came?.Dispose();
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "More than one descriptor came with a frame of the keeper's socket.");
        }

        descriptor ??= came;
        return count;
    }

    private static DataLayerException Gone(Exception? inner) => new(
        ErrorCode.OriginUnavailable,
        "The connection between keeper and service ended" + (inner is null ? "." : $": {inner.Message}"), inner);
}
