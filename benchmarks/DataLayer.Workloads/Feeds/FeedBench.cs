using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DataLayer.Client.Feeds;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;

namespace DataLayer.Workloads.Feeds;

/// <summary>A service in a process of its own over a bucket that is a folder, and datasets of files made here.</summary>
internal sealed class FeedBench : IAsyncDisposable
{
    private readonly TempFolder _folder;

    private FeedBench(TempFolder folder, ServiceProcess service)
    {
        _folder = folder;
        Service = service;
    }

    public ServiceProcess Service { get; }

    /// <summary>Where feeds of this machine connect.</summary>
    public string Socket => "unix:" + Path.Combine(Service.Settings.StateFolder, "feed.sock");

    public static async Task<FeedBench> StartAsync(string name, Func<ServiceSettings, ServiceSettings> settings)
    {
        TempFolder folder = new(name);
        try
        {
            return new FeedBench(
                folder, await ServiceProcess.StartAsync(settings(new ServiceSettings { StateFolder = folder.Combine("state"), MemoryBytes = 1L << 30 })));
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>The folder of a bucket.</summary>
    public string BucketOf(string name) => _folder.Combine("buckets", name);

    /// <summary>Writes a file of a bucket.</summary>
    public void Write(string bucket, string name, ReadOnlySpan<byte> bytes)
    {
        string path = Path.Combine(BucketOf(bucket), name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
    }

    /// <summary>Writes files of one size in ten folders: <c>0/00000.bin</c> on.</summary>
    public void WriteFiles(string bucket, int count, int bytes)
    {
        Random random = new(bytes);
        byte[] content = new byte[bytes];
        for (int i = 0; i < count; i++)
        {
            random.NextBytes(content);
            Write(bucket, string.Create(CultureInfo.InvariantCulture, $"{i % 10}/{i:D6}.bin"), content);
        }
    }

    /// <summary>Attaches a bucket and makes a dataset of it, of the same name; memory holds it where asked.</summary>
    public async Task MakeAsync(string name, Func<DatasetCommand, DatasetCommand> command, bool warm, CancellationToken stop)
    {
        await Service.Client.Admin.AttachAsync(
            new AttachCommand { Source = $"file://{BucketOf(name)}", Path = "/" + name, Store = "files" }, null, stop);
        await IndexAsync(Service, name, command, stop);
        if (warm)
        {
            await Service.Client.Admin.WarmAsync("/" + name, intoMemory: true, null, stop);
        }
    }

    /// <summary>Makes a dataset of a folder of the tree, of the same name, and waits for its index.</summary>
    public static async Task IndexAsync(ServiceProcess service, string name, Func<DatasetCommand, DatasetCommand> command, CancellationToken stop)
    {
        JobStatus job = await service.Client.Datasets.CreateAsync(name, command(new DatasetCommand { Path = "/" + name, Kind = "files" }), stop);
        await foreach (JobStatus now in service.Client.Jobs.WatchAsync(job.Id, stop))
        {
            job = now;
        }

        if (job.State != "done")
        {
            throw new InvalidOperationException($"The index of '{name}' was not built: {job.Failure}");
        }
    }

    /// <summary>Passes of a feed in this process; nothing is done with its batches.</summary>
    /// <returns>Samples and bytes of data a second, after the first batch of the second pass.</returns>
    public async Task<(double Samples, double Bytes)> ReadAsync(TrainingFeedOptions options, int passes, CancellationToken stop)
    {
        await using TrainingFeed feed = await TrainingFeed.OpenAsync(options with { Server = Socket, Passes = passes + 1 }, stop);
        long samples = 0;
        long bytes = 0;
        long start = 0;
        await foreach (Batch batch in feed.WithCancellation(stop))
        {
            if (start != 0)
            {
                samples += batch.Count;
                bytes += batch.DataBytes;
            }
            else if (batch.Pass > 0)
            {
                start = Stopwatch.GetTimestamp();
            }
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return (samples / seconds, bytes / seconds);
    }

    /// <summary>Runs <c>benchmarks/python/feed_loaders.py</c>.</summary>
    /// <returns>Samples a second, and the sum over the bytes of the first pass.</returns>
    public async Task<(double Rate, string Sum)> RunPythonAsync(string way, CancellationToken stop, params string[] arguments)
    {
        Dictionary<string, string> environment = new(StringComparer.Ordinal) { ["PYTHONPATH"] = Path.Combine(RepositoryRoot.Path, "src", "python") };
        CommandResult result = await Command.TryRunAsync(
            "/usr/bin/python3", [Path.Combine(RepositoryRoot.Path, "benchmarks", "python", "feed_loaders.py"), way, .. arguments], environment, stop);
        if (result.ExitCode != 0)
        {
            throw new InvalidOperationException($"feed_loaders.py {way} failed: {result.Error}");
        }

        using JsonDocument line = JsonDocument.Parse(result.Output);
        return (
            line.RootElement.GetProperty("samplesPerSecond").GetDouble(),
            $"{line.RootElement.GetProperty("samples")} samples, sum {line.RootElement.GetProperty("sum")}");
    }

    public async ValueTask DisposeAsync()
    {
        await Service.DisposeAsync();
        _folder.Dispose();
    }
}
