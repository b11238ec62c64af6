using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Engine.Files;
using DataLayer.Fuse.Interop;
using DataLayer.Fuse.Vfs;
using Microsoft.Extensions.Logging;

namespace DataLayer.Fuse;

/// <summary>
/// Serves one mounted tree over a descriptor of <c>/dev/fuse</c> that somebody else (the keeper) opened, mounted and
/// keeps.
/// </summary>
/// <remarks>
/// <para>Life: <see cref="StartAsync"/>, which agrees with the kernel on a fresh mount, or takes over one that an
/// earlier service left and asks the kernel to send again what that one did not answer → serving, until
/// <see cref="Ended"/> (unmounted) or <see cref="StopAsync"/>, which finishes the requests under way and leaves the
/// mount to the next service. The descriptor is never closed here.</para>
/// <para>Reads are answered from the buffer the engine filled: one copy in the engine, one in the kernel. One shared
/// descriptor serves all reader threads: docs/decisions/0080-one-descriptor-several-readers.md.</para>
/// </remarks>
public sealed class FuseMount : IAsyncDisposable
{
    private readonly FuseMountOptions _options;
    private readonly ProfileChoice _profile;
    private readonly FileEngine _engine;
    private readonly ILogger _log;
    private readonly FuseChannel _channel;
    private readonly FileSystem _files;
    private readonly FuseCounters _counters = new();
    private readonly FuseDispatcher _dispatcher;
    private readonly FuseSession _session;
    private readonly KernelCaches _caches;
    private readonly NegotiationWish _wish;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Negotiation? _negotiation;
    private int _stopped;

    private FuseMount(
        SafeHandle device, FileEngine engine, FuseMountOptions options, ProfileChoice profile, TimeProvider time,
        ILoggerFactory logs)
    {
        _options = options;
        _profile = profile;
        _engine = engine;
        _log = logs.CreateLogger("DataLayer.Fuse");
        bool isSmall = profile.Profile == MountProfile.Small;
        _wish = new NegotiationWish(options.MaxBackground, isSmall, options.Backing is not null && !isSmall);
        _channel = new FuseChannel(device);
        _files = new FileSystem(engine, new FileSystemOptions
        {
            Root = options.Root,
            MountId = options.MountId,
            ReadOnly = options.ReadOnly,
            EntryTimeout = options.EntryTimeout,
            AttributeTimeout = options.AttributeTimeout,
            IsTakeover = options.IsTakeover,
        });
        AccessLog? accessLog = options.AccessLog ? new AccessLog(time) : null;
        VirtualFolder folder = new(DescribeStatus, options.Configuration, accessLog, time);
        _dispatcher = new FuseDispatcher(_files, folder, _counters, accessLog, isSmall)
        {
            OnInit = NegotiateAsync,
            OnInterrupt = unique => _session!.Interrupt(unique),
        };
        FuseSessionOptions session = new() { IsQuotaOfMount = _files.IsQuotaShown };
        _session = new FuseSession(
            _channel,
            options.ReaderThreads == 0 ? session : session with { ReaderThreads = options.ReaderThreads },
            _dispatcher.DispatchAsync, _log);
        _caches = new KernelCaches(_channel, _files, _files.Nodes, () => _negotiation is { HasEpoch: true });
        _files.AttributesChanged = _caches.AttributesChanged;
        _files.WhenTold = engine.IsReader ? _caches.WhenToldAsync : null;
        _files.IdleCloseFailed = (inode, error) => FuseLog.CloseFailed(_log, options.MountId, inode.Value, error);
    }

    /// <summary>Ends when the mount is gone, or was left by <see cref="StopAsync"/>.</summary>
    public Task Ended => _session.Ended;

    /// <summary>What was agreed with the kernel, for the keeper to hand to the next service.</summary>
    public ReadOnlyMemory<byte> Negotiated => _negotiation?.ToBytes() ?? ReadOnlyMemory<byte>.Empty;

    /// <summary>How the mount is served, and what it did.</summary>
    public FuseMountStatus Status => new()
    {
        MountId = _options.MountId,
        Protocol = _negotiation is { } agreed
            ? string.Create(CultureInfo.InvariantCulture, $"{Abi.Major}.{agreed.Minor}")
            : string.Empty,
        Profile = _profile.Profile,
        Paths = MountPaths.Describe(_options, _profile, _negotiation, _files.Passthrough?.OffBecause),
        PassthroughOpens = _files.Passthrough?.OpenedCount ?? 0,
        Requests = RequestCounts(),
        ReadBytes = _counters.ReadBytes,
        WrittenBytes = _counters.WrittenBytes,
        InFlight = _session.InFlightCount,
        KnownInodes = _files.Table.Count,
        Invalidations = _caches.SentCount,
        BufferBytes = _session.BufferBytes,
        WasTakenOver = _options.IsTakeover,
    };

