using System.Numerics.Tensors;
using System.Text;
using DataLayer.Client;
using DataLayer.Client.Checkpoints;
using DataLayer.Client.Feeds;
using DataLayer.Client.Feeds.Cuda;
using DataLayer.Client.Feeds.Devices;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Feeds;
using DataLayer.Protocol.Http;
using DataLayer.Tests.Server;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Client;

/// <summary>The examples of docs/CLIENT.md, run as they stand there.</summary>
[Collection(ServiceCollection.Name)]
public sealed class DocumentedExamples(RunningService service)
{
    [Fact]
    public async Task Write_and_read()
    {
        string server = service.Url.ToString();
        string folder = await service.MakeFolderAsync();

        // example: write and read
        using DataLayerClient client = new(server);
        await client.WriteFileAsync($"{folder}/notes/today.txt", "one line\n"u8.ToArray(), new WriteOptions { MakeParents = true });

        using FileBytes content = await client.ReadFileAsync($"{folder}/notes/today.txt");
        Console.WriteLine(Encoding.UTF8.GetString(content.Memory.Span));
        // end

        Assert.Equal(9, content.LengthBytes);
    }

    [Fact]
    public async Task Positional_reads()
    {
        string folder = await service.MakeFolderAsync();
        DataLayerClient client = service.Client;
        await client.WriteFileAsync($"{folder}/large.bin", new byte[3_000_000]);

        // example: positional reads
        RemoteFile file = await client.OpenAsync($"{folder}/large.bin");
        byte[] buffer = new byte[1 << 20];
        long total = 0;
        while (true)
        {
            int count = await file.ReadAtAsync(total, buffer);
            if (count == 0)
            {
                break;
            }

            total += count;
        }
        // end

        Assert.Equal(3_000_000, total);
    }

