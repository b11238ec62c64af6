using DataLayer.Core.Errors;
using DataLayer.Keeper.Channel;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Keeper;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Keeper;

/// <summary>
/// Owns one mount: opens <c>/dev/fuse</c>, mounts, hands the descriptor to the service, and holds on to it while
/// services come and go. It never reads or writes the descriptor itself, and touches no path in the mount.
/// </summary>
/// <remarks>
/// Life: connected → mounted → served ⇄ waiting for a service → ended. While it waits, requests wait in the kernel; the
/// next service gets the same descriptor with what the first one negotiated, and has the kernel send again what was in
/// flight. After <see cref="MountKeeperOptions.TakeoverTimeout"/> the descriptor is closed, which ends the connection:
/// users get ENOTCONN. The dead mount stays in its place, so that nobody writes into the folder below it. When the
/// keeper itself dies, the service lets its own descriptor go, with the same effect.
/// </remarks>
public sealed partial class MountKeeper : IAsyncDisposable
{
    private static readonly TimeSpan _watchInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan _firstRetry = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan _lastRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _leaveTimeout = TimeSpan.FromSeconds(1);

    private readonly MountKeeperOptions _options;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly MountRecord _record;
    private readonly SafeFileHandle _device;
    private readonly BackingTable _backing;
    private readonly CancellationTokenSource _over = new();
    private readonly CancellationTokenSource _disposing = new();
    private KeeperHello _mount;
    private Task<KeeperEnd> _ended = Task.FromResult(KeeperEnd.Unmounted);
    private Task _watching = Task.CompletedTask;
    private volatile bool _served;

    private MountKeeper(
        MountKeeperOptions options, KeeperHello mount, (MountRecord Record, SafeFileHandle Device) made, ILogger log,
        TimeProvider time)
    {
        _options = options;
        _mount = mount;
        _record = made.Record;
        _device = made.Device;
        _backing = new BackingTable(made.Device);
        _log = log;
        _time = time;
    }

    /// <summary>The mount's name for its life.</summary>
    public string MountId => _mount.MountId;

    /// <summary>Where it is mounted, links resolved.</summary>
    public string MountPoint => _mount.MountPoint;

    /// <summary>Whether a service serves it now.</summary>
    public bool IsServed => _served;

    /// <summary>How often it went from one service to the next, a count.</summary>
    public int TakeoverCount => _mount.TakeoverCount;

    /// <summary>Completes when the mount is over, however it ended; never fails.</summary>
    public Task<KeeperEnd> Ended => _ended;

    /// <summary>
    /// Cleans up after dead keepers of the state folder, mounts, and returns when the service serves the mount.
    /// </summary>
    /// <param name="options">What to mount and where.</param>
    /// <param name="log">Where events go; one line each.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Gives up; nothing stays mounted.</param>
    /// <exception cref="DataLayerException">InvalidArgument, NotFound, NotADirectory, NotEmpty, AlreadyExists: the
    /// arguments. OriginUnavailable: no service runs. PermissionDenied: not root. Others as the service refused. On
    /// every fault nothing stays mounted.</exception>
    public static async Task<MountKeeper> StartAsync(
        MountKeeperOptions options, ILogger log, TimeProvider? time = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(log);
        options.Validate();
        time ??= TimeProvider.System;
        foreach (MountEntry stale in StaleMounts.Clean(options.StateFolder))
        {
            LogCleaned(log, stale.MountPoint);
        }

        string mountPoint = await MountPointCheck.RunAsync(options.MountPoint, time, cancellationToken)
            .ConfigureAwait(false);
        KeeperHello mount = new()
        {
            MountId = MountRecord.NewId(options.StateFolder),
            TreePath = options.TreePath,
            MountPoint = mountPoint,
            Profile = options.Profile,
            ReadOnly = options.Flags.ReadOnly,
            Options = options.Flags.Service,
            KeeperProcessId = Environment.ProcessId,
        };

        // Whether anybody serves is known before anything is mounted.
        KeeperChannel channel = await KeeperChannel.ConnectAsync(options.SocketPath, time, cancellationToken)
            .ConfigureAwait(false);
        MountKeeper? keeper = null;
        try
        {
            keeper = Mount(options, mount, log, time);
            await keeper.BeginAsync(channel, cancellationToken).ConfigureAwait(false);
            return keeper;
        }
        catch
        {
            channel.Dispose();
            if (keeper is not null)
            {
                await keeper.AbandonAsync().ConfigureAwait(false);
            }

            throw;
        }
    }

