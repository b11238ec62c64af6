using System.Collections;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Diagnosis;
using DataLayer.Server.Hosting;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Origins;
using DataLayer.Tests.Stripes;
using Microsoft.Extensions.Logging.Abstractions;
using Doctor = DataLayer.Server.Diagnosis.Diagnosis;

namespace DataLayer.Tests.Diagnosis;

/// <summary>What a bench is opened with.</summary>
internal sealed record BenchSetup
{
    /// <summary>More lines of the configuration.</summary>
    public string More { get; init; } = "";

    /// <summary>Room of the memory tier, MiB.</summary>
    public int CacheMiB { get; init; } = 64;

    /// <summary>How far the store is: what opening a connection takes.</summary>
    public TimeSpan Distance { get; init; }

    /// <summary>What each read of the tree takes more.</summary>
    public TimeSpan TreeDelay { get; init; }

    /// <summary>Requests the store's client keeps in flight, a count.</summary>
    public int StoreRequests { get; init; } = 64;
}

/// <summary>
/// A node of real parts before a scripted S3, to be made ill and diagnosed. The machine it believes to run on is a
/// folder that the test writes: what else this machine does is no symptom.
/// </summary>
internal sealed class DoctorBench : IAsyncDisposable
{
    public const int MiB = 1 << 20;
    private readonly TempFolder _folder = new("doctor");
    private readonly List<FaultyTarget> _targets = [];
    private ServerConfiguration _configuration = null!;

    public ScriptedS3 Origin { get; private set; } = null!;

    public StorageNode Node { get; private set; } = null!;

    /// <summary>What the mounts report.</summary>
    public IReadOnlyList<MountReport> Mounts { get; set; } = [];

    /// <summary>The folder with <c>proc</c> and <c>sys</c>.</summary>
    public string Machine => _folder.MakeFolder("machine");

    /// <summary>The names of all settings there are.</summary>
    public IReadOnlyList<string> SettingNames { get; private set; } = [];

