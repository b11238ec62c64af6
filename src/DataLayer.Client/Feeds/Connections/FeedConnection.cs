using System.Buffers.Binary;
using System.Threading.Channels;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Feeds;
using DataLayer.Protocol.Http;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Client.Feeds.Connections;

/// <summary>
/// One connection of a feed: frames in, batches out, releases back. It is never repaired: when it ends, the feed makes
/// another one.
/// </summary>
/// <remarks>
/// On the service's machine who reads takes frames from the socket itself, and who releases sends: a batch costs one
/// wake-up here. From elsewhere one task receives, answers pings and queues batches, at most as many as the feed has
/// slabs; one task sends. Batches that were sent before the connection broke can still be read: their memory stays
/// mapped. Lock order: the lock of this object, then a slab's.
/// </remarks>
internal sealed class FeedConnection : IAsyncDisposable
{
    private const int PingAfterSeconds = 10;
    private const int LostAfterPings = 3;
    private readonly FeedTransport _transport;
    private readonly SocketTransport? _local;
    private readonly TrainingFeed _feed;
    private readonly TrainingFeedOptions _options;
    private readonly bool _isRemote;
    private readonly Channel<Batch> _batches;
    private readonly Channel<(FeedFrameKind Kind, ulong Sequence)> _outgoing =
        Channel.CreateUnbounded<(FeedFrameKind, ulong)>(new UnboundedChannelOptions { SingleReader = true });

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly Lock _sending = new();
    private readonly Dictionary<uint, FeedSlab> _slabs = [];
    private readonly List<FeedSlab> _ownFree = [];
    private readonly HashSet<Batch> _out = [];
    private readonly byte[] _header = new byte[FeedFrameHeader.SizeBytes];
    private Task _running = Task.CompletedTask;
    private long _lastReceived;
    private Exception? _fault;
    private bool _ended;
    private bool _sendsQueued;
    private bool _disposed;

    private FeedConnection(TrainingFeed feed, FeedTransport transport, bool isRemote)
    {
        _feed = feed;
        _options = feed.Options;
        _transport = transport;
        _isRemote = isRemote;
        _local = isRemote ? null : transport as SocketTransport;
        _batches = Channel.CreateBounded<Batch>(
            new BoundedChannelOptions(_options.Slabs) { SingleReader = true, SingleWriter = true });
    }

    /// <summary>What the service opened.</summary>
    public FeedOpened Opened { get; private set; } = null!;

    /// <summary>Batches that the caller holds, a count.</summary>
    public int HeldCount
    {
        get
        {
            lock (_lock)
            {
                return _out.Count - _batches.Reader.Count;
            }
        }
    }

