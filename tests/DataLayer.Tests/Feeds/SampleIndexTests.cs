using System.Buffers.Binary;
using System.Formats.Tar;
using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds;
using DataLayer.Metadata;

namespace DataLayer.Tests.Feeds;

public sealed class SampleIndexTests
{
    [Fact]
    public async Task Files_are_samples_and_their_folders_labels()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        foreach (string path in (string[])["dog/2.txt", "cat/1.txt", "dog/1.txt", "cat/.hidden", "cat/deep/x.txt", "cat/.git/x"])
        {
            await run.WriteAsync("/d/" + path, path);
        }

        DatasetRecord built = await run.BuildAsync(new() { Path = "/d", Kind = DatasetKind.Files, Labels = LabelSource.Folder });

        Assert.Equal(["cat", "deep", "dog"], built.Classes);
        Assert.Equal(["cat/1.txt", "cat/deep/x.txt", "dog/1.txt", "dog/2.txt"], await run.ReadAllAsync());
        Assert.Equal(["cat", "deep", "dog", "dog"], Enumerable.Range(0, 4).Select(i => run.LabelOf(i)));
        Assert.Equal((4L, 4L, 4L), (built.Samples, built.Files, built.ReadFiles));
    }

    [Fact]
    public async Task A_csv_labels_files_and_is_none_of_them()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        await run.WriteAsync("/d/a,b.txt", "x");
        await run.WriteAsync("/d/c.txt", "y");
        await run.WriteAsync("/d/labels.csv", "path,label\r\n\"a,b.txt\",10\r\nc.txt,9\r\nother.txt,1\r\n");

        DatasetRecord built = await run.BuildAsync(new() { Path = "/d", Kind = DatasetKind.Files, Labels = LabelSource.Csv, LabelsFrom = "/d/labels.csv" });

        Assert.Equal(["9", "10"], built.Classes); // As numbers, since all are.
        Assert.Equal(["10", "9"], Enumerable.Range(0, 2).Select(i => run.LabelOf(i)));
    }

    [Theory]
    [InlineData(TarEntryFormat.V7)]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Gnu)]
    [InlineData(TarEntryFormat.Pax)]
    public async Task Members_of_a_tar_in_a_row_are_one_sample(TarEntryFormat format)
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        string longName = format is TarEntryFormat.Gnu or TarEntryFormat.Pax ? new string('n', 180) : "n";
        await run.WriteAsync("/d/0.tar", DatasetRun.Tar(
            format, ("s/", ""), ("s/1.jpg", new string('j', 700)), ("s/1.cls", "3\n"), ("README", "no sample"), ($"s/{longName}.jpg", "k"),
            ($"s/{longName}.seg.png", "l"), ($"s/{longName}.cls", "12")));
        await run.WriteAsync("/d/1.tar", DatasetRun.Tar(format, ("s/1.jpg", "m"), ("s/1.cls", "3")));

        DatasetRecord built = await run.BuildAsync(new() { Path = "/d", Kind = DatasetKind.Tar, Labels = LabelSource.Member });

        Assert.Equal((3L, 2L), (built.Samples, built.Files));
        Assert.Equal(["3", "12"], built.Classes);
        Assert.Equal(["3", "12", "3"], Enumerable.Range(0, 3).Select(i => run.LabelOf(i)));
        SampleIndex index = run.Datasets.Open("set");
        Assert.Equal([("s/1.jpg", 700L), ("s/1.cls", 2L)], Members(await run.ReadAsync(index[0])).Take(2));
        Assert.Equal([$"s/{longName}.jpg", $"s/{longName}.seg.png", $"s/{longName}.cls"], Members(await run.ReadAsync(index[1])).Select(m => m.Name));
    }

    [Fact]
    public async Task Fixed_records_are_read_from_npy_idx_and_raw_files()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        await run.WriteAsync("/npy/a.npy", Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", new byte[24]));
        await run.WriteAsync("/npy/b.npy", Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", [.. Enumerable.Range(1, 8).Select(i => (byte)i)]));
        await run.WriteAsync("/raw/a.bin", "abcdef");
        await run.WriteAsync("/idx/images", Idx(0x08, [2, 2, 3], [.. Enumerable.Range(0, 12).Select(i => (byte)i)]));
        await run.WriteAsync("/idx/labels", Idx(0x08, [2], [7, 4]));

        DatasetRecord npy = await run.BuildAsync(new() { Path = "/npy", Kind = DatasetKind.Fixed }, "npy");
        Assert.Equal((4L, 8L, "<f4"), (npy.Samples, npy.RecordBytes, npy.ElementType));
        Assert.Equal([2L], npy.Shape);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], await run.ReadAsync(run.Datasets.Open("npy")[3]));
        Assert.Equal(["ab", "cd", "ef"], await ReadAsync(run, new() { Path = "/raw", Kind = DatasetKind.Fixed, RecordBytes = 2 }, "raw"));
        DatasetRecord idx = await run.BuildAsync(
            new() { Path = "/idx/images", Kind = DatasetKind.Fixed, Labels = LabelSource.Array, LabelsFrom = "/idx/labels" }, "idx");
        Assert.Equal([2L, 3L], idx.Shape);
        Assert.Equal(["4", "7"], idx.Classes);
        Assert.Equal("7", run.LabelOf(0, "idx"));
        Assert.Equal([6, 7, 8, 9, 10, 11], await run.ReadAsync(run.Datasets.Open("idx")[1]));
    }

    [Fact]
    public async Task Lines_are_samples_without_their_ends()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        string wide = new('w', 300_000);
        await run.WriteAsync("/d/1.jsonl", $"{{\"n\":{{\"label\":1}},\"label\":\"a\"}}\r\n\n{{\"label\":2,\"t\":\"{wide}\"}}\n{{\"label\":\"a\"}}");
        Assert.Equal(3, (await run.BuildAsync(new() { Path = "/d", Kind = DatasetKind.Lines, Labels = LabelSource.Field, LabelsFrom = "label" })).Samples);
        Assert.Equal(["{\"n\":{\"label\":1},\"label\":\"a\"}", $"{{\"label\":2,\"t\":\"{wide}\"}}", "{\"label\":\"a\"}"], await run.ReadAllAsync());
        Assert.Equal(["a", "2", "a"], Enumerable.Range(0, 3).Select(i => run.LabelOf(i)));
    }

    [Fact]
    public async Task Bad_input_is_refused_with_file_place_and_remedy()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        byte[] tar = DatasetRun.Tar(TarEntryFormat.Ustar, ("1.jpg", new string('j', 700)), ("2.jpg", "k"));
        await run.WriteAsync("/torn/a.tar", tar[..1300]);
        await run.WriteAsync("/open/a.tar", tar[..(tar.Length - 1024)]);
        byte[] flipped = [.. tar];
        flipped[1536 + 3] ^= 1;
        await run.WriteAsync("/flip/a.tar", flipped);
        await run.WriteAsync("/short/a.bin", "abcde");
        await run.WriteAsync("/npy/a.npy", Npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }", new byte[24]));
        await run.WriteAsync("/cut/a.npy", Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", new byte[20]));
        await run.WriteAsync("/flat/a.txt", "x");
        await run.WriteAsync("/bad.csv", "a.txt,1\n\"b.txt,2\n");
        await run.WriteAsync("/lines/a.jsonl", "{\"label\":1}\n{\"x\":1}\n");
        await run.WriteAsync("/gz/a.jsonl", [0x1F, 0x8B, 8, 0, 0, 0]);

        (DatasetSpec Spec, string[] Words)[] cases =
        [
            (new() { Path = "/torn", Kind = DatasetKind.Tar }, ["'/torn/a.tar', byte 0:", "reaches past the end", "Copy or pack it again"]),
            (new() { Path = "/open", Kind = DatasetKind.Tar }, ["'/open/a.tar', byte 2560:", "without its end mark"]),
            (new() { Path = "/flip", Kind = DatasetKind.Tar }, ["'/flip/a.tar', byte 1536:", "no header"]),
            (new() { Path = "/flip", Kind = DatasetKind.Tar, Labels = LabelSource.Member, Include = "none*" }, ["No file of '/flip'"]),
            (new() { Path = "/short", Kind = DatasetKind.Fixed, RecordBytes = 2 }, ["'/short/a.bin', byte 4:", "1 of 2 bytes"]),
            (new() { Path = "/short", Kind = DatasetKind.Fixed }, ["'/short/a.bin'", "--record-bytes"]),
            (new() { Path = "/npy", Kind = DatasetKind.Fixed }, ["'/npy/a.npy', byte 10:", "Fortran order", "ascontiguousarray"]),
            (new() { Path = "/cut", Kind = DatasetKind.Fixed }, ["'/cut/a.npy'", "3 records of 8 bytes", "20 bytes"]),
            (new() { Path = "/flat", Kind = DatasetKind.Files, Labels = LabelSource.Folder }, ["'/flat/a.txt' has no label", "Move it"]),
            (new() { Path = "/flat", Kind = DatasetKind.Files, Labels = LabelSource.Csv, LabelsFrom = "/bad.csv" }, ["'/bad.csv', byte 8:", "line 2"]),
            (new() { Path = "/lines", Kind = DatasetKind.Lines, Labels = LabelSource.Field, LabelsFrom = "label" }, ["'/lines/a.jsonl', byte 12:", "'label'"]),
            (new() { Path = "/gz", Kind = DatasetKind.Lines }, ["'/gz/a.jsonl', byte 0:", "decompress"]),
            (new() { Path = "/flat", Kind = DatasetKind.Files, RecordBytes = 3 }, ["recordBytes goes with kind fixed"]),
        ];
        for (int i = 0; i < cases.Length; i++)
        {
            DataLayerException refused = await run.RefuseAsync(cases[i].Spec, string.Create(CultureInfo.InvariantCulture, $"bad{i}"));
            Assert.Equal(ErrorCode.InvalidArgument, refused.Code);
            Assert.All(cases[i].Words, word => Assert.Contains(word, refused.Message, StringComparison.Ordinal));
        }

        Assert.Contains("'/torn/a.tar'", run.Datasets.Get("bad0").Fault, StringComparison.Ordinal);
        Assert.Contains("the last build failed", Assert.Throws<DataLayerException>(() => run.Datasets.Open("bad0")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_files_that_changed_are_read_again_and_the_hash_is_of_content()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        DatasetSpec spec = new() { Path = "/d", Kind = DatasetKind.Tar, Labels = LabelSource.Member, ValidationShare = 0.5 };
        for (int i = 0; i < 5; i++)
        {
            await run.WriteAsync($"/d/{i}.tar", DatasetRun.Tar(TarEntryFormat.Ustar, ("1.cls", $"{i}"), ("2.cls", "9")));
        }

        DatasetRecord first = await run.BuildAsync(spec);
        DatasetRecord again = await run.BuildAsync(spec);
        Assert.Equal((5L, 0L), (first.ReadFiles, again.ReadFiles));
        Assert.Equal(first.Hash, again.Hash);

        await run.WriteAsync("/d/3.tar", DatasetRun.Tar(TarEntryFormat.Ustar, ("1.cls", "7")));
        DatasetRecord changed = await run.BuildAsync(spec);
        Assert.Equal((1L, 9L), (changed.ReadFiles, changed.Samples));
        Assert.NotEqual(first.Hash, changed.Hash);

        // An index that takes files over is byte for byte the one built from nothing.
        byte[] taken = File.ReadAllBytes(IndexFile(run));
        File.Delete(IndexFile(run));
        DatasetRecord fresh = await run.BuildAsync(spec);
        Assert.Equal(5, fresh.ReadFiles);
        Assert.Equal(taken, File.ReadAllBytes(IndexFile(run)));
    }

    [Fact]
    public async Task A_damaged_index_is_told_and_built_anew()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        DatasetSpec spec = new() { Path = "/d", Kind = DatasetKind.Lines };
        await run.WriteAsync("/d/1", string.Join('\n', Enumerable.Range(0, 1000)));
        await run.BuildAsync(spec);
        byte[] good = File.ReadAllBytes(IndexFile(run));
        string copy = IndexFile(run) + ".copy";
        for (int at = 0; at < good.Length - 8; at += 97)
        {
            byte[] bad = [.. good];
            bad[at] ^= 0x10;
            File.WriteAllBytes(copy, bad);
            Assert.Equal(ErrorCode.Corrupt, Assert.Throws<DataLayerException>(() => SampleIndex.Open(copy)).Code);
        }

        File.WriteAllBytes(copy, good[..^20]);
        Assert.Throws<DataLayerException>(() => SampleIndex.Open(copy));
        string file = IndexFile(run);
        good[200] ^= 1;
        await run.Fixture.ReopenAsync();
        File.WriteAllBytes(file, good);
        Assert.Equal(ErrorCode.Corrupt, Assert.Throws<DataLayerException>(() => run.Datasets.Open("set")).Code);
        Assert.Equal(1, (await run.BuildAsync(spec)).ReadFiles);
        Assert.Equal(1000, run.Datasets.Open("set").Count);
    }

    [Fact]
    public async Task Splits_and_classes_are_selected_without_a_list_in_memory()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        const int count = 5000;
        Random random = new(3);
        int[] labels = [.. Enumerable.Range(0, count).Select(_ => random.Next(7))];
        string[] lines = [.. labels.Select(l => $"{{\"y\":{l}{new string(' ', random.Next(40))}}}")];
        await run.WriteAsync("/d/1.jsonl", string.Join('\n', lines));
        DatasetSpec spec = new() { Path = "/d", Kind = DatasetKind.Lines, Labels = LabelSource.Field, LabelsFrom = "y", ValidationShare = 0.2 };
        DatasetRecord built = await run.BuildAsync(spec);
        SampleIndex index = run.Datasets.Open("set");

        Assert.InRange(built.ValidationSamples, 800, 1200); // Seven deviations of 28.
        foreach (DatasetPart part in Enum.GetValues<DatasetPart>())
        {
            long[] members = [.. Enumerable.Range(0, count).Where(i => part == DatasetPart.All || index.IsValidation(i) == (part == DatasetPart.Validation))];
            Assert.Equal(members.Length, index.CountOf(part));
            Assert.Equal(members, Enumerable.Range(0, members.Length).Select(i => index.Select(part, OrdinalSorting.Number, i)));
            long[] sorted = [.. members.OrderBy(i => labels[i])];
            Assert.Equal(sorted, Enumerable.Range(0, members.Length).Select(i => index.Select(part, OrdinalSorting.Class, i)));
            long[] shortestFirst = [.. members.OrderBy(i => lines[i].Length)];
            Assert.Equal(shortestFirst, Enumerable.Range(0, members.Length).Select(i => index.Select(part, OrdinalSorting.Length, i)));
            Assert.All(Enum.GetValues<OrdinalSorting>(), sorting => Assert.Equal(
                Enumerable.Range(0, members.Length).Select(i => (long)i),
                Enumerable.Range(0, members.Length).Select(i => index.OrdinalOf(part, sorting, index.Select(part, sorting, i)))));
            Assert.Equal(members.Length, index.ClassCountsOf(part).Sum());
            SampleOrder order = index.MakeOrder(new OrderSpec { Mode = OrderMode.Balanced, Part = part });
            Assert.Equal(7, Enumerable.Range(0, 7).Select(p => labels[index.Select(part, OrdinalSorting.Class, order.At(0, p))]).Distinct().Count());
        }
    }

    [Fact]
    public async Task A_split_stays_when_files_come()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        DatasetSpec spec = new() { Path = "/d", Kind = DatasetKind.Files, ValidationShare = 0.3 };
        for (int i = 0; i < 60; i++)
        {
            await run.WriteAsync($"/d/{i:D3}", $"{i}");
        }

        await run.BuildAsync(spec);
        SampleIndex before = run.Datasets.Open("set");
        Dictionary<long, bool> split = Enumerable.Range(0, 60).ToDictionary(i => before[i].Inode.Value, i => before.IsValidation(i));
        await run.WriteAsync("/d/0005", "new");
        await run.BuildAsync(spec);
        SampleIndex after = run.Datasets.Open("set");
        Assert.Equal(61, after.Count);
        Assert.All(Enumerable.Range(0, 61), i => Assert.Equal(split.GetValueOrDefault(after[i].Inode.Value, after.IsValidation(i)), after.IsValidation(i)));
    }

    [Fact]
    public async Task A_sample_takes_at_most_24_bytes_and_no_allocation()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        Attachment attachment = await run.Fixture.AttachAsync(AttachmentMode.ReadOnly);
        for (int i = 0; i < 20; i++)
        {
            await run.Fixture.Tree.ImportAsync(
                attachment.Id,
                [.. Enumerable.Range(0, 500).Select(f => new ImportedObject(
                    $"{i:D2}/{f:D5}-some-longer-name-of-an-image.jpg", $"{i:D2}/{f:D5}-some-longer-name-of-an-image.jpg", $"etag-{i}-{f}", null,
                    100_000 + (f * 977), 1_700_000_000_000_000_000, "STANDARD"))],
                null, CancellationToken.None);
        }

        DatasetRecord built = await run.BuildAsync(new() { Path = "/data", Kind = DatasetKind.Files, Labels = LabelSource.Folder, ValidationShare = 0.1 });
        Assert.Equal(10_000, built.Samples);
        Assert.InRange(built.IndexBytes / (double)built.Samples, 1, 24);
        SampleIndex index = run.Datasets.Open("set");
        long sum = index[0].LengthBytes;
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        for (long i = 0; i < index.Count; i++)
        {
            sum += index[i].LengthBytes;
        }

        Assert.Equal(allocated, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(built.SampleBytes, sum - index[0].LengthBytes);
    }

    private static string IndexFile(DatasetRun run) =>
        Directory.GetFiles(Path.Combine(run.Fixture.Engine.Context.Options.StateDirectory!, "datasets", "set"), "*.dlindex").Single();

    private static async Task<List<string>> ReadAsync(DatasetRun run, DatasetSpec spec, string name)
    {
        await run.BuildAsync(spec, name);
        return await run.ReadAllAsync(name);
    }

    private static List<(string Name, long Length)> Members(byte[] piece)
    {
        // A sample is a piece of a tar; only the end mark is missing.
        using TarReader reader = new(new MemoryStream([.. piece, .. new byte[1024]]));
        List<(string Name, long Length)> members = [];
        while (reader.GetNextEntry() is { } entry)
        {
            members.Add((entry.Name, entry.Length));
        }

        return members;
    }

    private static byte[] Npy(string header, byte[] data)
    {
        byte[] length = new byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)(header.Length + 1));
        return [0x93, .. "NUMPY"u8, 1, 0, .. length, .. Encoding.ASCII.GetBytes(header + "\n"), .. data];
    }

    private static byte[] Idx(byte type, int[] shape, byte[] data)
    {
        byte[] head = new byte[4 + (shape.Length * 4)];
        (head[2], head[3]) = (type, (byte)shape.Length);
        for (int i = 0; i < shape.Length; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(4 + (i * 4)), shape[i]);
        }

        return [.. head, .. data];
    }
}