    /// <summary>Unmounts; returns when it is done. A lazy unmount leaves the keeper at work until its last user is
    /// gone (<see cref="Ended"/>).</summary>
    /// <exception cref="DataLayerException">Overloaded: in use. TimedOut: the service does not take what was
    /// written.</exception>
    public async Task UnmountAsync(UnmountMode mode, CancellationToken cancellationToken = default)
    {
        if (FindEntry() is { } entry)
        {
            await Unmounting.RunAsync(entry, mode, _time, cancellationToken).ConfigureAwait(false);
        }

        if (FuseDevice.IsOver(_device))
        {
            await _over.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Lets go: what is still mounted is detached and its users get ENOTCONN. Call <see cref="UnmountAsync"/> first.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (!_disposing.IsCancellationRequested)
        {
            await _disposing.CancelAsync().ConfigureAwait(false);
            await _over.CancelAsync().ConfigureAwait(false);
            await _ended.ConfigureAwait(false);
            await _watching.ConfigureAwait(false);
            _disposing.Dispose();
            _over.Dispose();
        }
    }

    private static MountKeeper Mount(MountKeeperOptions options, KeeperHello mount, ILogger log, TimeProvider time)
    {
        SafeFileHandle device = FuseDevice.Open();
        MountRecord? record = null;
        try
        {
            record = MountRecord.Create(options.StateFolder, mount);
            FuseDevice.Mount(device, record.Path, mount.MountPoint, options.Flags);
            return new MountKeeper(options, mount, (record, device), log, time);
        }
        catch
        {
            record?.Dispose();
            device.Dispose();
            throw;
        }
    }

    private async Task BeginAsync(KeeperChannel channel, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = new(_options.StartTimeout, _time);
        using CancellationTokenSource either =
            CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await GreetAsync(channel, _mount, either.Token).ConfigureAwait(false);
            if (_mount.Negotiated.Length == 0)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                    "The service took the mount without saying what it agreed on with the kernel: no other service "
                    + "could take it over. Run keeper and service of the same release.");
            }
        }
        catch (OperationCanceledException e) when (limit.IsCancellationRequested)
        {
            throw new DataLayerException(
                ErrorCode.TimedOut,
                $"The service did not take the mount in {_options.StartTimeout.TotalSeconds:F0} s. See its log.", e);
        }

        RaiseReadAhead();
        LogMounted(_log, _mount.TreePath, MountPoint);
        _ended = Task.Run(() => KeepAsync(channel), CancellationToken.None);
        _watching = Task.Run(WatchAsync, CancellationToken.None);
    }

    /// <summary>Serves connection after connection until the mount is over.</summary>
    private async Task<KeeperEnd> KeepAsync(KeeperChannel first)
    {
        KeeperChannel? channel = first;
        try
        {
            while (true)
            {
                _served = true;
                string why = await FollowAsync(channel).ConfigureAwait(false);
                _served = false;
                if (_over.IsCancellationRequested)
                {
                    await LeaveAsync(channel).ConfigureAwait(false);
                    return End();
                }

                channel.Dispose();
                LogWaiting(_log, MountPoint, why, _options.TakeoverTimeout.TotalSeconds);
                long start = _time.GetTimestamp();
                channel = await ReconnectAsync(start).ConfigureAwait(false);
                if (channel is null)
                {
                    FailWaiting();
                    return End();
                }

                LogTakenOver(_log, MountPoint, _time.GetElapsedTime(start).TotalMilliseconds);
            }
        }
        catch (Exception e)
        {
            LogBroken(_log, e, MountPoint);
            return End();
        }
        finally
        {
            channel?.Dispose();
            Release();
        }
    }

    /// <summary>Answers one service until its connection ends; why it ended.</summary>
    private async Task<string> FollowAsync(KeeperChannel channel)
    {
        try
        {
            while (true)
            {
                using KeeperFrame? frame = await channel.ReceiveAsync(_over.Token).ConfigureAwait(false);
                if (frame is null)
                {
                    return "the service closed the connection";
                }

                if (!await HandleAsync(channel, frame, _over.Token).ConfigureAwait(false))
                {
                    await _over.CancelAsync().ConfigureAwait(false);
                    return "the kernel ended the mount";
                }
            }
        }
        catch (OperationCanceledException)
        {
            return "the mount is over";
        }
        catch (DataLayerException e)
        {
            return e.Message;
        }
    }

    /// <summary>Acts on a frame; false where the mount is over.</summary>
    private async ValueTask<bool> HandleAsync(
        KeeperChannel channel, KeeperFrame frame, CancellationToken cancellationToken)
    {
        switch (frame.Kind)
        {
            case KeeperFrameKind.Negotiated:
                KeeperNegotiated negotiated = KeeperPayload.Read(
                    frame.Payload.Span, KeeperJson.Default.KeeperNegotiated);
                _mount = _mount with { Negotiated = negotiated.Negotiated };
                return true;
            case KeeperFrameKind.Ping:
                await channel.SendAsync(KeeperFrameKind.Pong, default, null, cancellationToken).ConfigureAwait(false);
                return true;
            case KeeperFrameKind.BackingOpen or KeeperFrameKind.BackingClose:
                byte[] answer = KeeperPayload.Write(_backing.Answer(frame), KeeperJson.Default.KeeperBackingAnswer);
                await channel.SendAsync(KeeperFrameKind.BackingAnswer, answer, null, cancellationToken)
                    .ConfigureAwait(false);
                return true;
            case KeeperFrameKind.Ended:
                return false;
            case KeeperFrameKind.Pong:
                return true;
            default:
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"The service sent the frame {frame.Kind}, which only keepers send.");
        }
    }

    /// <summary>Hands the mount over; returns where the service took it.</summary>
    private async Task GreetAsync(KeeperChannel channel, KeeperHello mount, CancellationToken cancellationToken)
    {
        byte[] hello = KeeperPayload.Write(mount, KeeperJson.Default.KeeperHello);
        await channel.SendAsync(KeeperFrameKind.Hello, hello, _device, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            using KeeperFrame frame = await channel.ReceiveAsync(cancellationToken).ConfigureAwait(false)
                ?? throw new DataLayerException(
                    ErrorCode.OriginUnavailable,
                    "The service closed the keeper's connection without an answer. It wants keepers of its own user "
                    + "or of root; see its log.");
            if (frame.Kind == KeeperFrameKind.Welcome)
            {
                KeeperWelcome welcome = KeeperPayload.Read(frame.Payload.Span, KeeperJson.Default.KeeperWelcome);
                if (welcome.Ok)
                {
                    return;
                }

                throw new DataLayerException(
                    welcome.Code ?? ErrorCode.Internal,
                    welcome.Error ?? "The service refused the mount without a reason.");
            }

            if (!await HandleAsync(channel, frame, cancellationToken).ConfigureAwait(false))
            {
                throw new DataLayerException(
                    ErrorCode.OriginUnavailable, "The mount was taken away while the service took it.");
            }
        }
    }

    /// <summary>Connects again and again until a service took the mount; null where none did in time.</summary>
    private async Task<KeeperChannel?> ReconnectAsync(long start)
    {
        TimeSpan retry = _firstRetry;
        string? reason = null;
        while (!_over.IsCancellationRequested)
        {
            TimeSpan left = _options.TakeoverTimeout - _time.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
            {
                LogTimedOut(_log, MountPoint, _options.TakeoverTimeout.TotalSeconds, reason ?? "none came");
                return null;
            }

            using CancellationTokenSource limit = new(left, _time);
            using CancellationTokenSource either =
                CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _over.Token);
            KeeperChannel? channel = null;
            try
            {
                channel = await KeeperChannel.ConnectAsync(_options.SocketPath, _time, either.Token)
                    .ConfigureAwait(false);
                int takeovers = _mount.TakeoverCount + 1;
                await GreetAsync(channel, _mount with { TakeoverCount = takeovers }, either.Token)
                    .ConfigureAwait(false);
                _mount = _mount with { TakeoverCount = takeovers };
                return channel;
            }
            catch (Exception e) when (e is DataLayerException or OperationCanceledException)
            {
                channel?.Dispose();
                reason = e is DataLayerException ? e.Message : reason;
            }

            if (FuseDevice.IsOver(_device))
            {
                await _over.CancelAsync().ConfigureAwait(false);
            }

            await Task.Delay(retry, _time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            retry = retry * 2 < _lastRetry ? retry * 2 : _lastRetry;
        }

        return null;
    }

    /// <summary>Notices that the connection is over also where no service says so. One system call, no path.</summary>
    private async Task WatchAsync()
    {
        using PeriodicTimer timer = new(_watchInterval, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_over.Token).ConfigureAwait(false))
            {
                if (FuseDevice.IsOver(_device))
                {
                    await _over.CancelAsync().ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // It is over.
        }
    }

    /// <summary>Time is over: whoever waits gets the error that whoever comes later gets.</summary>
    private void FailWaiting()
    {
        if (!_over.IsCancellationRequested)
        {
            LogFailed(_log, FuseDevice.FailWaiting(_device), MountPoint);
        }
    }

    private KeeperEnd End()
    {
        bool isMounted = FindEntry() is not null;
        KeeperEnd end = _over.IsCancellationRequested
            ? isMounted && !_disposing.IsCancellationRequested ? KeeperEnd.Aborted : KeeperEnd.Unmounted
            : KeeperEnd.TimedOut;
        if (end == KeeperEnd.Unmounted)
        {
            LogUnmounted(_log, MountPoint);
        }
        else if (end == KeeperEnd.Aborted)
        {
            LogAborted(_log, MountPoint);
        }

        return end;
    }

    /// <summary>Tells the service that the mount is over, so that it does not take the keeper for dead.</summary>
    private static async Task LeaveAsync(KeeperChannel channel)
    {
        try
        {
            byte[] farewell = KeeperPayload.Write(
                new KeeperFarewell { Reason = "the mount is over" }, KeeperJson.Default.KeeperFarewell);
            using CancellationTokenSource limit = new(_leaveTimeout);
            await channel.SendAsync(KeeperFrameKind.Leave, farewell, null, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is DataLayerException or OperationCanceledException)
        {
            // It knows, or is gone.
        }
    }

    /// <summary>Takes back a mount that no service took.</summary>
    private async Task AbandonAsync()
    {
        try
        {
            if (FindEntry() is { } entry)
            {
                await Unmounting.RunAsync(entry, UnmountMode.Force, _time, CancellationToken.None)
                    .ConfigureAwait(false);
            }
        }
        catch (DataLayerException e)
        {
            LogBroken(_log, e, MountPoint);
        }

        Release();
        _over.Dispose();
        _disposing.Dispose();
    }

    private void Release()
    {
        // Disposed under a live mount: its name goes, as the connection does with the descriptor.
        if (_disposing.IsCancellationRequested && FindEntry() is { } entry)
        {
            _ = Interop.Libc.Unmount(entry.MountPoint, Interop.Libc.UnmountDetach | Interop.Libc.UnmountNoFollow);
        }

        _device.Dispose();
        _record.Dispose();
    }

    /// <summary>
    /// The mount in the kernel's table; null where it is gone. Binds of it have the same source, and it has another
    /// place than it was given where a folder above was renamed.
    /// </summary>
    private MountEntry? FindEntry()
    {
        MountEntry? first = null;
        foreach (MountEntry entry in MountTable.Read())
        {
            if (entry.Source == _record.Path)
            {
                first ??= entry;
                if (entry.MountPoint == MountPoint)
                {
                    return entry;
                }
            }
        }

        return first;
    }

    private void RaiseReadAhead()
    {
        if (_options.ReadAheadBytes == 0 || FindEntry() is not { } entry)
        {
            return;
        }

        try
        {
            FuseDevice.SetReadAhead(entry.Device, _options.ReadAheadBytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogReadAhead(_log, MountPoint, e.Message);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Mounted {TreePath} at {MountPoint}")]
    private static partial void LogMounted(ILogger log, string treePath, string mountPoint);

    [LoggerMessage(2, LogLevel.Warning,
        "The service of {MountPoint} is gone ({Why}): requests wait up to {Seconds} s for it to come back")]
    private static partial void LogWaiting(ILogger log, string mountPoint, string why, double seconds);

    [LoggerMessage(3, LogLevel.Warning, "A service took {MountPoint} over after {Milliseconds:F0} ms")]
    private static partial void LogTakenOver(ILogger log, string mountPoint, double milliseconds);

    [LoggerMessage(4, LogLevel.Error,
        "No service took {MountPoint} over in {Seconds} s ({Reason}): its users get ENOTCONN now. Start the service "
        + "with 'datalayer serve', then 'datalayer umount --lazy {MountPoint}' and mount again")]
    private static partial void LogTimedOut(ILogger log, string mountPoint, double seconds, string reason);

    [LoggerMessage(10, LogLevel.Information, "{Count} requests that waited on {MountPoint} failed with ENOTCONN")]
    private static partial void LogFailed(ILogger log, int count, string mountPoint);

    [LoggerMessage(5, LogLevel.Information, "Unmounted {MountPoint}")]
    private static partial void LogUnmounted(ILogger log, string mountPoint);

    [LoggerMessage(6, LogLevel.Error,
        "The connection of {MountPoint} was aborted: its users get ENOTCONN. Detach it with 'datalayer umount --lazy "
        + "{MountPoint}' and mount again")]
    private static partial void LogAborted(ILogger log, string mountPoint);

    [LoggerMessage(7, LogLevel.Warning, "Detached {MountPoint}, which a keeper left that died")]
    private static partial void LogCleaned(ILogger log, string mountPoint);

    [LoggerMessage(8, LogLevel.Error, "Keeping {MountPoint} failed")]
    private static partial void LogBroken(ILogger log, Exception fault, string mountPoint);

    [LoggerMessage(9, LogLevel.Warning,
        "The readahead of {MountPoint} stays the kernel's ({Reason}): reads of cold data will be slower")]
    private static partial void LogReadAhead(ILogger log, string mountPoint, string reason);
}
