using System.Formats.Tar;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Metadata;
using DataLayer.Tests.Engine;

namespace DataLayer.Tests.Tiering.Packs;

public sealed class PackerTests
{
    [Fact]
    public async Task Small_files_become_one_tar_and_read_as_before()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(40);
        Assert.Empty(await fixture.PackAsync());
        await fixture.Engine.JournalDoneAsync();

        Assert.Empty(await fixture.KeysAsync(packs: false));
        List<string> packs = await fixture.KeysAsync(packs: true);
        Assert.Equal(2, packs.Count);
        Assert.Equal(packs[0] + PackKeys.IndexSuffix, packs[1]);
        await fixture.CoolAsync();
        await fixture.CheckAsync(files);
        string some = files.Keys.First();
        await fixture.CoolAsync();
        Assert.Equal(files[some][1..2], await fixture.Engine.ReadAsync(some, 1, 1));
        await fixture.ReopenAsync();
        await fixture.CheckAsync(files);
        await fixture.Engine.AssertCleanAsync();
        PackUse use = Assert.Single(await fixture.PacksAsync());
        Assert.Equal((40, files.Values.Sum(b => b.Length), 0.0), (use.LiveCount, use.LiveBytes, use.DeadShare));
    }

    [Fact]
    public async Task The_tar_holds_each_file_under_its_path_with_the_files_of_a_sample_together()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(20);
        string odd = $"/data/set/{new string('n', 90)}-ü.{new string('x', 40)}";
        files.Add(odd, [1, 2, 3]);
        await fixture.Engine.WriteFileAsync(odd, files[odd]);
        await fixture.Engine.WriteFileAsync("/data/set/empty.cls", []);
        files.Add("/data/set/empty.cls", []);
        await fixture.Engine.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        Assert.Empty(await fixture.PackAsync());

        byte[] tar = (await fixture.Engine.GetObjectAsync((await fixture.KeysAsync(packs: true))[0]))!;
        List<string> names = [];
        using TarReader reader = new(new MemoryStream(tar));
        while (await reader.GetNextEntryAsync() is { } entry)
        {
            names.Add(entry.Name);
            byte[] bytes = new byte[entry.Length];
            if (entry.DataStream is { } data)
            {
                await data.ReadExactlyAsync(bytes);
            }

            Assert.Equal(files["/data/" + entry.Name], bytes);
        }

        Assert.Equal(files.Keys.Select(k => k["/data/".Length..]).Order(StringComparer.Ordinal), names);
        PackIndex index = PackIndex.Parse((await fixture.Engine.GetObjectAsync((await fixture.KeysAsync(packs: true))[1]))!);
        Assert.All(index.Members, m => Assert.Equal(
            files["/data/" + m.Name], tar[(int)m.OffsetBytes..(int)(m.OffsetBytes + m.SizeBytes)]));
    }

    [Fact]
    public async Task An_index_is_made_again_from_the_tar_alone()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        await fixture.FillAsync(10);
        await fixture.PackAsync();
        string key = (await fixture.KeysAsync(packs: true))[1];
        byte[] before = (await fixture.Engine.GetObjectAsync(key))!;
        File.Delete(Path.Combine(fixture.Engine.Bucket, key));

        PackOutcome outcome = await fixture.RunAsync(new PackSpec { Action = PackAction.Index, Path = "/data" });

        Assert.Equal((1, 10, 0), (outcome.Packs, outcome.Files, outcome.Failed));
        Assert.Equal(before, await fixture.Engine.GetObjectAsync(key));
    }

    [Fact]
    public async Task A_written_file_is_an_object_again_and_the_last_one_takes_the_pack_with_it()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(4);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        await fixture.CoolAsync();
        string patched = "/data/set/0000.jpg";
        await using (OpenFile file = await fixture.Engine.Engine.OpenFileAsync(patched, write: true, CancellationToken.None))
        {
            await file.WriteAsync(0, new byte[] { 7 }, CancellationToken.None);
        }

        files[patched][0] = 7;
        await fixture.Engine.WriteFileAsync("/data/set/0000.json", [9, 9]);
        files["/data/set/0000.json"] = [9, 9];
        await fixture.Engine.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        await fixture.Engine.JournalDoneAsync();
        Assert.Equal(["set/0000.jpg", "set/0000.json"], await fixture.KeysAsync(packs: false));
        Assert.Equal(2, (await fixture.PacksAsync()).Single().LiveCount);

        await fixture.Engine.Engine.RemoveAsync("/data/set/0001.jpg", false, null, CancellationToken.None);
        files.Remove("/data/set/0001.jpg");
        await fixture.Engine.JournalDoneAsync();
        Assert.Equal(3, (await fixture.KeysAsync(packs: true)).Count); // With what says that three are gone.
        await fixture.Engine.Engine.RemoveAsync("/data/set/0001.json", false, null, CancellationToken.None);
        files.Remove("/data/set/0001.json");
        await fixture.Engine.JournalDoneAsync();
        Assert.Empty(await fixture.KeysAsync(packs: true));
        Assert.Empty(await fixture.PacksAsync());
        await fixture.CheckAsync(files);
        await fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task A_rename_moves_no_byte_and_a_move_out_of_the_attachment_leaves_the_pack()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(6);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        await fixture.CoolAsync();
        await fixture.Engine.Engine.RenameAsync("/data/set", "/data/moved", RenameFlags.None, CancellationToken.None);
        await fixture.Engine.JournalDoneAsync();
        Assert.Empty(await fixture.KeysAsync(packs: false));
        files = files.ToDictionary(f => f.Key.Replace("/set/", "/moved/", StringComparison.Ordinal), f => f.Value);
        await fixture.CheckAsync(files);

        await fixture.Engine.Engine.WarmAsync("/data/moved/0000.jpg", false, null, CancellationToken.None);
        await fixture.Engine.Engine.RenameAsync("/data/moved/0000.jpg", "/out", RenameFlags.None, CancellationToken.None);
        await fixture.Engine.JournalDoneAsync();
        Assert.Equal(files["/data/moved/0000.jpg"], await fixture.Engine.ReadAllAsync("/out"));
        Assert.Equal(5, (await fixture.PacksAsync()).Single().LiveCount);
        await fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task A_pack_mostly_dead_is_written_anew_and_unpacking_ends_with_plain_objects()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(20);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        string first = (await fixture.KeysAsync(packs: true))[0];
        foreach (string path in files.Keys.Take(15).ToList())
        {
            await fixture.Engine.Engine.RemoveAsync(path, false, null, CancellationToken.None);
            files.Remove(path);
        }

        Assert.Equal(0, (await fixture.RepackAsync(deadShare: 1)).Packs);
        await fixture.CoolAsync();
        PackOutcome outcome = await fixture.RepackAsync();
        await fixture.Engine.JournalDoneAsync();
        Assert.Equal((1, 5, 0), (outcome.Packs, outcome.Files, outcome.Failed));
        Assert.DoesNotContain(first, await fixture.KeysAsync(packs: true));
        Assert.Equal((5, 0.0), (await fixture.PacksAsync()).Select(p => (p.LiveCount, p.DeadShare)).Single());
        await fixture.CoolAsync();
        await fixture.CheckAsync(files);

        await fixture.CoolAsync();
        Assert.Equal((5, 0), await fixture.UnpackAsync("/data/set") is var o ? (o.Files, o.Failed) : default);
        await fixture.Engine.JournalDoneAsync();
        Assert.Empty(await fixture.KeysAsync(packs: true));
        Assert.Equal(files.Keys.Select(k => k["/data/".Length..]).Order(StringComparer.Ordinal), await fixture.KeysAsync(packs: false));
        await fixture.CheckAsync(files);
        await fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task A_refresh_keeps_packed_files_and_brings_in_what_somebody_wrote_at_their_keys()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync(FreshnessMode.Always);
        Dictionary<string, byte[]> files = await fixture.FillAsync(6);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        await fixture.CoolAsync();
        await fixture.Engine.Engine.RefreshAsync("/data", null, CancellationToken.None);
        await fixture.CheckAsync(files);
        Assert.Equal(6, (await fixture.FactsAsync()).Count);

        files["/data/set/0000.jpg"] = [4, 2];
        await fixture.Engine.PutObjectAsync("set/0000.jpg", [4, 2]);
        Assert.Equal(files["/data/set/0000.jpg"], await fixture.Engine.ReadAllAsync("/data/set/0000.jpg"));
        files["/data/set/0000.json"] = [5];
        await fixture.Engine.PutObjectAsync("set/0000.json", [5]);
        await fixture.Engine.Engine.RefreshAsync("/data", null, CancellationToken.None);
        await fixture.CheckAsync(files);
        Assert.Equal(4, (await fixture.PacksAsync()).Single().LiveCount);
        await fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task An_open_reader_of_what_was_replaced_keeps_its_pack()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(2);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        await fixture.CoolAsync();
        await using OpenFile reader = await fixture.Engine.Engine.OpenFileAsync("/data/set/0000.jpg", write: false, CancellationToken.None);
        await fixture.Engine.WriteFileAsync("/data/set/0000.jpg", [1]);
        await fixture.Engine.Engine.RemoveAsync("/data/set/0000.json", false, null, CancellationToken.None);
        await fixture.Engine.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        Assert.Empty(await fixture.PacksAsync());

        Assert.Equal(files["/data/set/0000.jpg"], await EngineFixture.ReadAllAsync(reader));
    }

    [Fact]
    public async Task Large_and_lonely_files_and_read_only_buckets_are_left_alone()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        await fixture.Engine.WriteFileAsync("/data/large", new byte[(16 << 20) + 1]);
        await fixture.Engine.WriteFileAsync("/data/lonely", new byte[10]);
        await fixture.Engine.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        Assert.Equal([PackReasons.Large, PackReasons.Alone], await fixture.PackAsync());
        await fixture.Engine.Engine.DetachAsync("/data", false, CancellationToken.None);
        await fixture.Engine.AttachAsync(AttachmentMode.ReadOnly, path: "/ro");
        Assert.Equal([PackReasons.ReadOnly, PackReasons.ReadOnly], await fixture.PackAsync("/ro"));
        Assert.Empty(await fixture.KeysAsync(packs: true));
    }

    [Fact]
    public async Task A_pack_stored_with_other_bytes_is_given_up_and_no_object_is_deleted()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(4);
        fixture.Engine.StepHook = name =>
        {
            if (name == "pack.stored")
            {
                string tar = Directory.GetFiles(Path.Combine(fixture.Engine.Bucket, PackKeys.Folder), "*.tar").Single();
                DateTime written = File.GetLastWriteTimeUtc(tar);
                using (FileStream stream = new(tar, FileMode.Open))
                {
                    stream.Position = 600;
                    stream.WriteByte(0xEE);
                }

                File.SetLastWriteTimeUtc(tar, written);
            }
        };
        await fixture.ReopenAsync();
        Assert.Equal(4, (await fixture.PackAsync()).Count);
        fixture.Engine.StepHook = null;
        await fixture.Engine.JournalDoneAsync();
        Assert.Empty(await fixture.KeysAsync(packs: true));
        Assert.Equal(4, (await fixture.KeysAsync(packs: false)).Count);
        await fixture.CheckAsync(files);
        await fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task A_detach_writes_what_became_of_packs_and_the_folder_of_packs_is_not_to_be_written()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        await fixture.FillAsync(4);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        await fixture.Engine.Engine.MakeDirectoryAsync("/data/.datalayer/packs", 0x1FF, true, CancellationToken.None);
        await Assert.ThrowsAsync<DataLayerException>(() => fixture.Engine.WriteFileAsync("/data/.datalayer/packs/x", [1]));
        await fixture.Engine.Engine.RemoveAsync("/data/set/0001.jpg", false, null, CancellationToken.None);
        await fixture.Engine.Engine.DetachAsync("/data", false, CancellationToken.None);
        Assert.Contains(await fixture.KeysAsync(packs: true), k => k.EndsWith(PackKeys.NamesSuffix, StringComparison.Ordinal));
    }
}