    public static async Task<DoctorBench> OpenAsync(BenchSetup? wanted = null)
    {
        BenchSetup setup = wanted ?? new BenchSetup();
        DoctorBench bench = new() { Origin = await ScriptedS3.StartAsync() };
        bench.Origin.MakeBucket("bucket");
        ConfigurationResult read = ServerConfigurationReader.ReadText(
            $$"""
            stateDirectory: {{bench._folder.Combine("state")}}
            memory: {budget: 512MiB}
            cache: {capacity: {{setup.CacheMiB}}MiB, policy: lru}
            pools:
              - {name: default, width: 1, reserve: 0, directories: [{{bench._folder.Combine("t0")}}]}
            {{setup.More}}
            """,
            "bench.yaml", new Hashtable());
        Assert.Empty(read.Reading.Problems);
        bench.SettingNames = [.. read.Reading.Settings.Select(s => s.Path)];
        ServerConfiguration basis = read.Configuration!;
        bench._configuration = basis with
        {
            Engine = basis.Engine with
            {
                RecallPatience = TimeSpan.Zero,
                BeforeTreeRead = setup.TreeDelay == TimeSpan.Zero ? null : async () => await Task.Delay(setup.TreeDelay),
            },
            ObjectStores =
            [
                new ObjectStoreOptions
                {
                    Name = "default",
                    Kind = "s3",
                    Endpoint = bench.Origin.Endpoint.ToString().TrimEnd('/'),
                    AccessKey = "a",
                    SecretKey = "b",
                    RequestLimit = setup.StoreRequests,
                    RetryDelay = TimeSpan.FromMilliseconds(40),
                    BeforeConnect = setup.Distance == TimeSpan.Zero
                        ? null
                        : async token => await Task.Delay(setup.Distance, token),
                },
            ],
        };
        bench._configuration.Hot.DecorateTarget = target =>
        {
            FaultyTarget faulty = new(target, seed: 1);
            bench._targets.Add(faulty);
            return faulty;
        };
        bench.Node = await StorageNode.OpenAsync(
            bench._configuration, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        return bench;
    }

    /// <summary>Puts objects <c>prefix/f0</c>, <c>f1</c>, … into the bucket.</summary>
    public void Fill(string prefix, int count, int bytes)
    {
        byte[] content = new byte[bytes];
        new Random(7).NextBytes(content);
        for (int i = 0; i < count; i++)
        {
            Origin.Put("bucket", $"{prefix}/f{i}", content);
        }
    }

    /// <summary>Attaches a prefix at the folder of its name.</summary>
    public async Task AttachAsync(string prefix, FreshnessMode freshness = FreshnessMode.Immutable) =>
        await Node.Engine.AttachAsync(
            new AttachRequest { Source = $"s3://bucket/{prefix}", Path = "/" + prefix, Freshness = freshness },
            null, CancellationToken.None);

    /// <summary>Fills and attaches.</summary>
    public async Task FillAndAttachAsync(string prefix, int count, int bytes)
    {
        Fill(prefix, count, bytes);
        await AttachAsync(prefix);
    }

    /// <summary>Brings a folder into the hot tier, and leaves memory empty of it.</summary>
    public async Task MakeHotAsync(string prefix)
    {
        await Node.Engine.WarmAsync("/" + prefix, false, null, CancellationToken.None);
        await Node.Engine.EvictAsync("/" + prefix, hotToo: false, CancellationToken.None);
    }

    /// <summary>All requests of a verb take longer.</summary>
    public void Delay(string verb, int milliseconds) => Origin.Script = request =>
        request.Verb == verb
            ? new OriginScript(OriginAct.Delay, Wait: TimeSpan.FromMilliseconds(milliseconds))
            : OriginScript.Serve;

    /// <summary>All reads of targets take longer.</summary>
    public void DelayTargets(int milliseconds) =>
        _targets.ForEach(t => t.ReadDelay = TimeSpan.FromMilliseconds(milliseconds));

    /// <summary>The targets have no room any more.</summary>
    public void FillTargets() => _targets.ForEach(t => t.IsFull = true);

    /// <summary>Opens a file and reads a piece of it.</summary>
    public async Task<int> ReadAsync(string path, long offset = 0, int length = MiB)
    {
        await using OpenFile file = await Node.Engine.OpenFileAsync(path, write: false, CancellationToken.None);
        return await file.ReadAsync(offset, new byte[length], CancellationToken.None);
    }

    /// <summary>Opens a file and reads it in order.</summary>
    public async Task ReadThroughAsync(string path, int bytes, int piece = 256 << 10)
    {
        await using OpenFile file = await Node.Engine.OpenFileAsync(path, write: false, CancellationToken.None);
        byte[] buffer = new byte[piece];
        for (long at = 0; at < bytes; at += piece)
        {
            await file.ReadAsync(at, buffer, CancellationToken.None);
        }
    }

    /// <summary>Does something with each of the first files of a folder, some at once.</summary>
    public static Task ForFilesAsync(string prefix, int count, int atOnce, Func<string, Task> action) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = atOnce },
            async (i, _) => await action($"/{prefix}/f{i}"));

    /// <summary>Diagnoses what happens while something runs.</summary>
    public async Task<DoctorReport> DiagnoseAsync(Func<Task> run)
    {
        DoctorSample before = Take();
        await run();
        DoctorReport report = Find(before);
        foreach (DoctorCause cause in report.Causes.Where(c => c.Setting.Contains('.', StringComparison.Ordinal)))
        {
            Assert.Contains(cause.Setting, SettingNames);
        }

        return report;
    }

    public async ValueTask DisposeAsync()
    {
        await Node.DisposeAsync();
        await Origin.DisposeAsync();
        _folder.Dispose();
    }

    private DoctorReport Find(DoctorSample before) => Doctor.Find(
        new DoctorWindow(before, Take()), DoctorSettings.Of(_configuration, Node.Stores.FindOptions));

    private DoctorSample Take() => DoctorSample.Take(Node, Mounts, new HostProbe(Machine), TimeProvider.System);
}
