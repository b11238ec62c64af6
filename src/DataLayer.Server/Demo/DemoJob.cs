using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Demo;

/// <summary>
/// The main job on real input, as <c>eng/run</c> shows it: puts a dataset into an object store, attaches it, reads all
/// of it several times in shuffled order through the client, then once through a mount and twice through a feed,
/// and says per pass what it took and where the bytes came from.
/// </summary>
internal sealed class DemoJob(DemoOptions options, DataLayerClient client, IAnsiConsole console)
{
    private const string TreeFolder = "/demo";
    private static readonly JsonSerializerOptions _json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    /// <summary>Runs the job; the exit status.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        string folder = options.DataFolder is null ? Prepare(cancellationToken) : Path.GetFullPath(options.DataFolder);
        if (!Directory.Exists(folder))
        {
            throw new DataLayerException(ErrorCode.NotFound, $"There is no folder '{folder}'. Give one with --data.");
        }

        long start = Stopwatch.GetTimestamp();
        AttachmentStatus? earlier = await FindAttachedAsync("file://" + folder, cancellationToken);
        AttachmentStatus attachment = earlier ?? await client.Admin.AttachAsync(
            new AttachCommand { Source = "file://" + folder, Path = TreeFolder, Store = options.StoreName },
            progress: null, cancellationToken);
        (long listRequests, _) = DemoPass.Origin(await client.Admin.GetStatisticsAsync(cancellationToken));
        double attachSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Say(earlier is null
            ? $"attached [bold]{TreeFolder}[/]: {attachment.ObjectCount:N0} objects, "
                + $"{ByteSize.Format(attachment.ObjectBytes)}, "
                + $"{listRequests} requests, {attachSeconds:F1} s; no byte copied"
            : $"[bold]{TreeFolder}[/] is attached already: {attachment.ObjectCount:N0} objects, "
                + $"{ByteSize.Format(attachment.ObjectBytes)}; memory and hot tier are as they were left");
        string[] files = await ListAsync(attachment.ObjectCount, cancellationToken);
        List<DemoPass> passes = [];
        for (int pass = 1; pass <= options.PassCount; pass++)
        {
            passes.Add(await ReadAllAsync(files, pass, mount: null, cancellationToken));
            Say(Line(passes[^1]));
        }

        if (options.MountFolder is { } at)
        {
            await ReadThroughMountAsync(at, files, passes, cancellationToken);
        }

