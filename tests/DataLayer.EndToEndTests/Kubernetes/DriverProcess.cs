using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests.Kubernetes;

/// <summary>
/// <c>datalayer csi</c> as a process of its own beside a service, as a node runs it: it mounts for real. Ready when it says so.
/// Everything is below one temporary folder, whose end takes all mounts away.
/// </summary>
internal sealed class DriverProcess : IAsyncDisposable
{
    private readonly ProcessLog _log = new();
    private ReadyProcess? _process;

    private DriverProcess(TempFolder folder, ServiceProcess service)
    {
        Folder = folder;
        Service = service;
        Kubelet = folder.MakeFolder("kubelet");
    }

    public TempFolder Folder { get; }

    public ServiceProcess Service { get; }

    /// <summary>The folder all targets are below.</summary>
    public string Kubelet { get; }

    public string SocketPath => Folder.Combine("csi.sock");

    public string RegistrationSocketPath => Folder.Combine("reg.sock");

    public string Log => _log.ToString();

    public static async Task<DriverProcess> StartAsync()
    {
        TempFolder folder = new("csi");
        DriverProcess? driver = null;
        try
        {
            ServiceProcess service = await ServiceProcess.StartAsync(
                new ServiceSettings { StateFolder = folder.MakeFolder("state"), UnixSocketPath = folder.Combine("api.sock") });
            driver = new DriverProcess(folder, service);
            await driver.StartDriverAsync();
            return driver;
        }
        catch
        {
            if (driver is not null)
            {
                await driver.DisposeAsync();
            }

            folder.Dispose();
            throw;
        }
    }

    /// <summary>Ends the driver between two instructions and starts another.</summary>
    public async Task KillAndRestartAsync()
    {
        await _process!.DisposeAsync();
        await StartDriverAsync();
    }

    /// <summary>Runs a Python program beside this file's tests with what it needs to find the driver.</summary>
    public async Task<CommandResult> RunPythonAsync(string script, params string[] arguments)
    {
        string messages = Folder.Combine("messages");
        string protos = Path.Combine(RepositoryRoot.Path, "csi", "DataLayer.Csi", "Proto");
        if (!Directory.Exists(messages))
        {
            Directory.CreateDirectory(messages);
            Command.Run("protoc", $"-I{protos}", $"--python_out={messages}", "csi.proto", "registration.proto");
        }

        string bucket = Folder.MakeFolder("bucket");
        await File.WriteAllTextAsync(Path.Combine(bucket, "one.txt"), "1");
        Dictionary<string, string> environment = new()
        {
            ["CSI_MESSAGES"] = messages,
            ["CSI_SOCKET"] = SocketPath,
            ["CSI_REGISTRATION"] = RegistrationSocketPath,
            ["CSI_ROOT"] = Kubelet,
            ["CSI_BUCKET"] = bucket,
            ["CSI_STORE"] = "files",
            ["CSI_MOUNTS"] = "real",
            ["PYTHONDONTWRITEBYTECODE"] = "1",
            ["PYTHONPATH"] = Path.Combine(RepositoryRoot.Path, "tests", "python"),
        };

        // Debian's own interpreter: its packages are there and nowhere else.
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(5));
        return await Command.TryRunAsync(
            "/usr/bin/python3", [Path.Combine(RepositoryRoot.Path, "tests", "python", script), .. arguments], environment,
            limit.Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await _process.DisposeAsync();
        }

        await Service.DisposeAsync();
        Folder.Dispose();
    }

    private async Task StartDriverAsync() =>
        _process = await ReadyProcess.StartAsync(
            "The driver",
            [
                "dotnet", BuiltProgram.DataLayer, "csi", "--endpoint", "unix://" + SocketPath, "--node-id", "py-node", "--target-root", Kubelet,
                "--registration-socket", RegistrationSocketPath,
            ],
            new Dictionary<string, string> { ["DATALAYER_SERVER"] = "unix:" + Folder.Combine("api.sock") },
            line => line.StartsWith("serving ", StringComparison.Ordinal),
            _log);
}
