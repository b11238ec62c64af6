using DataLayer.Client;
using DataLayer.Csi;
using DataLayer.Csi.Messages;
using DataLayer.Server.Hosting;
using DataLayer.Tests.Server;
using DataLayer.TestSupport;
using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Mode = DataLayer.Csi.Messages.VolumeCapability.Types.AccessMode.Types.Mode;

namespace DataLayer.Tests.Csi;

/// <summary>Tests of one collection share a service and a driver; each has its own volumes.</summary>
[CollectionDefinition(Name)]
public sealed class CsiCollection : ICollectionFixture<RunningDriver>
{
    public const string Name = "csi";
}

/// <summary>The real service and the real driver in this process, on their sockets; only the mounts are a stand-in's.</summary>
public sealed class RunningDriver : IAsyncLifetime
{
    public const string TreeKey = "topology.csi.datalayer.io/tree";

    private readonly TempFolder _folder = new("csi");
    private DataLayerService _service = null!;
    private CsiDriver _driver = null!;
    private int _next;

    internal StandInMounter Mounter { get; } = new();

    internal RecordingLogs Logs { get; } = new();

    internal RpcClient Rpc { get; private set; } = null!;

    /// <summary>A client of the service behind the driver.</summary>
    public DataLayerClient Tree { get; private set; } = null!;

    /// <summary>The driver's socket.</summary>
    public string SocketPath => _folder.Combine("csi.sock");

    /// <summary>The registration socket.</summary>
    public string RegistrationSocketPath => _folder.Combine("reg.sock");

    /// <summary>The service's URL.</summary>
    public Uri ServerUrl => _service.Url!;

    /// <summary>The service's state folder.</summary>
    public string StateFolder => _folder.Combine("state");

    public async Task InitializeAsync()
    {
        _service = DataLayerService.Build(RunningService.Configure(_folder, _folder.Combine("api.sock")));
        await _service.StartAsync(CancellationToken.None);
        Tree = new DataLayerClient(new DataLayerClientOptions { ServerUri = _service.Url!, RetryCount = 0 });
        await StartDriverAsync();
    }

    public async Task DisposeAsync()
    {
        await StopDriverAsync();
        Tree.Dispose();
        await _service.StopAsync();
        await _service.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>The driver dies and another takes its place, over the same tree and mounts.</summary>
    public async Task RestartDriverAsync()
    {
        await StopDriverAsync();
        await StartDriverAsync();
    }

    internal async Task<T> CallAsync<T>(string method, IMessage request)
        where T : class, IMessage<T>, new() =>
        (await Rpc.CallAsync<T>(method, request)).Ok;

    /// <summary>A name no other test has.</summary>
    public string NewName(string prefix = "pvc") => $"{prefix}-{Interlocked.Increment(ref _next):D4}-{Guid.NewGuid():N}";

    /// <summary>A folder on disk that no other test has.</summary>
    public string NewFolder() => _folder.MakeFolder($"disk-{Interlocked.Increment(ref _next)}");

    /// <summary>A folder to attach, with files.</summary>
    public string NewBucket(params (string Name, string Content)[] files)
    {
        string bucket = NewFolder();
        foreach ((string name, string content) in files)
        {
            File.WriteAllText(Path.Combine(bucket, name), content);
        }

        return bucket;
    }

    internal static VolumeCapability Capability(Mode mode = Mode.SingleNodeWriter, params string[] flags) => new()
    {
        Mount = new VolumeCapability.Types.MountVolume { MountFlags = { flags } },
        AccessMode = new VolumeCapability.Types.AccessMode { Mode = mode },
    };

    internal static CreateVolumeRequest CreateRequest(string name, long bytes = 0) => new()
    {
        Name = name,
        VolumeCapabilities = { Capability() },
        CapacityRange = bytes == 0 ? null : new CapacityRange { RequiredBytes = bytes },
    };

    internal async Task<Volume> CreateAsync(string? name = null, long bytes = 1 << 30) =>
        (await CallAsync<CreateVolumeResponse>(Methods.CreateVolume, CreateRequest(name ?? NewName(), bytes))).Volume;

    private async Task StartDriverAsync()
    {
        CsiDriverOptions options = new()
        {
            SocketPath = SocketPath,
            RegistrationSocketPath = RegistrationSocketPath,
            KubeletSocketPath = "/var/lib/kubelet/plugins/csi.datalayer.io/csi.sock",
            Server = _service.Url!.ToString(),
            NodeId = "node-1",
            Zone = "zone-a",
            InlineStores = ["default"],
        };
        _driver = await CsiDriver.StartAsync(options, Mounter, TimeProvider.System, Logs, CancellationToken.None);
        Rpc = new RpcClient(SocketPath);
    }

    private async Task StopDriverAsync()
    {
        Rpc.Dispose();
        await _driver.DisposeAsync();
    }
}

/// <summary>Keeps every line of the log, to look for what must not stand there.</summary>
internal sealed class RecordingLogs : ILoggerFactory, ILogger
{
    private readonly List<string> _lines = [];
    private readonly Lock _lock = new();

    public string Text
    {
        get
        {
            lock (_lock)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) { }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lock)
        {
            _lines.Add($"{logLevel} {formatter(state, exception)} {exception}");
        }
    }

    public void Dispose() { }
}

/// <summary>The methods' paths.</summary>
internal static class Methods
{
    public const string GetPluginInfo = "/csi.v1.Identity/GetPluginInfo";
    public const string GetPluginCapabilities = "/csi.v1.Identity/GetPluginCapabilities";
    public const string Probe = "/csi.v1.Identity/Probe";
    public const string CreateVolume = "/csi.v1.Controller/CreateVolume";
    public const string DeleteVolume = "/csi.v1.Controller/DeleteVolume";
    public const string Validate = "/csi.v1.Controller/ValidateVolumeCapabilities";
    public const string ListVolumes = "/csi.v1.Controller/ListVolumes";
    public const string GetVolume = "/csi.v1.Controller/ControllerGetVolume";
    public const string GetCapacity = "/csi.v1.Controller/GetCapacity";
    public const string Expand = "/csi.v1.Controller/ControllerExpandVolume";
    public const string ControllerCapabilities = "/csi.v1.Controller/ControllerGetCapabilities";
    public const string CreateSnapshot = "/csi.v1.Controller/CreateSnapshot";
    public const string DeleteSnapshot = "/csi.v1.Controller/DeleteSnapshot";
    public const string ListSnapshots = "/csi.v1.Controller/ListSnapshots";
    public const string GetSnapshot = "/csi.v1.Controller/GetSnapshot";
    public const string Stage = "/csi.v1.Node/NodeStageVolume";
    public const string Unstage = "/csi.v1.Node/NodeUnstageVolume";
    public const string Publish = "/csi.v1.Node/NodePublishVolume";
    public const string Unpublish = "/csi.v1.Node/NodeUnpublishVolume";
    public const string Stats = "/csi.v1.Node/NodeGetVolumeStats";
    public const string NodeExpand = "/csi.v1.Node/NodeExpandVolume";
    public const string NodeCapabilities = "/csi.v1.Node/NodeGetCapabilities";
    public const string NodeInfo = "/csi.v1.Node/NodeGetInfo";
}
