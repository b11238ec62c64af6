using System.Globalization;
using System.Text.RegularExpressions;
using DataLayer.Client;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Processes;

namespace DataLayer.TestSupport.Service;

/// <summary>
/// The real service as a process of its own: <c>dotnet datalayer.dll serve</c> on a port it chooses, with its own state folder and
/// configuration file. It is ready when it says so on its output; nothing is polled.
/// </summary>
/// <remarks>
/// Life cycle: started → (killed | stopped) → started again by <see cref="RestartAsync"/>, any number of times → disposed, which
/// kills it by its id. Where the test process dies, <see cref="OrphanWatch"/> ends it. All output is kept in <see cref="Log"/>, and
/// written to <c>artifacts/test-results/services</c> at the end, under the name of the folder that holds the state.
/// </remarks>
public sealed partial class ServiceProcess : IAsyncDisposable
{
    private readonly ProcessLog _log = new();
    private ReadyProcess? _process;

    private ServiceProcess(ServiceSettings settings) => Settings = settings;

    /// <summary>What it runs with; replace it before <see cref="RestartAsync"/> to change it.</summary>
    public ServiceSettings Settings { get; set; }

    /// <summary>The API's URL; a new one after each start.</summary>
    public Uri Endpoint { get; private set; } = null!;

    /// <summary>The service's own process id (not that of a tracer around it).</summary>
    public int ProcessId { get; private set; }

    /// <summary>A client of the running service that does not retry, so that a test sees each fault once.</summary>
    public DataLayerClient Client { get; private set; } = null!;

    /// <summary>A plain HTTP client whose base address is the API's URL.</summary>
    public HttpClient Http { get; private set; } = null!;

    /// <summary>Everything the service wrote since the first start.</summary>
    public string Log => _log.ToString();

    /// <summary>Whether the process runs.</summary>
    public bool IsRunning => _process is { IsRunning: true };

    /// <summary>Resident bytes of the process now, as the kernel counts them.</summary>
    public long ResidentBytes => ReadStatus("VmRSS") << 10;

    /// <summary>The most resident bytes the process ever had.</summary>
    public long PeakResidentBytes => ReadStatus("VmHWM") << 10;

    /// <summary>Starts a service and waits until it is ready.</summary>
    public static async Task<ServiceProcess> StartAsync(ServiceSettings settings)
    {
        var service = new ServiceProcess(settings);
        try
        {
            await service.StartAsync();
            return service;
        }
        catch
        {
            await service.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends it between two instructions (SIGKILL) and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        Signals.Send(ProcessId, Signals.Kill);
        await ForgetAsync();
    }

    /// <summary>Asks it to stop (SIGTERM, or another signal), waits, and returns its exit code.</summary>
    public async Task<int> StopAsync(int signal = Signals.Terminate)
    {
        Signals.Send(ProcessId, signal);
        var code = await _process!.WaitForEndAsync();
        await ForgetAsync();
        return code;
    }

    /// <summary>Starts it again after <see cref="KillAsync"/> or <see cref="StopAsync"/>, over the same state.</summary>
    public Task RestartAsync() => StartAsync();

    /// <summary>Runs a verb of the program against this service and waits for its end.</summary>
    public Task<CommandResult> RunVerbAsync(params string[] arguments) => RunVerbAsync(CancellationToken.None, arguments);

    /// <inheritdoc cref="RunVerbAsync(string[])"/>
    public Task<CommandResult> RunVerbAsync(CancellationToken cancellationToken, params string[] arguments) =>
        DataLayerProgram.RunAsync(arguments, Endpoint, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (IsRunning && ProcessId != 0)
        {
            Signals.Send(ProcessId, Signals.Kill);
        }

        await ForgetAsync();
        var folder = Directory.CreateDirectory(Path.Combine(RepositoryRoot.Path, "artifacts", "test-results", "services"));
        var name = Path.GetFileName(Path.GetDirectoryName(Settings.StateFolder.TrimEnd('/')));
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, $"{Environment.ProcessId}-{name}.log"), Log);
    }

    private async Task StartAsync()
    {
        var file = ServiceConfiguration.Write(Settings);
        IReadOnlyList<string> line = ["dotnet", BuiltProgram.DataLayer, "serve", "--config", file];
        line = Settings.Injection is { } injection ? StraceInjector.Wrap(injection, line) : line;
        _process = await ReadyProcess.StartAsync(
            "The service", line, ServiceConfiguration.Environment(Settings), text => ReadyLine().IsMatch(text), _log);
        Endpoint = new Uri(ReadyLine().Match(_process.ReadyLine).Groups["uri"].Value);
        ProcessId = Settings.Injection is null ? _process.Id : ChildOf(_process.Id);
        Http = new HttpClient { BaseAddress = Endpoint, Timeout = TimeSpan.FromMinutes(2) };
        Client = new DataLayerClient(new DataLayerClientOptions { ServerUri = Endpoint, RetryCount = 0 });
    }

    private async Task ForgetAsync()
    {
        if (_process is not null)
        {
            await _process.WaitForEndAsync();
            await _process.DisposeAsync();
            _process = null;
            Http?.Dispose();
            Client?.Dispose();
        }
    }

    private static int ChildOf(int processId)
    {
        var children = File.ReadAllText(FormattableString.Invariant($"/proc/{processId}/task/{processId}/children"));
        return int.Parse(children.Split(' ')[0], CultureInfo.InvariantCulture);
    }

    private long ReadStatus(string field)
    {
        foreach (var line in File.ReadLines(FormattableString.Invariant($"/proc/{ProcessId}/status")))
        {
            if (line.StartsWith(field + ":", StringComparison.Ordinal))
            {
                return long.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
            }
        }

        throw new InvalidOperationException($"/proc/{ProcessId}/status has no {field}.");
    }

    [GeneratedRegex(@"listening on:? (?<uri>http://\S+?)[""',.]?$", RegexOptions.IgnoreCase)]
    private static partial Regex ReadyLine();
}
