using System.Text;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
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

        Assert.Equal(8, found);
    }
}
