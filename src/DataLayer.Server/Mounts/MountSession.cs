using DataLayer.Core.Errors;
using DataLayer.Keeper.Channel;
using DataLayer.Protocol.Http;
using DataLayer.Protocol.Keeper;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Server.Mounts;

/// <summary>
/// One keeper's connection and the mount it brought. Life: hello → serving → ended by the kernel, by the keeper (it
/// left, or died) or by the service's stop. At the end the mount is stopped and this service's descriptor closed; while
/// the keeper lives the mount goes on with its own.
/// </summary>
internal sealed partial class MountSession(KeeperChannel channel, MountStarter starter, TimeProvider time, ILogger log)
    : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly BackingClient _backing = new(channel);
    private KeeperHello? _hello;
    private SafeFileHandle? _device;
    private volatile IRunningMount? _mount;
    private long _since;
    private volatile bool _disposed;

    /// <summary>What the keeper said; null before it did.</summary>
    public KeeperHello? Hello => _hello;

    /// <summary>Completes when the session is over and its descriptor closed.</summary>
    public Task Over { get; private set; } = Task.CompletedTask;

    /// <summary>How the mount is served; null before it is.</summary>
    public MountReport? Describe() => _mount is not { } mount || _hello is not { } hello
        ? null
        : mount.Describe() with
        {
            TreePath = hello.TreePath,
            MountPoint = hello.MountPoint,
            ReadOnly = hello.ReadOnly,
            KeeperProcessId = hello.KeeperProcessId,
            TakeoverCount = hello.TakeoverCount,
            ServedSeconds = time.GetElapsedTime(_since).TotalSeconds,
        };

    /// <summary>Waits for the keeper's Hello.</summary>
    /// <exception cref="DataLayerException">What came is not one.</exception>
    public async Task<KeeperHello> ReceiveHelloAsync(CancellationToken cancellationToken)
    {
        using KeeperFrame frame = await channel.ReceiveAsync(cancellationToken)
            ?? throw new DataLayerException(ErrorCode.InvalidArgument, "The keeper closed before it said anything.");
        if (frame.Kind != KeeperFrameKind.Hello)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The keeper began with the frame {frame.Kind}, not with Hello.");
        }

        KeeperHello hello = KeeperPayload.Read(frame.Payload.Span, KeeperJson.Default.KeeperHello);
        Check(hello);
        _device = frame.TakeDescriptor();
        _hello = hello;
        return hello;
    }

    /// <summary>Begins to serve; <see cref="Over"/> completes at the end.</summary>
    public void Start() => Over = Task.Run(RunAsync, CancellationToken.None);

    /// <summary>Tells the keeper why its mount is not served.</summary>
    public async Task RefuseAsync(DataLayerException fault, CancellationToken cancellationToken)
    {
        try
        {
            KeeperWelcome no = new()
            {
                Code = fault.Code,
                Error = fault.Message,
                ServiceProcessId = Environment.ProcessId,
            };
            await channel.SendAsync(
                KeeperFrameKind.Welcome, KeeperPayload.Write(no, KeeperJson.Default.KeeperWelcome), null,
                cancellationToken);
        }
        catch (DataLayerException)
        {
            // It is gone, and needs no answer.
        }
    }

    /// <summary>Stops serving and lets the keeper wait for the next service.</summary>
    public async Task StopAsync()
    {
        if (!_disposed)
        {
            await _stopping.CancelAsync();
        }

        await Over;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _disposed = true;
        channel.Dispose();
        _device?.Dispose();
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        KeeperHello hello = _hello!;
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);

        // Answers about passthrough may be wanted before the mount is up.
        Task<string> keeper = FollowKeeperAsync(either.Token);
        try
        {
            await ServeAsync(hello, keeper, either);
        }
        catch (DataLayerException e)
        {
            LogRefused(log, hello.TreePath, hello.MountPoint, e.Message);
            await RefuseAsync(e, CancellationToken.None);
        }
        catch (OperationCanceledException)
        {
            LogReleased(log, hello.MountPoint, await keeper);
        }
        catch (Exception e)
        {
            LogBroken(log, e, hello.MountPoint);
            await RefuseAsync(
                new DataLayerException(ErrorCode.Internal, $"Serving '{hello.MountPoint}' failed: {e.Message}", e),
                CancellationToken.None);
        }
        finally
        {
            await either.CancelAsync();
            await keeper;
            _device?.Dispose();
            channel.Dispose();
        }
    }

    private async Task ServeAsync(KeeperHello hello, Task<string> keeper, CancellationTokenSource either)
    {
        MountStart start = new(_device!, hello, _backing, KeepNegotiatedAsync);
        Task<IRunningMount> starting = starter(start, either.Token);
        if (await Task.WhenAny(starting, keeper) == keeper)
        {
            await either.CancelAsync();
        }

        IRunningMount mount = await starting;
        _since = time.GetTimestamp();
        _mount = mount;
        try
        {
            KeeperWelcome yes = new() { Ok = true, ServiceProcessId = Environment.ProcessId };
            await channel.SendAsync(
                KeeperFrameKind.Welcome, KeeperPayload.Write(yes, KeeperJson.Default.KeeperWelcome), null,
                either.Token);
            LogServing(log, hello.TreePath, hello.MountPoint, hello.TakeoverCount);
            Task first = await Task.WhenAny(mount.Ended, keeper);
            if (first == keeper)
            {
                LogReleased(log, hello.MountPoint, await keeper);
            }
            else
            {
                LogEnded(log, hello.MountPoint);
                await channel.SendAsync(KeeperFrameKind.Ended, default, null, either.Token);
            }
        }
        catch (DataLayerException e)
        {
            LogReleased(log, hello.MountPoint, e.Message);
        }
        finally
        {
            _mount = null;
            await mount.StopAsync();
        }
    }

    /// <summary>Reads what the keeper says until it stops; why it did.</summary>
    private async Task<string> FollowKeeperAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                using KeeperFrame? frame = await channel.ReceiveAsync(cancellationToken);
                switch (frame?.Kind)
                {
                    case null:
                        return "its keeper is gone: its users get ENOTCONN";
                    case KeeperFrameKind.Leave:
                        KeeperFarewell farewell = KeeperPayload.Read(
                            frame.Payload.Span, KeeperJson.Default.KeeperFarewell);
                        return farewell.Reason ?? "its keeper left";
                    case KeeperFrameKind.BackingAnswer:
                        _backing.Complete(frame);
                        break;
                    case KeeperFrameKind.Ping:
                        await channel.SendAsync(KeeperFrameKind.Pong, default, null, cancellationToken);
                        break;
                    case KeeperFrameKind.Pong:
                        break;
                    default:
                        return $"its keeper sent the frame {frame.Kind}, which only services send";
                }
            }
        }
        catch (OperationCanceledException)
        {
            return "the service lets it go";
        }
        catch (DataLayerException e)
        {
            return e.Message;
        }
        finally
        {
            _backing.Fail();
        }
    }

    private ValueTask KeepNegotiatedAsync(ReadOnlyMemory<byte> negotiated, CancellationToken cancellationToken)
    {
        byte[] payload = KeeperPayload.Write(
            new KeeperNegotiated { Negotiated = negotiated.ToArray() }, KeeperJson.Default.KeeperNegotiated);
        return channel.SendAsync(KeeperFrameKind.Negotiated, payload, null, cancellationToken);
    }

    private static void Check(KeeperHello hello)
    {
        const int idLength = 16;
        if (hello.MountId.Length != idLength || !hello.MountId.All(char.IsAsciiHexDigitLower))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The mount's id '{hello.MountId}' is not 16 hexadecimal digits.");
        }

        TreePath.Check(hello.TreePath);
        if (hello.TakeoverCount < 0 || (hello.TakeoverCount > 0 && hello.Negotiated.Length == 0))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The mount's takeover count {hello.TakeoverCount} does not fit its state.");
        }
    }

    [LoggerMessage(30, LogLevel.Information, "Serving {TreePath} at {MountPoint} (takeovers: {Takeovers})")]
    private static partial void LogServing(ILogger log, string treePath, string mountPoint, int takeovers);

    [LoggerMessage(31, LogLevel.Information, "The mount at {MountPoint} is over")]
    private static partial void LogEnded(ILogger log, string mountPoint);

    [LoggerMessage(32, LogLevel.Information, "No longer serving {MountPoint}: {Why}")]
    private static partial void LogReleased(ILogger log, string mountPoint, string why);

    [LoggerMessage(33, LogLevel.Warning, "The mount of {TreePath} at {MountPoint} is refused: {Why}")]
    private static partial void LogRefused(ILogger log, string treePath, string mountPoint, string why);

    [LoggerMessage(34, LogLevel.Error, "Serving {MountPoint} failed")]
    private static partial void LogBroken(ILogger log, Exception fault, string mountPoint);
}