    /// <summary>Connects, says who it is and opens the feed at a cursor.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable: nobody is there; or what the service
    /// refused.</exception>
    public static async ValueTask<FeedConnection> OpenAsync(
        TrainingFeed feed, long cursor, string? index, CancellationToken cancellationToken)
    {
        TrainingFeedOptions options = feed.Options;
        using CancellationTokenSource timeout = new(options.OpenTimeout, options.Time);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(
            timeout.Token, cancellationToken);
        FeedConnection? connection = null;
        try
        {
            (FeedTransport transport, bool isRemote) = await FeedAddress
                .ConnectAsync(options, both.Token)
                .ConfigureAwait(false);
            connection = new FeedConnection(feed, transport, isRemote);
            await connection.GreetAsync(cursor, index, both.Token).ConfigureAwait(false);
            connection._running = connection._local is not null
                ? connection.SendAsync()
                : Task.WhenAll(connection.ReceiveAsync(), connection.SendAsync(), connection.WatchAsync());
            return connection;
        }
        catch (Exception e)
        {
            if (connection is not null)
            {
                await connection.DisposeAsync().ConfigureAwait(false);
            }

            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                throw new DataLayerException(
                    ErrorCode.TimedOut,
                    $"The service at '{options.Server}' did not open the feed within {options.OpenTimeout}. Look at "
                        + "its log, or raise OpenTimeout.", e);
            }

            throw;
        }
    }

    /// <summary>The next batch; null at the feed's end. One call at a time.</summary>
    /// <exception cref="DataLayerException">Why there are no more.</exception>
    public ValueTask<Batch?> ReadAsync(CancellationToken cancellationToken) => _local is not null
        ? ReadFramesAsync(_local, cancellationToken)
        : ReadQueuedAsync(cancellationToken);

    private async ValueTask<Batch?> ReadQueuedAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _batches.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ChannelClosedException e)
        {
            return e.InnerException is null ? null : throw Rethrown(e.InnerException);
        }
    }

    /// <summary>Takes a batch back, and tells the service where there still is one.</summary>
    public void Release(Batch batch)
    {
        lock (_lock)
        {
            if (!_out.Remove(batch))
            {
                return;
            }

            batch.Slab.IsTaken = false;
            if (_isRemote && !_disposed)
            {
                _ownFree.Add(batch.Slab);
            }
            else
            {
                batch.Slab.LetGo();
            }
        }

        Send(FeedFrameKind.Release, (ulong)batch.Sequence);
    }

    /// <summary>Ends the connection: the service takes its slabs back. Batches that are out stay readable.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        _transport.Dispose();
        _outgoing.Writer.TryComplete();
        await _running.ConfigureAwait(false);
        while (_batches.Reader.TryRead(out Batch? unread))
        {
            unread.Dispose();
        }

        lock (_lock)
        {
            foreach (FeedSlab slab in _slabs.Values)
            {
                slab.LetGo();
            }

            foreach (FeedSlab slab in _ownFree)
            {
                slab.LetGo();
            }

            _slabs.Clear();
            _ownFree.Clear();
        }

        _stop.Dispose();
    }

    /// <summary>Releases all that is out: of a feed that is disposed.</summary>
    public void ReleaseAll()
    {
        Batch[] all;
        lock (_lock)
        {
            all = [.. _out];
        }

        foreach (Batch batch in all)
        {
            batch.Dispose();
        }
    }

    private static DataLayerException Rethrown(Exception reason) => reason is DataLayerException fault
        ? new DataLayerException(fault.Code, fault.Message, fault)
        : new DataLayerException(ErrorCode.Internal, $"The feed broke: {reason.Message}", reason);

    private async Task GreetAsync(long cursor, string? index, CancellationToken cancellationToken)
    {
        string version = typeof(FeedConnection).Assembly.GetName().Version?.ToString(3) ?? "0";
        FeedHello hello = new()
        {
            Client = "datalayer-csharp/" + version,
            Token = _isRemote ? null : FeedAddress.GetToken(_options),
        };
        await WriteAsync(FeedFrameKind.Hello, FeedPayload.Write(hello, FeedJson.Default.FeedHello), cancellationToken)
            .ConfigureAwait(false);
        byte[] welcome = await ExpectAsync(FeedFrameKind.Welcome, cancellationToken).ConfigureAwait(false);
        _ = FeedPayload.Read(welcome, FeedJson.Default.FeedWelcome);
        FeedOpen open = _options.ToOpen(cursor, index);
        await WriteAsync(FeedFrameKind.Open, FeedPayload.Write(open, FeedJson.Default.FeedOpen), cancellationToken)
            .ConfigureAwait(false);
        byte[] opened = await ExpectAsync(FeedFrameKind.Opened, cancellationToken).ConfigureAwait(false);
        Opened = FeedPayload.Read(opened, FeedJson.Default.FeedOpened);
        _lastReceived = _options.Time.GetTimestamp();
    }

    private async ValueTask<byte[]> ExpectAsync(FeedFrameKind kind, CancellationToken cancellationToken)
    {
        FeedFrameHeader header = await ReadHeaderAsync(cancellationToken).ConfigureAwait(false)
            ?? throw FeedTransport.Gone(null);
        byte[] payload = await ReadPayloadAsync(header.PayloadBytes, cancellationToken).ConfigureAwait(false);
        if (header.Kind == FeedFrameKind.Error)
        {
            throw ToException(payload);
        }

        return header.Kind == kind ? payload : throw Unexpected(header.Kind);
    }

    /// <summary>Takes frames from the socket up to the next batch; null at the feed's end.</summary>
    private async ValueTask<Batch?> ReadFramesAsync(SocketTransport socket, CancellationToken cancellationToken)
    {
        if (_fault is not null)
        {
            throw Rethrown(_fault);
        }

        try
        {
            while (!_ended)
            {
                if (!await socket.HasAsync(FeedFrameHeader.SizeBytes, cancellationToken).ConfigureAwait(false))
                {
                    throw FeedTransport.Gone(null);
                }

                FeedFrameHeader header = FeedFrameHeader.Read(socket.Ahead);
                int whole = FeedFrameHeader.SizeBytes + header.PayloadBytes;
                if (!await socket.HasAsync(whole, cancellationToken).ConfigureAwait(false))
                {
                    throw FeedTransport.Gone(null);
                }

                Batch? batch = null;
                if (header.Kind == FeedFrameKind.Batch)
                {
                    batch = TakeBatch(FeedSlabMessage.Read(socket.Ahead[FeedFrameHeader.SizeBytes..whole]));
                }
                else
                {
                    TakeOther(header, socket.Ahead[FeedFrameHeader.SizeBytes..whole]);
                }

                socket.Skip(whole);
                if (batch is not null)
                {
                    return batch;
                }
            }

            return null;
        }
        catch (Exception e) when (!(e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            _fault = e is OperationCanceledException ? FeedTransport.Gone(null) : e;
            throw Rethrown(_fault);
        }
    }

    private async Task ReceiveAsync()
    {
        Exception? reason = null;
        try
        {
            while (await ReadHeaderAsync(_stop.Token).ConfigureAwait(false) is { } header)
            {
                Volatile.Write(ref _lastReceived, _options.Time.GetTimestamp());
                await TakeAsync(header).ConfigureAwait(false);
            }

            reason = FeedTransport.Gone(null);
        }
        catch (Exception e)
        {
            reason = e is OperationCanceledException ? FeedTransport.Gone(null) : e;
        }
        finally
        {
            // After an orderly end this changes nothing: the queue is complete already.
            _batches.Writer.TryComplete(reason);
            _outgoing.Writer.TryComplete();
        }
    }

    private async ValueTask TakeAsync(FeedFrameHeader header)
    {
        if (header.Kind == FeedFrameKind.Batch)
        {
            await TakeBatchAsync(header.PayloadBytes).ConfigureAwait(false);
            return;
        }

        TakeOther(header, await ReadPayloadAsync(header.PayloadBytes, _stop.Token).ConfigureAwait(false));
    }

    private void TakeOther(FeedFrameHeader header, ReadOnlySpan<byte> payload)
    {
        switch (header.Kind)
        {
            case FeedFrameKind.Slab:
                using (SafeFileHandle? descriptor = _transport.TakeDescriptor())
                {
                    TakeSlab(FeedSlabMessage.Read(payload), descriptor);
                }

                break;
            case FeedFrameKind.End:
                _ended = true;
                _batches.Writer.TryComplete();
                break;
            case FeedFrameKind.Error:
                throw ToException(payload);
            case FeedFrameKind.Ping:
                Send(FeedFrameKind.Pong, 0);
                break;
            case FeedFrameKind.Pong:
                break;
            default:
                throw Unexpected(header.Kind);
        }
    }

    private void TakeSlab(FeedSlabMessage message, SafeFileHandle? descriptor)
    {
        FeedSlab slab = FeedSlab.Map(
            descriptor ?? throw new DataLayerException(
                ErrorCode.InvalidArgument, "A slab came without its descriptor."),
            message.LengthBytes);
        lock (_lock)
        {
            if (_disposed)
            {
                slab.LetGo();
                return;
            }

            if (_slabs.Remove(message.Slab, out FeedSlab? before))
            {
                before.LetGo();
            }

            _slabs.Add(message.Slab, slab);
        }
    }

    private async ValueTask TakeBatchAsync(int payloadBytes)
    {
        byte[] place = await ReadPayloadAsync(
            Math.Min(payloadBytes, FeedSlabMessage.SizeBytes), _stop.Token).ConfigureAwait(false);
        FeedSlabMessage message = FeedSlabMessage.Read(place);
        int travels = payloadBytes - FeedSlabMessage.SizeBytes;
        if (travels != (message.Slab == FeedSlabMessage.NoSlab ? message.LengthBytes : 0))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"A batch of {message.LengthBytes} bytes came with {travels}.");
        }

        FeedSlab slab = message.Slab == FeedSlabMessage.NoSlab
            ? await ReceiveBatchAsync(travels).ConfigureAwait(false)
            : FindSlab(message);
        _ = Take(slab, (int)message.LengthBytes, isQueued: true);
    }

    /// <summary>A batch that lies in shared memory.</summary>
    private Batch TakeBatch(FeedSlabMessage message) => message.Slab == FeedSlabMessage.NoSlab
        ? throw new DataLayerException(
            ErrorCode.InvalidArgument, $"A batch of {message.LengthBytes} bytes came without them.")
        : Take(FindSlab(message), (int)message.LengthBytes, isQueued: false);

    private Batch Take(FeedSlab slab, int lengthBytes, bool isQueued)
    {
        Batch batch = MakeBatch(slab, lengthBytes);
        lock (_lock)
        {
            if (_disposed || _out.Count >= _options.Slabs)
            {
                slab.LetGo();
                throw _disposed
                    ? FeedTransport.Gone(null)
                    : new DataLayerException(
                        ErrorCode.InvalidArgument,
                        $"The service sent more batches than the {_options.Slabs} slabs allow.");
            }

            slab.IsTaken = true;
            _out.Add(batch);
            if (isQueued)
            {
                _batches.Writer.TryWrite(batch);
            }
        }

        return batch;
    }

    private FeedSlab FindSlab(FeedSlabMessage message)
    {
        lock (_lock)
        {
            if (!_slabs.TryGetValue(message.Slab, out FeedSlab? slab) || slab.IsTaken
                || message.LengthBytes > slab.LengthBytes)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                    $"A batch of {message.LengthBytes} bytes came in slab {message.Slab}, which is not there, too "
                        + "short or not released.");
            }

            slab.Hold();
            return slab;
        }
    }

    private unsafe Batch MakeBatch(FeedSlab slab, int lengthBytes)
    {
        try
        {
            BatchHeader header = BatchHeader.Read(
                new ReadOnlySpan<byte>(slab.Pointer, Math.Min(lengthBytes, BatchHeader.SizeBytes)), lengthBytes);
            return new Batch(_feed, this, slab, header, lengthBytes);
        }
        catch
        {
            slab.LetGo();
            throw;
        }
    }

    /// <summary>
    /// Receives a batch that travels into memory of this process; what is free and large enough is taken.
    /// </summary>
    private async ValueTask<FeedSlab> ReceiveBatchAsync(int lengthBytes)
    {
        FeedSlab slab = RentOwn(lengthBytes);
        try
        {
            nint start = AddressOf(slab);
            using Devices.NativePiece view = new(start, lengthBytes);
            return await _transport.FillAsync(view.Memory, _stop.Token).ConfigureAwait(false)
                ? slab
                : throw FeedTransport.Gone(null);
        }
        catch
        {
            slab.LetGo();
            throw;
        }
    }

    private static unsafe nint AddressOf(FeedSlab slab) => (nint)slab.Pointer;

    private FeedSlab RentOwn(int lengthBytes)
    {
        lock (_lock)
        {
            for (int i = 0; i < _ownFree.Count; i++)
            {
                if (_ownFree[i].LengthBytes >= lengthBytes)
                {
                    FeedSlab found = _ownFree[i];
                    _ownFree.RemoveAt(i);
                    return found;
                }
            }

            if (_ownFree.Count > 0)
            {
                _ownFree[^1].LetGo();
                _ownFree.RemoveAt(_ownFree.Count - 1);
            }
        }

        // A little more than asked for: batches of one feed differ little, and a slab that fits again is not made anew.
        const long page = 4096;
        return FeedSlab.Make((lengthBytes + (lengthBytes / 8L) + page) / page * page);
    }

    /// <summary>Sends a frame at once where that can be, else behind those that wait already.</summary>
    private void Send(FeedFrameKind kind, ulong sequence)
    {
        if (_local is not null)
        {
            Span<byte> frame = stackalloc byte[FeedFrameHeader.SizeBytes + sizeof(ulong)];
            int length = Write(frame, kind, sequence);
            lock (_sending)
            {
                if (!_sendsQueued && _local.TrySend(frame[..length]))
                {
                    return;
                }

                _sendsQueued = true;
            }
        }

        _outgoing.Writer.TryWrite((kind, sequence));
    }

    private static int Write(Span<byte> frame, FeedFrameKind kind, ulong sequence)
    {
        int payload = kind == FeedFrameKind.Release ? sizeof(ulong) : 0;
        new FeedFrameHeader(kind, payload, 0).Write(frame);
        BinaryPrimitives.WriteUInt64LittleEndian(frame[FeedFrameHeader.SizeBytes..], sequence);
        return FeedFrameHeader.SizeBytes + payload;
    }

    private async Task SendAsync()
    {
        byte[] frame = new byte[FeedFrameHeader.SizeBytes + sizeof(ulong)];
        try
        {
            await foreach ((FeedFrameKind kind, ulong sequence) in _outgoing.Reader
                .ReadAllAsync(_stop.Token)
                .ConfigureAwait(false))
            {
                await _transport
                    .SendAsync(frame.AsMemory(0, Write(frame, kind, sequence)), _stop.Token)
                    .ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is DataLayerException or OperationCanceledException)
        {
            // Who receives meets the same end, and says so.
        }
    }

    /// <summary>
    /// Asks a service that is far away whether it is there, and gives it up when it does not answer. Death on this
    /// machine shows on the socket at once.
    /// </summary>
    private async Task WatchAsync()
    {
        if (!_isRemote)
        {
            return;
        }

        try
        {
            using PeriodicTimer timer = new(TimeSpan.FromSeconds(PingAfterSeconds), _options.Time);
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
            {
                TimeSpan silent = _options.Time.GetElapsedTime(Volatile.Read(ref _lastReceived));
                if (silent > TimeSpan.FromSeconds(PingAfterSeconds * LostAfterPings))
                {
                    _transport.Dispose();
                    return;
                }

                _outgoing.Writer.TryWrite((FeedFrameKind.Ping, 0));
            }
        }
        catch (OperationCanceledException)
        {
            // The connection ends.
        }
    }

    private async ValueTask<FeedFrameHeader?> ReadHeaderAsync(CancellationToken cancellationToken) =>
        await _transport.FillAsync(_header, cancellationToken).ConfigureAwait(false)
            ? FeedFrameHeader.Read(_header, longBatches: _isRemote)
            : null;

    private async ValueTask<byte[]> ReadPayloadAsync(int lengthBytes, CancellationToken cancellationToken)
    {
        if (lengthBytes == 0)
        {
            return [];
        }

        byte[] payload = new byte[lengthBytes];
        return await _transport.FillAsync(payload, cancellationToken).ConfigureAwait(false)
            ? payload
            : throw FeedTransport.Gone(null);
    }

    private async ValueTask WriteAsync(FeedFrameKind kind, byte[] payload, CancellationToken cancellationToken)
    {
        byte[] frame = new byte[FeedFrameHeader.SizeBytes + payload.Length];
        new FeedFrameHeader(kind, payload.Length, 0).Write(frame);
        payload.CopyTo(frame, FeedFrameHeader.SizeBytes);
        await _transport.SendAsync(frame, cancellationToken).ConfigureAwait(false);
    }

    private static DataLayerException ToException(ReadOnlySpan<byte> payload)
    {
        FeedFault fault = FeedPayload.Read(payload, FeedJson.Default.FeedFault);
        return new DataLayerException(
            ErrorCodeText.TryParse(fault.Code, out ErrorCode code) ? code : ErrorCode.Internal, fault.Error);
    }

    private static DataLayerException Unexpected(FeedFrameKind kind) => new(
        ErrorCode.InvalidArgument,
        $"The service sent {kind} where that is not expected. Use client and service of the same release.");
}
