using System.Net.Sockets;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Client.Feeds.Connections;

/// <summary>
/// Bytes both ways, of a feed's socket or of an upgraded connection. One receiver and one sender at a time.
/// </summary>
internal abstract class FeedTransport : IDisposable
{
    /// <summary>Takes the descriptor that came with the bytes received so far; null for none.</summary>
    public virtual SafeFileHandle? TakeDescriptor() => null;

    /// <summary>Receives until the buffer is full; false where the other end closed before the first byte.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: the connection broke.</exception>
    public async ValueTask<bool> FillAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int filled = 0;
        try
        {
            while (filled < buffer.Length)
            {
                int count = await ReceiveAsync(buffer[filled..], cancellationToken).ConfigureAwait(false);
                if (count == 0)
                {
                    return filled == 0 ? false : throw Gone(null);
                }

                filled += count;
            }

            return true;
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            throw Gone(e);
        }
    }

    /// <summary>Sends all bytes.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: the connection broke.</exception>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            await SendAllAsync(bytes, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            throw Gone(e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>The fault of a connection that ended.</summary>
    public static DataLayerException Gone(Exception? inner) => new(
        ErrorCode.OriginUnavailable,
        "The connection to the service ended" + (inner is null ? "." : $": {inner.Message}"), inner);

    /// <summary>Receives at least a byte; 0 at the end.</summary>
    protected abstract ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Sends all bytes.</summary>
    protected abstract ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Closes.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>A feed's own socket, over which descriptors come.</summary>
internal sealed class SocketTransport(Socket socket) : FeedTransport
{
    private const int AheadBytes = 4096;
    private const int MaxDescriptors = 64;
    private readonly Queue<SafeFileHandle> _descriptors = [];
    private byte[] _ahead = new byte[AheadBytes];
    private int _from;
    private int _to;

    /// <summary>What has come and was not taken yet.</summary>
    public ReadOnlySpan<byte> Ahead => _ahead.AsSpan(_from, _to - _from);

    /// <summary>
    /// Waits until so many bytes lie in <see cref="Ahead"/>; false where the other end closed before the first of them.
    /// One that was cancelled has lost nothing.
    /// </summary>
    /// <exception cref="DataLayerException">OriginUnavailable: the connection broke.</exception>
    public ValueTask<bool> HasAsync(int count, CancellationToken cancellationToken) =>
        _to - _from >= count ? ValueTask.FromResult(true) : ReceiveAheadAsync(count, cancellationToken);

    /// <summary>Takes bytes of <see cref="Ahead"/>.</summary>
    public void Skip(int count)
    {
        _from += count;
        if (_from == _to)
        {
            _from = _to = 0;
        }
    }

    /// <summary>
    /// Sends a short frame at once. False where the socket takes nothing now; one that is over takes everything.
    /// </summary>
    public bool TrySend(ReadOnlySpan<byte> frame)
    {
        try
        {
            int count = DescriptorSocket.Send(socket, frame, descriptor: null, out int errno);
            if (count > 0 && count < frame.Length)
            {
                socket.Dispose(); // Nothing may follow half a frame. The kernel takes short ones whole or not at all.
            }

            return count >= 0 || errno is not (Errno.TryAgain or Errno.Interrupted);
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    /// <summary>Connects.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: nobody listens. PermissionDenied.</exception>
    public static async ValueTask<SocketTransport> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            return new SocketTransport(socket);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            socket.Dispose();
            throw e switch
            {
                SocketException { SocketErrorCode: SocketError.AccessDenied } => new DataLayerException(
                    ErrorCode.PermissionDenied,
                    $"The feed socket '{path}' may not be used by this user: join the group that owns it.", e),
                ArgumentException => new DataLayerException(
                    ErrorCode.InvalidArgument, $"'{path}' is no socket's path: {e.Message}", e),
                _ => new DataLayerException(
                    ErrorCode.OriginUnavailable,
                    $"No service listens on the feed socket '{path}': {e.Message}. Start it with 'datalayer serve', or "
                        + "name the feed.sock in its state folder.", e),
            };
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override SafeFileHandle? TakeDescriptor() =>
        _descriptors.TryDequeue(out SafeFileHandle? taken) ? taken : null;

    /// <inheritdoc/>
    protected override async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            int count = DescriptorSocket.Receive(
                socket, buffer.Span, out SafeFileHandle? descriptor, out bool isTooMany, out int errno);
            if (isTooMany || (descriptor is not null && _descriptors.Count >= MaxDescriptors))
            {
                descriptor?.Dispose();
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, "More than one descriptor came with a frame of the feed.");
            }

            if (descriptor is not null)
            {
                _descriptors.Enqueue(descriptor);
            }

            if (count >= 0)
            {
                return count;
            }

            if (errno == Errno.TryAgain)
            {
                // A read of nothing completes when there is something: no thread waits.
                await socket.ReceiveAsync(Memory<byte>.Empty, cancellationToken).ConfigureAwait(false);
            }
            else if (errno != Errno.Interrupted)
            {
                throw new SocketException(errno, Marshal.GetPInvokeErrorMessage(errno));
            }
        }
    }

    private async ValueTask<bool> ReceiveAheadAsync(int count, CancellationToken cancellationToken)
    {
        if (_ahead.Length - _from < count)
        {
            byte[] room = count > _ahead.Length ? new byte[count] : _ahead;
            _ahead.AsSpan(_from, _to - _from).CopyTo(room);
            (_ahead, _from, _to) = (room, 0, _to - _from);
        }

        try
        {
            while (_to - _from < count)
            {
                int came = await ReceiveAsync(_ahead.AsMemory(_to), cancellationToken).ConfigureAwait(false);
                if (came == 0)
                {
                    return _to == _from ? false : throw Gone(null);
                }

                _to += came;
            }

            return true;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw Gone(e);
        }
    }

    /// <inheritdoc/>
    protected override async ValueTask SendAllAsync(
        ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            int count = await socket.SendAsync(bytes, cancellationToken).ConfigureAwait(false);
            bytes = bytes[count..];
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        socket.Dispose();
        while (TakeDescriptor() is { } descriptor)
        {
            descriptor.Dispose();
        }
    }
}

/// <summary>A connection of the API that was upgraded to a feed.</summary>
internal sealed class UpgradedTransport(ApiConnection connection, Stream stream) : FeedTransport
{
    /// <summary>What the connection is upgraded to.</summary>
    public const string Protocol = "datalayer-feed";

    /// <summary>Connects.</summary>
    /// <exception cref="DataLayerException">The service refused, or cannot be reached.</exception>
    public static async ValueTask<UpgradedTransport> ConnectAsync(
        DataLayerClientOptions options, string target, CancellationToken cancellationToken)
    {
        ApiConnection connection = new(options, handler: null);
        try
        {
            return new UpgradedTransport(
                connection,
                await connection.UpgradeAsync(target, Protocol, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    protected override ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        stream.ReadAsync(buffer, cancellationToken);

    /// <inheritdoc/>
    protected override async ValueTask SendAllAsync(
        ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        stream.Dispose();
        connection.Dispose();
    }
}
