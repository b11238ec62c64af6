using System.Diagnostics;
using System.Text;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests.Kubernetes;

/// <summary>
/// <c>datalayer csi</c> as a process of its own beside a service, as a node runs it: it mounts for real. Ready when it says so.
/// Everything is below one temporary folder, whose end takes all mounts away.
/// </summary>
internal sealed class DriverProcess : IAsyncDisposable
{
    private readonly StringBuilder _log = new();
    private Process? _process;
    private Task _output = Task.CompletedTask;

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

    public string Log
    {
        get
        {
            lock (_log)
            {
                return _log.ToString();
            }
        }
    }

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
        Signals.Send(_process!.Id, Signals.Kill);
        await ForgetAsync();
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
        if (_process is { HasExited: false } running)
        {
            Signals.Send(running.Id, Signals.Kill);
        }

        await ForgetAsync();
        await Service.DisposeAsync();
        Folder.Dispose();
    }

    private async Task StartDriverAsync()
    {
        _process = Command.Start(
            "dotnet",
            [
                BuiltProgram.DataLayer, "csi", "--endpoint", "unix://" + SocketPath, "--node-id", "py-node", "--target-root", Kubelet,
                "--registration-socket", RegistrationSocketPath,
            ],
            new Dictionary<string, string> { ["DATALAYER_SERVER"] = "unix:" + Folder.Combine("api.sock") });
        OrphanWatch.Add(_process.Id);
        TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _output = Task.WhenAll(ReadAsync(_process.StandardOutput, ready), ReadAsync(_process.StandardError, ready));
        Task ended = _process.WaitForExitAsync();
        if (await Task.WhenAny(ready.Task, ended) == ended)
        {
            await _output;
            throw new InvalidOperationException($"The driver ended with {_process.ExitCode} before it was ready:\n{Log}");
        }
    }

    private async Task ForgetAsync()
    {
        if (_process is not null)
        {
            await _process.WaitForExitAsync();
            await _output;
            _process.Dispose();
            _process = null;
        }
    }

    private async Task ReadAsync(StreamReader lines, TaskCompletionSource ready)
    {
        while (await lines.ReadLineAsync() is { } line)
        {
            lock (_log)
            {
                _log.AppendLine(line);
            }

            if (line.StartsWith("serving ", StringComparison.Ordinal))
            {
                ready.TrySetResult();
            }
        }
    }
}