    /// <summary>Begins to serve; returns when the mount can be used.</summary>
    /// <param name="device">The descriptor, mounted; stays the caller's.</param>
    /// <param name="engine">What is served; must outlive the mount.</param>
    /// <param name="options">Settings of the mount.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logs">Where messages go.</param>
    /// <param name="cancellationToken">Gives up waiting for the kernel.</param>
    /// <exception cref="DataLayerException">
    /// InvalidArgument: bad options, all named; or <see cref="FuseMountOptions.Root"/> is no folder. NotSupported: the
    /// kernel is too old. Corrupt: bad negotiation record. ShuttingDown: unmounted before it could be used.
    /// </exception>
    public static async ValueTask<FuseMount> StartAsync(
        SafeHandle device, FileEngine engine, FuseMountOptions options, TimeProvider time, ILoggerFactory logs,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(logs);
        options.Validate();
        ProfileChoice profile = await ProfileChoice.ChooseAsync(engine, options, cancellationToken)
            .ConfigureAwait(false);
        FuseMount mount = new(device, engine, options, profile, time, logs);
        try
        {
            await mount.BeginAsync(cancellationToken).ConfigureAwait(false);
            return mount;
        }
        catch
        {
            await mount.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ends when the kernel was told of all changes that were made before the call.</summary>
    public Task WhenKernelKnowsAsync() => _caches.WhenSentAsync();

    /// <summary>
    /// Reads no further request and answers those under way; what is written stays safe. The mount stays, and the next
    /// service goes on.
    /// </summary>
    public async ValueTask StopAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
        {
            return;
        }

        await _session.DisposeAsync().ConfigureAwait(false);
        await _caches.DisposeAsync().ConfigureAwait(false);
        await _files.DisposeAsync().ConfigureAwait(false);
        _channel.Release();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => StopAsync();

    private async ValueTask BeginAsync(CancellationToken cancellationToken)
    {
        await _files.CheckRootAsync(cancellationToken).ConfigureAwait(false);
        await _files.RefreshAttachmentsAsync(cancellationToken).ConfigureAwait(false);
        _caches.Start();
        if (_options.IsTakeover)
        {
            TakeOver();
        }

        _session.Start();
        Task first = await Task.WhenAny(_ready.Task, _session.Ended).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (_ready.Task.IsCompleted)
        {
            await _ready.Task.ConfigureAwait(false);
        }
        else if (first == _session.Ended)
        {
            throw new DataLayerException(
                ErrorCode.ShuttingDown, $"Mount '{_options.MountId}' was unmounted before it could be served.");
        }
    }

    private void TakeOver()
    {
        Agree(Negotiation.FromBytes(_options.Negotiated.Span));
        FuseLog.TakenOver(_log, _options.MountId);
        int errno = _channel.Resend();
        if (errno != 0)
        {
            FuseLog.CannotResend(_log, _options.MountId, errno);
        }

        _ready.TrySetResult();
    }

    private async ValueTask NegotiateAsync(FuseRequest request)
    {
        Abi.InitIn offer = TakeOffer(request);
        try
        {
            if (offer.Major > Abi.Major)
            {
                request.Reply(new Abi.InitOut { Major = Abi.Major, Minor = Abi.NewestMinor }); // It asks again, in 7.
                return;
            }

            Negotiation agreed = Negotiation.Choose(offer, _wish);
            Agree(agreed);
            if (_options.OnNegotiated is { } store)
            {
                await store(agreed.ToBytes(), CancellationToken.None).ConfigureAwait(false);
            }

            FuseLog.Negotiated(_log, _options.MountId, agreed.Minor, agreed.Agreed);
            request.Reply(agreed.ToReply(offer, _wish));
            _ready.TrySetResult();
        }
        catch (Exception error)
        {
            _ready.TrySetException(error);
            throw;
        }
    }

    /// <summary>An older kernel sends a shorter INIT: what is missing is zero.</summary>
    private static unsafe Abi.InitIn TakeOffer(FuseRequest request)
    {
        Abi.InitIn offer = default;
        int length = Math.Min(sizeof(Abi.InitIn), request.LengthBytes - sizeof(Abi.InHeader));
        new ReadOnlySpan<byte>(request.TakeBytes(length), length).CopyTo(new Span<byte>(&offer, sizeof(Abi.InitIn)));
        return offer;
    }

    private void Agree(Negotiation agreed)
    {
        _negotiation = agreed;
        _dispatcher.Negotiation = agreed;
        if (_options.Backing is { } backing && agreed.Agreed.HasFlag(Capabilities.Passthrough))
        {
            _files.Passthrough = new Passthrough(
                backing, _engine, _options.ReadOnly, _options.IsTakeover,
                error => FuseLog.PassthroughRefused(_log, _options.MountId, error.Message));
        }

        if (!agreed.HasEpoch)
        {
            _files.LimitEntryTimeout(TimeSpan.FromSeconds(1)); // Names cannot all be expired when much changed at once.
        }
    }

    private Dictionary<string, long> RequestCounts()
    {
        Dictionary<string, long> counts = new(StringComparer.Ordinal);
        foreach ((Opcode opcode, long count) in _counters.Requests())
        {
            counts[opcode.ToString()] = count;
        }

        return counts;
    }

    private string DescribeStatus()
    {
        FuseMountStatus status = Status;
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"mount {status.MountId}\nprotocol {status.Protocol}\n");
        text.Append(CultureInfo.InvariantCulture, $"profile {status.Profile}\n");
        foreach (MountPath path in status.Paths)
        {
            text.Append(CultureInfo.InvariantCulture, $"path {path.Access}: {path.Path} ({path.Why})\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"read_bytes {status.ReadBytes}\n");
        text.Append(CultureInfo.InvariantCulture, $"written_bytes {status.WrittenBytes}\n");
        text.Append(CultureInfo.InvariantCulture, $"passthrough_opens {status.PassthroughOpens}\n");
        text.Append(CultureInfo.InvariantCulture, $"in_flight {status.InFlight}\n");
        text.Append(CultureInfo.InvariantCulture, $"known_inodes {status.KnownInodes}\n");
        text.Append(CultureInfo.InvariantCulture, $"invalidations {status.Invalidations}\n");
        foreach ((string opcode, long count) in status.Requests)
        {
            text.Append(CultureInfo.InvariantCulture, $"requests_{opcode.ToLowerInvariant()} {count}\n");
        }

        return text.ToString();
    }
}