        await ReadThroughFeedAsync(passes, cancellationToken);
        Summarise(passes);
        return 0;
    }

    /// <summary>One more pass, through a mount that is there for as long as the pass.</summary>
    private async Task ReadThroughMountAsync(
        string at, string[] files, List<DemoPass> passes, CancellationToken cancellationToken)
    {
        (DemoMount? mount, string? why) = await DemoMount.TryStartAsync(client, TreeFolder, at, cancellationToken);
        if (mount is null)
        {
            Say(Markup.Escape($"no pass through a mount: {why}"));
            return;
        }

        await using (mount)
        {
            Say($"mounted [bold]{TreeFolder}[/] at {Markup.Escape(mount.Path)}");
            passes.Add(await ReadAllAsync(files, passes.Count + 1, mount, cancellationToken));
            Say(Line(passes[^1]));
        }
    }

    /// <summary>The last passes: batches of a feed over an index of the same files.</summary>
    private async Task ReadThroughFeedAsync(List<DemoPass> passes, CancellationToken cancellationToken)
    {
        DemoFeed feed = new(options, client);
        try
        {
            long start = Stopwatch.GetTimestamp();
            long samples = await feed.IndexAsync(TreeFolder, cancellationToken);
            Say($"indexed {samples:N0} samples as dataset [bold]{DemoFeed.Dataset}[/] in "
                + $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
            int batch = passes.Count == 0 ? 1 : DemoFeed.BatchOf(passes[0].Files, passes[0].Bytes);
            await foreach (DemoPass pass in feed.ReadAsync(passes.Count + 1, batch, cancellationToken))
            {
                passes.Add(pass);
                Say(Line(pass));
            }
        }
        catch (DataLayerException e)
        {
            Say(Markup.Escape($"no pass through a feed: {e.Message}"));
        }
    }

    private static string Line(DemoPass pass) => string.Create(CultureInfo.InvariantCulture,
        $"pass {pass.Pass}{(pass.Through == "api" ? "" : $", through the {pass.Through}")}: {pass.Seconds:F1} s, "
        + $"{pass.FilesPerSecond:N0} files/s, {pass.MegabytesPerSecond:F1} MB/s");

    /// <summary>
    /// The attachment an earlier run left, complete and of the same data; null where there is none. One whose listing
    /// was interrupted is gone on with by attaching again, and one of other data is refused there.
    /// </summary>
    private async Task<AttachmentStatus?> FindAttachedAsync(string source, CancellationToken cancellationToken)
    {
        foreach (AttachmentStatus attachment in await client.Admin.ListAttachmentsAsync(cancellationToken))
        {
            if (attachment.Path == TreeFolder && attachment.ListingComplete
                && attachment.Source.TrimEnd('/') == source.TrimEnd('/'))
            {
                return attachment;
            }
        }

        return null;
    }

    private string Prepare(CancellationToken cancellationToken)
    {
        string folder = Path.Combine(Path.GetFullPath(options.BucketFolder), "fashion-mnist");
        string complete = folder + ".complete";
        if (File.Exists(complete))
        {
            return folder;
        }

        bool real = FashionMnist.IsInstalled(FashionMnist.DebianFolder);
        Say(real
            ? "putting fashion-mnist into the object store, one file an image …"
            : "fashion-mnist is not installed: generating files of its sizes and names instead …");
        int count = real
            ? FashionMnist.Explode(FashionMnist.DebianFolder, folder, cancellationToken)
            : GeneratedDataset.Write(folder, options.Seed, cancellationToken);
        File.WriteAllText(complete, count.ToString(CultureInfo.InvariantCulture));
        return folder;
    }

    private async Task<string[]> ListAsync(long expected, CancellationToken cancellationToken)
    {
        List<string> files = new((int)Math.Min(expected, 10_000_000));
        Queue<string> folders = new([TreeFolder]);
        while (folders.TryDequeue(out string? folder))
        {
            await foreach (FileStatus entry in client.ListAsync(folder, cancellationToken: cancellationToken))
            {
                string path = folder + "/" + entry.Name;
                if (entry.Kind == Core.Tree.FileKind.Directory)
                {
                    folders.Enqueue(path);
                }
                else
                {
                    files.Add(path);
                }
            }
        }

        return [.. files];
    }

    private async Task<DemoPass> ReadAllAsync(
        string[] files, int pass, DemoMount? mount, CancellationToken cancellationToken)
    {
        string[] order = [.. files];
        new Random(HashCode.Combine(options.Seed, pass)).Shuffle(order);
        StatisticsReport before = await client.Admin.GetStatisticsAsync(cancellationToken);
        int next = -1;
        long bytes = 0;
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, options.ReaderCount)
            .Select(_ => mount is null
                ? Task.Run(ReadSomeAsync, cancellationToken)
                : Task.Factory.StartNew(
                    ReadSome, cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        StatisticsReport after = await client.Admin.GetStatisticsAsync(cancellationToken);
        return DemoPass.Between(pass, seconds, order.Length, bytes, before, after) with
        {
            Through = mount is null ? "api" : "mount",
        };

        async Task ReadSomeAsync()
        {
            while (true)
            {
                int mine = Interlocked.Increment(ref next);
                if (mine >= order.Length)
                {
                    return;
                }

                using FileBytes file = await client.ReadFileAsync(order[mine], cancellationToken);
                Interlocked.Add(ref bytes, file.LengthBytes);
            }
        }

        void ReadSome()
        {
            byte[] buffer = DemoMount.MakeBuffer();
            while (Interlocked.Increment(ref next) is int mine && mine < order.Length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Interlocked.Add(ref bytes, mount!.ReadFile(order[mine][(TreeFolder.Length + 1)..], buffer));
            }
        }
    }

    private void Summarise(List<DemoPass> passes)
    {
        if (options.Json)
        {
            console.WriteLine(JsonSerializer.Serialize(
                new { dataset = TreeFolder, passes, url = options.Server }, _json));
            return;
        }

        Table table = new Table().Border(TableBorder.Simple)
            .AddColumns("pass", "seconds", "files/s", "MB/s", "I/O wait s", "memory", "hot", "cold",
                "origin requests", "would cost $");
        foreach (DemoPass pass in passes)
        {
            table.AddRow(
                pass.Through == "api" ? Number(pass.Pass, "F0") : $"{Number(pass.Pass, "F0")} {pass.Through}",
                Number(pass.Seconds, "F2"), Number(pass.FilesPerSecond, "N0"),
                Number(pass.MegabytesPerSecond, "F1"), Number(pass.WaitSeconds, "F2"), Share(pass.MemoryHits, pass),
                Share(pass.HotReads, pass), Share(pass.ColdReads, pass), Number(pass.OriginRequests, "N0"),
                Number(pass.OriginDollars, "F4"));
        }

        console.Write(table);
        DemoPass first = passes[0];
        DemoPass last = passes.Last(p => p.Through == "api");
        if (first.WaitSeconds > 0)
        {
            double less = 1 - (last.WaitSeconds / first.WaitSeconds);
            Say($"I/O wait of pass {last.Pass}: [bold]{less:P0}[/] less than of pass 1; "
                + $"origin requests {first.OriginRequests:N0} → {last.OriginRequests:N0}");
        }

        if (passes[^1] is { Through: "feed" } feed && feed != last)
        {
            Say($"the feed: [bold]{feed.FilesPerSecond / last.FilesPerSecond:F1} times[/] the files/s of "
                + $"pass {last.Pass}, batches in shared memory, in shuffled order");
        }

        Say($"the service runs at [bold]{options.Server}[/] (data API, /metrics, /openapi/v1.json)");
    }

    private static string Share(long count, DemoPass pass) =>
        Number(100.0 * count / Math.Max(1, pass.MemoryHits + pass.HotReads + pass.ColdReads), "F1") + " %";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private void Say(FormattableString text) => Say(text.ToString(CultureInfo.InvariantCulture));

    private void Say(string text)
    {
        if (!options.Json)
        {
            console.MarkupLine(text);
        }
    }
}