    [Fact]
    public async Task Policies()
    {
        const string yaml = "version: 1\nrules:\n  - {name: all, match: {path: /ticks/**}, then: {place: cold}}\n";
        DataLayerClient client = service.Client;

        // example: policies
        PolicyCheckReport check = await client.Admin.CheckPolicyAsync(yaml);
        foreach (PolicyFault fault in check.Errors)
        {
            Console.WriteLine($"{fault.Line}:{fault.Column}: {fault.Message} {fault.Remedy}");
        }

        PolicyStatus version = await client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = yaml, Comment = "quarter end" });
        PolicyExplanationReport why = await client.Admin.ExplainPolicyAsync(new ExplainPolicyCommand { Path = "/ticks/a.parquet" });
        Console.WriteLine($"version {version.Version}: {why.Decision.RuleName} wants {why.Decision.Place}");
        // end

        Assert.Equal(("all", "cold"), (why.Decision.RuleName, why.Decision.Place));
        await client.Admin.ActivatePolicyAsync(0);
    }

    [Fact]
    public async Task Listing()
    {
        string folder = await service.MakeFolderAsync();
        DataLayerClient client = service.Client;
        await client.WriteFileAsync($"{folder}/a", "a"u8.ToArray());

        // example: listing
        await foreach (FileStatus entry in client.ListAsync(folder))
        {
            Console.WriteLine($"{entry.Name}: {entry.SizeBytes} bytes, {entry.State}");
        }
        // end
    }

    [Fact]
    public async Task Streams()
    {
        using TempFolder temporary = new("example");
        string folder = await service.MakeFolderAsync();
        DataLayerClient client = service.Client;
        string localFile = temporary.Combine("local");
        await File.WriteAllBytesAsync(localFile, new byte[100_000]);

        // example: streams
        await using FileStream upload = File.OpenRead(localFile);
        WriteOutcome written = await client.WriteFileAsync($"{folder}/copy", upload);

        await using FileStream download = File.Create(localFile + ".back");
        await client.DownloadAsync($"{folder}/copy", download);
        // end

        Assert.True(written.Created);
        Assert.Equal(100_000, download.Length);
    }

    [Fact]
    public async Task Conditions()
    {
        string path = await service.MakeFolderAsync() + "/counter";
        DataLayerClient client = service.Client;
        await client.WriteFileAsync(path, "1"u8.ToArray());
        bool lost = false;

        // example: conditions
        using FileBytes current = await client.ReadFileAsync(path);
        int next = int.Parse(Encoding.ASCII.GetString(current.Memory.Span), null) + 1;
        try
        {
            byte[] text = Encoding.ASCII.GetBytes($"{next}");
            await client.WriteFileAsync(path, text, new WriteOptions { IfMatch = current.EntityTag });
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.Stale)
        {
            lost = true; // Somebody else was faster: read again and repeat.
        }
        // end

        Assert.False(lost);
        Assert.Equal(2, next);
    }

    [Fact]
    public async Task Attach()
    {
        string bucket = service.MakeBucket(("a", "alpha"));
        string folder = await service.MakeFolderAsync();
        DataLayerClient client = service.Client;

        // example: attach
        AttachCommand command = new() { Source = $"file://{bucket}", Path = $"{folder}/data" };
        AttachmentStatus attachment = await client.Admin.AttachAsync(
            command, new Progress<ListingReport>(p => Console.WriteLine($"{p.Objects} objects")));
        Console.WriteLine($"{attachment.ObjectCount} objects, {attachment.ObjectBytes} bytes");
        // end

        Assert.Equal(1, attachment.ObjectCount);
    }

    [Fact]
    public async Task Datasets()
    {
        DataLayerClient client = service.Client;
        string folder = await service.MakeFolderAsync();
        await client.WriteFileAsync($"{folder}/a.jsonl", Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, 10))));
        const string name = "example";
        DatasetCommand lines = new() { Path = folder, Kind = "lines" };
        List<string> samples = [];

        // example: datasets
        await foreach (JobStatus step in client.Jobs.WatchAsync((await client.Datasets.CreateAsync(name, lines)).Id))
        {
            Console.WriteLine($"{step.State}: {step.DoneObjects} of {step.TotalObjects} files");
        }

        DatasetStatus dataset = await client.Datasets.PinAsync(name);
        byte[] hash = Convert.FromHexString(dataset.Hash!);
        OrderSpec spec = new() { Mode = OrderMode.Shuffle, Seed = 7 };
        SampleOrder order = new(spec, hash, dataset.Samples, []);
        RankSlice slice = new(order.PassLength, world: 2, rank: 0, batch: 4, LastStep.Pad);
        FeedStep first = slice.StepAt(cursor: 0);
        for (int i = 0; i < first.Count; i++)
        {
            byte[] sample = await client.Datasets.ReadSampleAsync(name, order.At(first.Pass, first[i]));
            samples.Add(Encoding.UTF8.GetString(sample));
        }

        string checkpoint = FeedState.Save(spec, hash, first.NextCursor).ToText();
        // end

        Assert.Equal(4, samples.Distinct().Count());
        Assert.Equal(8, FeedState.Parse(checkpoint).Load(spec, hash));
        await client.Datasets.UnpinAsync(name);
        await client.Datasets.DeleteAsync(name);
    }

    [Fact]
    public async Task Feeds()
    {
        const string name = "feed-example";
        await MakeDatasetAsync(name, "lines", string.Join('\n', Enumerable.Range(0, 10)));
        string feedServer = "unix:" + service.FeedSocketPath;
        List<string> samples = [];
        string checkpoint = "";
        long trained = 0;

        // example: a feed
        TrainingFeedOptions options = new()
        {
            Server = feedServer, // "unix:/var/lib/datalayer/feed.sock", from elsewhere "http://host:7070"
            Dataset = name,
            Batch = 2,
            Order = new OrderSpec { Mode = OrderMode.Shuffle, Seed = 7 },
            Rank = 0,
            World = 2,
        };
        await using TrainingFeed feed = await TrainingFeed.OpenAsync(options);
        await foreach (Batch batch in feed)
        {
            for (int i = 0; i < batch.Count; i++)
            {
                ReadOnlySpan<byte> sample = batch.GetSample(i);
                samples.Add(Encoding.UTF8.GetString(sample));
            }

            checkpoint = batch.State.ToText();
            break;
        }
        // end

        Assert.Equal(4, FeedState.Parse(checkpoint).Cursor);

        // example: a feed that goes on
        options = options with { State = FeedState.Parse(checkpoint), Rank = 2, World = 3, Batch = 1 };
        await using TrainingFeed resumed = await TrainingFeed.OpenAsync(options);
        await foreach (Batch batch in resumed)
        {
            samples.Add(Encoding.UTF8.GetString(batch.GetSample(0)));
            break;
        }
        // end

        Assert.Equal(3, samples.Distinct().Count());

        // example: a feed to a device
        await using IFeedDevice device = CudaDriver.OpenOrHost();
        await foreach (DeviceBatch batch in feed.ToDeviceAsync(device))
        {
            Train(batch.DataAddress, batch.DataBytes, batch.Labels);
        }
        // end

        Assert.True(trained > 0);

        void Train(nint address, long bytes, ReadOnlySpan<int> labels) => trained += address != 0 && labels.IsEmpty ? bytes : 0;
    }

    [Fact]
    public async Task Tensors()
    {
        const string images = "feed-images";
        await MakeDatasetAsync(images, "fixed", new string('\u007f', 50 * 16));
        string feedServer = "unix:" + service.FeedSocketPath;
        int rows = 0;
        float brightest = 0;

        // example: tensors
        TrainingFeedOptions dense = new()
        {
            Server = feedServer,
            Dataset = images,
            Batch = 10,
            Element = FeedElement.UInt8,
            Cast = new FeedCast { To = "float32", Scale = [1 / 255f] },
        };
        await using TrainingFeed pixels = await TrainingFeed.OpenAsync(dense);
        await foreach (Batch batch in pixels)
        {
            ReadOnlyTensorSpan<float> tensor = batch.GetTensor<float>();
            rows += (int)tensor.Lengths[0];
            brightest = Math.Max(brightest, Tensor.Max(tensor));
        }
        // end

        Assert.Equal((50, 127 * (1 / 255f)), (rows, brightest));
    }

    [Fact]
    public async Task A_training_loop()
    {
        const string digits = "feed-training";
        const int classes = 4;
        const int features = 64;
        await MakeLabelledAsync(digits, classes, 400);
        string feedServer = "unix:" + service.FeedSocketPath;
        List<double> losses = [];

        // example: a training loop
        TrainingFeedOptions training = new()
        {
            Server = feedServer,
            Dataset = digits, // images of bytes (.npy, IDX, raw records), with labels
            Batch = 32,
            Passes = 3,
            Cast = new FeedCast { To = "float32", Scale = [1 / 255f] },
        };
        float[] weights = new float[classes * features];
        await using TrainingFeed feed = await TrainingFeed.OpenAsync(training);
        await foreach (Batch batch in feed)
        {
            losses.Add(Learn(weights, batch.GetValues<float>(), batch.Labels, rate: 0.5f));
        }

        // One step of softmax regression: the mean loss of the batch, before the step.
        static double Learn(float[] weights, ReadOnlySpan<float> images, ReadOnlySpan<int> labels, float rate)
        {
            float[] gradient = new float[weights.Length];
            float[] scores = new float[classes];
            double loss = 0;
            for (int i = 0; i < labels.Length; i++)
            {
                ReadOnlySpan<float> image = images.Slice(i * features, features);
                for (int c = 0; c < classes; c++)
                {
                    scores[c] = TensorPrimitives.Dot(image, weights.AsSpan(c * features, features));
                }

                TensorPrimitives.SoftMax(scores, scores);
                loss -= Math.Log(Math.Max(scores[labels[i]], 1e-9)) / labels.Length;
                for (int c = 0; c < classes; c++)
                {
                    Span<float> row = gradient.AsSpan(c * features, features);
                    TensorPrimitives.MultiplyAdd(image, scores[c] - (c == labels[i] ? 1 : 0), row, row);
                }
            }

            TensorPrimitives.MultiplyAdd(gradient, -rate / labels.Length, weights, weights);
            return loss;
        }
        // end

        Assert.Equal(3 * (400 / 32), losses.Count);
        Assert.Equal(Math.Log(classes), losses[0], 3);
        Assert.True(losses[^1] < 0.25 * losses[0], string.Join(' ', losses));
    }

    [Fact]
    public async Task Checkpoints()
    {
        DataLayerClient client = service.Client;
        string folder = await service.MakeFolderAsync();
        byte[] weights = [1, 2, 3];
        string checkpoint = FeedState.Save(new OrderSpec(), new byte[32], 8).ToText();

        // example: checkpoints
        CheckpointWriter checkpoints = new(client, new CheckpointWriterOptions { Keep = 2 });
        await checkpoints.SaveAsync($"{folder}/ckpt/step-000100.bin", weights);
        await client.WriteFileAsync($"{folder}/ckpt/feed.json", Encoding.UTF8.GetBytes(checkpoint));

        string? latest = await checkpoints.FindLatestAsync($"{folder}/ckpt");
        byte[] restored = await checkpoints.LoadAsync(latest!);
        // end

        Assert.Equal(weights, restored);
    }

    /// <summary>Images of 8 × 8 with a bright quarter that tells their class, and noise.</summary>
    private async Task MakeLabelledAsync(string name, int classes, int count)
    {
        Random random = new(1);
        byte[] images = [0, 0, 8, 3, 0, 0, (byte)(count >> 8), (byte)count, 0, 0, 0, 8, 0, 0, 0, 8, .. new byte[count * 64]];
        byte[] labels = [0, 0, 8, 1, 0, 0, (byte)(count >> 8), (byte)count, .. new byte[count]];
        for (int i = 0; i < count; i++)
        {
            labels[8 + i] = (byte)random.Next(classes);
            for (int pixel = 0; pixel < 64; pixel++)
            {
                bool isBright = labels[8 + i] == (pixel / 32 * 2) + (pixel % 8 / 4);
                images[16 + (i * 64) + pixel] = (byte)(random.Next(90) + (isBright ? 120 : 0));
            }
        }

        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync($"{folder}/images.idx", images);
        await service.Client.WriteFileAsync($"{folder}/labels.idx", labels);
        await IndexAsync(name, new DatasetCommand
        {
            Path = folder,
            Kind = "fixed",
            Include = "images*",
            Labels = "array",
            LabelsFrom = $"{folder}/labels.idx",
        });
    }

    private async Task MakeDatasetAsync(string name, string kind, string content)
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync($"{folder}/samples.bin", Encoding.UTF8.GetBytes(content));
        await IndexAsync(name, new DatasetCommand { Path = folder, Kind = kind, RecordBytes = kind == "fixed" ? 16 : null });
    }

    private async Task IndexAsync(string name, DatasetCommand command)
    {
        JobStatus made = await service.Client.Datasets.CreateAsync(name, command);
        await foreach (JobStatus step in service.Client.Jobs.WatchAsync(made.Id))
        {
            made = step;
        }

        Assert.Equal("done", made.State);
    }

    [Fact]
    public void The_document_shows_exactly_these_examples()
    {
        string document = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "CLIENT.md"));
        string[] source = File.ReadAllLines(Path.Combine(
            RepositoryRoot.Path, "tests", "DataLayer.Tests", "Client", "DocumentedExamples.cs"));
        int found = 0;
        for (int i = 0; i < source.Length; i++)
        {
            if (source[i].TrimStart().StartsWith("// example: ", StringComparison.Ordinal))
            {
                int end = Array.FindIndex(source, i, line => line.Trim() == "// end");
                string example = string.Concat(source[(i + 1)..end].Select(l => (l.Length >= 8 ? l[8..] : l) + "\n"));
                Assert.Contains("```csharp\n" + example + "```\n", document, StringComparison.Ordinal);
                found++;
            }
        }

        Assert.Equal(14, found);
    }
}
