using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Metadata;

namespace DataLayer.Tests.Tiering.Packs;

/// <summary>A bucket that is attached anew shows the files in its packs at their paths, as those who packed them left it.</summary>
public sealed class PackImportTests
{
    [Fact]
    public async Task A_bucket_attached_anew_shows_its_packed_files_and_they_are_repacked_and_unpacked_as_before()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(20);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        Dictionary<string, long> changed = (await fixture.FactsAsync())
            .ToDictionary(f => f.Path, f => f.ModifiedAt.ToUnixTimeSeconds());
        List<string> keys = await fixture.KeysAsync(packs: true);

        await AttachAnewAsync(fixture);

        List<FileFacts> facts = await fixture.FactsAsync();
        Assert.Equal(files.Keys.Order(StringComparer.Ordinal), facts.Select(f => f.Path).Order(StringComparer.Ordinal));
        Assert.All(facts, f => Assert.True(f.IsPacked && f.HotBytes == 0));
        Assert.Equal(changed, facts.ToDictionary(f => f.Path, f => f.ModifiedAt.ToUnixTimeSeconds()));
        Assert.Equal((20, 0.0), (await fixture.PacksAsync()).Select(p => (p.LiveCount, p.DeadShare)).Single());
        await fixture.CheckAsync(files);
        await fixture.Engine.Engine.RefreshAsync("/data", null, CancellationToken.None);
        Assert.Equal(20, (await fixture.FactsAsync()).Count);
        Assert.Equal(keys, await fixture.KeysAsync(packs: true));

        foreach (string path in files.Keys.Take(15).ToList())
        {
            await fixture.Engine.Engine.RemoveAsync(path, false, null, CancellationToken.None);
            files.Remove(path);
        }

        await fixture.CoolAsync();
        Assert.Equal(1, (await fixture.RepackAsync()).Packs);
        await fixture.Engine.JournalDoneAsync();
        Assert.DoesNotContain(keys[0], await fixture.KeysAsync(packs: true));
        await fixture.CoolAsync();
        await fixture.CheckAsync(files);
        await fixture.CoolAsync();
        Assert.Equal((5, 0), await fixture.UnpackAsync() is var o ? (o.Files, o.Failed) : default);
        await fixture.Engine.JournalDoneAsync();
        Assert.Empty(await fixture.KeysAsync(packs: true));
        Assert.Equal(5, (await fixture.KeysAsync(packs: false)).Count);
        await fixture.CheckAsync(files);
        await fixture.Engine.AssertCleanAsync();
    }

    [Theory]
    [InlineData("missing")]
    [InlineData("empty")]
    [InlineData("cut")]
    [InlineData("no JSON")]
    [InlineData("of another tar")]
    [InlineData("a name")]
    [InlineData("an offset")]
    [InlineData("a member less")]
    public async Task An_index_that_is_missing_or_damaged_is_made_again_from_the_tar(string damage)
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(6);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        string key = (await fixture.KeysAsync(packs: true))[1];
        byte[] before = (await fixture.Engine.GetObjectAsync(key))!;
        string path = Path.Combine(fixture.Engine.Bucket, key);
        string text = System.Text.Encoding.UTF8.GetString(before);
        PackIndex index = PackIndex.Parse(before);
        string? damaged = damage switch
        {
            "empty" => "",
            "cut" => text[..(text.Length / 2)],
            "no JSON" => "<html>",
            "of another tar" => text.Replace(index.ETag, "0" + index.ETag[1..] + "0", StringComparison.Ordinal),
            "a name" => text.Replace("0001.jpg", "0009.jpg", StringComparison.Ordinal),
            "an offset" => text.Replace("\"offsetBytes\":512,", "\"offsetBytes\":513,", StringComparison.Ordinal),
            "a member less" => System.Text.Encoding.UTF8.GetString(
                PackIndex.Make(index.Pack, index.ETag, index.SizeBytes, [.. index.Members.Take(5)]).ToBytes()),
            _ => null,
        };
        Assert.NotEqual(text, damaged);
        File.Delete(path);
        if (damaged is not null)
        {
            await File.WriteAllTextAsync(path, damaged);
        }

        await AttachAnewAsync(fixture);

        await fixture.CheckAsync(files);
        Assert.Equal(6, (await fixture.FactsAsync()).Count(f => f.IsPacked));
        Assert.Equal(before, await fixture.Engine.GetObjectAsync(key));
        await fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task A_tar_that_is_torn_is_told_and_holds_no_other_pack_up()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> torn = await fixture.FillAsync(6, "/data/torn");
        await fixture.PackAsync("/data/torn");
        await fixture.Engine.JournalDoneAsync();
        string tar = (await fixture.KeysAsync(packs: true))[0];
        Dictionary<string, byte[]> files = await fixture.FillAsync(6, "/data/whole", seed: 2);
        await fixture.PackAsync("/data/whole");
        await fixture.Engine.JournalDoneAsync();
        byte[] bytes = (await fixture.Engine.GetObjectAsync(tar))!;
        await fixture.Engine.PutObjectAsync(tar, bytes[..(bytes.Length / 2)]);

        await AttachAnewAsync(fixture);

        await fixture.CheckAsync(files);
        Assert.DoesNotContain(await fixture.FactsAsync(), f => torn.ContainsKey(f.Path));
        await fixture.Engine.PutObjectAsync(tar, bytes);
        await fixture.Engine.Engine.RefreshAsync("/data", null, CancellationToken.None);
        await fixture.CheckAsync(torn);
        await fixture.CheckAsync(files);
        await fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task An_object_of_its_own_beats_a_pack_and_a_newer_pack_an_older()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(6);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        string older = (await fixture.KeysAsync(packs: true))[0];
        byte[] tar = (await fixture.Engine.GetObjectAsync(older))!;
        string rewritten = files.Keys.First();
        files[rewritten] = [1, 2, 3];
        await fixture.Engine.WriteFileAsync(rewritten, files[rewritten]);
        await fixture.Engine.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        await fixture.RunAsync(new PackSpec { Action = PackAction.Repack, Path = "/", DeadShare = 0.0001 });
        await fixture.Engine.JournalDoneAsync();
        string owned = files.Keys.Last();
        files[owned] = [7, 7];

        // As a crash may leave them: the older pack that was to be deleted, and an object that came after the newer one.
        await fixture.Engine.Engine.DetachAsync("/data", true, CancellationToken.None);
        await fixture.Engine.PutObjectAsync(older, tar);
        await fixture.Engine.PutObjectAsync(owned["/data/".Length..], files[owned]);
        await fixture.Engine.AttachAsync();

        await fixture.CheckAsync(files);
        Assert.Equal(6, (await fixture.FactsAsync()).Count);
        Assert.Equal(4, (await fixture.FactsAsync()).Count(f => f.IsPacked));
        PackUse use = Assert.Single(await fixture.PacksAsync());
        Assert.NotEqual(older, use.Pack.Key);
        Assert.Equal(4, use.LiveCount);
        await fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task A_bucket_attached_read_only_shows_packed_files_and_is_not_written()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(6);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        string index = (await fixture.KeysAsync(packs: true))[1];
        File.Delete(Path.Combine(fixture.Engine.Bucket, index));
        await fixture.Engine.Engine.DetachAsync("/data", true, CancellationToken.None);

        await fixture.Engine.AttachAsync(AttachmentMode.ReadOnly, path: "/ro");

        await fixture.CheckAsync(files.ToDictionary(f => f.Key.Replace("/data/", "/ro/", StringComparison.Ordinal), f => f.Value));
        Assert.Single(await fixture.KeysAsync(packs: true));
        Assert.Equal(0, (await fixture.UnpackAsync("/ro")).Files);
    }

    [Fact]
    public async Task A_refresh_shows_what_another_service_packed_meanwhile()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(6);
        await using PackFixture other = new();
        await other.Engine.StartAsync();
        Directory.Delete(other.Engine.Bucket);
        Directory.CreateSymbolicLink(other.Engine.Bucket, fixture.Engine.Bucket);
        await other.Engine.AttachAsync(AttachmentMode.ReadWrite);
        await other.CheckAsync(files);

        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        await other.Engine.Engine.RefreshAsync("/data", null, CancellationToken.None);

        Assert.Equal(6, (await other.FactsAsync()).Count(f => f.IsPacked));
        await other.CheckAsync(files);
        await other.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task Members_that_were_removed_replaced_or_renamed_stay_so_where_a_newcomer_attaches_the_bucket()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(20);
        await fixture.FillAsync(6, "/data/old", seed: 4);
        foreach ((string path, byte[] bytes) in await ReadFolderAsync(fixture, "/data/old"))
        {
            files[path] = bytes;
        }

        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        List<string> plain = await fixture.KeysAsync(packs: true);

        await ChangeAsync(fixture, files);
        await fixture.Engine.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        Assert.Equal(plain.Append(plain[0] + PackKeys.NamesSuffix).Order(StringComparer.Ordinal), await fixture.KeysAsync(packs: true));
        await using PackFixture newcomer = await NewcomerAsync(fixture);

        Assert.Equal(files.Keys.Order(StringComparer.Ordinal), (await newcomer.FactsAsync()).Select(f => f.Path).Order(StringComparer.Ordinal));
        await newcomer.CheckAsync(files);
        await newcomer.Engine.AssertCleanAsync();

        // What the newcomer removes and renames is added to what the first one did.
        string gone = files.Keys.Where(p => p.StartsWith("/data/set/", StringComparison.Ordinal)).Last();
        await newcomer.Engine.Engine.RemoveAsync(gone, false, null, CancellationToken.None);
        files.Remove(gone);
        await MoveAsync(newcomer, files, "/data/new/deep.bin", "/data/again.bin");
        await newcomer.Engine.Engine.DetachAsync("/data", false, CancellationToken.None);
        await newcomer.Engine.AttachAsync();
        Assert.Equal(files.Keys.Order(StringComparer.Ordinal), (await newcomer.FactsAsync()).Select(f => f.Path).Order(StringComparer.Ordinal));
        await newcomer.CheckAsync(files);
        await newcomer.Engine.AssertCleanAsync();
    }

    [Theory]
    [InlineData("missing")]
    [InlineData("empty")]
    [InlineData("cut")]
    [InlineData("an offset less")]
    [InlineData("of another tar")]
    public async Task Without_what_became_of_them_all_members_are_shown_as_they_were_packed(string damage)
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(6);
        await fixture.PackAsync();
        string[] paths = [.. files.Keys];
        await fixture.Engine.Engine.RemoveAsync(paths[0], false, null, CancellationToken.None);
        await fixture.Engine.Engine.RemoveAsync(paths[1], false, null, CancellationToken.None);
        await fixture.Engine.Engine.RenameAsync(paths[2], "/data/renamed", RenameFlags.None, CancellationToken.None);
        await fixture.Engine.JournalDoneAsync();
        string key = (await fixture.KeysAsync(packs: true)).Single(k => k.EndsWith(PackKeys.NamesSuffix, StringComparison.Ordinal));
        string text = System.Text.Encoding.UTF8.GetString((await fixture.Engine.GetObjectAsync(key))!);
        PackNames names = PackNames.Parse(System.Text.Encoding.UTF8.GetBytes(text));
        Assert.Equal((2, "renamed"), (names.Gone.Count, Assert.Single(names.Renamed).Name));
        await fixture.Engine.Engine.DetachAsync("/data", false, CancellationToken.None);
        File.Delete(Path.Combine(fixture.Engine.Bucket, key));
        if (damage != "missing")
        {
            await File.WriteAllTextAsync(Path.Combine(fixture.Engine.Bucket, key), damage switch
            {
                "empty" => "",
                "cut" => text[..(text.Length / 2)],
                "an offset less" => text.Replace($"[{names.Gone[0]},", "[", StringComparison.Ordinal),
                _ => text.Replace($"\"sizeBytes\":{names.SizeBytes}", $"\"sizeBytes\":{names.SizeBytes + 512}", StringComparison.Ordinal),
            });
        }

        await fixture.Engine.AttachAsync();

        Assert.Equal(paths, (await fixture.FactsAsync()).Select(f => f.Path).Order(StringComparer.Ordinal));
        await fixture.CheckAsync(files);

        // And what is removed from now on is written over it.
        await fixture.Engine.Engine.RemoveAsync(paths[5], false, null, CancellationToken.None);
        files.Remove(paths[5]);
        await fixture.Engine.Engine.DetachAsync("/data", false, CancellationToken.None);
        await fixture.Engine.AttachAsync();
        Assert.Equal(paths[..5], (await fixture.FactsAsync()).Select(f => f.Path).Order(StringComparer.Ordinal));
        await fixture.Engine.AssertCleanAsync();
    }

    [Fact]
    public async Task A_member_is_not_named_as_gone_before_the_bucket_has_what_comes_after_it()
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(6);
        await fixture.PackAsync();
        await fixture.Engine.JournalDoneAsync();
        string[] paths = [.. files.Keys];
        fixture.Engine.Probe.Before = static (verb, key) => verb == "PUT" && key.StartsWith("set/", StringComparison.Ordinal)
            ? new DataLayerException(ErrorCode.OriginUnavailable, "no uploads for now")
            : null;
        await fixture.Engine.WriteFileAsync(paths[0], [1, 2, 3]);
        await fixture.Engine.Engine.RemoveAsync(paths[1], false, null, CancellationToken.None);
        long attachment = (await fixture.Engine.Engine.ListAttachmentsAsync(CancellationToken.None)).Single().Id;
        await fixture.Engine.Engine.Uploads.WaitForNamesAsync(attachment, CancellationToken.None);

        // As after the loss of the first service: the file is as it was packed, since nothing else of it is there.
        await using (PackFixture newcomer = await NewcomerAsync(fixture))
        {
            Assert.Equal(paths.Where((_, i) => i != 1), (await newcomer.FactsAsync()).Select(f => f.Path).Order(StringComparer.Ordinal));
            files.Remove(paths[1]);
            await newcomer.CheckAsync(files);
        }

        fixture.Engine.Probe.Before = null;
        await fixture.Engine.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        files[paths[0]] = [1, 2, 3];
        await fixture.CheckAsync(files);
        await fixture.Engine.AssertCleanAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task An_import_that_is_cut_short_goes_on_where_it_was(int piece)
    {
        await using PackFixture fixture = await PackFixture.OpenAsync();
        Dictionary<string, byte[]> files = await fixture.FillAsync(4);
        const int Count = 2300;
        PackImage image = new();
        List<PackIndexMember> members = [];
        for (int i = 0; i < Count; i++)
        {
            byte[] bytes = BitConverter.GetBytes(i);
            string name = $"many/{i:D5}";
            long offset = image.Add(TarFormat.Header(name, bytes.Length, 0x1A4, (0, 0), 1_700_000_000), bytes);
            members.Add(new PackIndexMember(name, offset, bytes.Length, PackIndex.Checksum(bytes), 1_700_000_000));
            files[$"/data/{name}"] = bytes;
        }

        image.End();
        byte[] tar = new byte[image.LengthBytes];
        image.Copy(0, tar);
        await fixture.Engine.PutObjectAsync(PackKeys.Folder + "00000009-17a0000000000000.tar", tar);
        int seen = 0;
        bool crashed = false;
        fixture.Engine.StepHook = name =>
        {
            if (crashed || (name == "attach.packImported" && ++seen == piece))
            {
                crashed = true;
                throw new InvalidOperationException("crash");
            }
        };
        await fixture.ReopenAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => fixture.Engine.Engine.RefreshAsync("/data", null, CancellationToken.None).AsTask());
        await fixture.Engine.StopAsync();
        fixture.Engine.StepHook = null;
        await fixture.StartAgainAsync();
        Assert.Equal(Math.Min(Count, piece * 1000) + 4, (await fixture.FactsAsync()).Count);
        Assert.Equal(piece == 3 ? PackState.Live : PackState.Importing, (await fixture.PacksAsync()).Single().Pack.State);
        await fixture.Engine.AssertCleanAsync();

        // What is removed between two pieces does not come back with the next.
        await fixture.Engine.Engine.RemoveAsync("/data/many/00007", false, null, CancellationToken.None);
        files.Remove("/data/many/00007");
        await fixture.Engine.Engine.RefreshAsync("/data", null, CancellationToken.None);

        Assert.Equal(files.Keys.Order(StringComparer.Ordinal), (await fixture.FactsAsync()).Select(f => f.Path).Order(StringComparer.Ordinal));
        PackUse use = (await fixture.PacksAsync()).Single();
        Assert.Equal((PackState.Live, Count, Count - 1), (use.Pack.State, use.Pack.MemberCount, use.LiveCount));
        await fixture.CheckAsync(files.Where((_, i) => i % 97 == 0).ToDictionary());
        await fixture.Engine.AssertCleanAsync();
    }

    // Removed, replaced by an object of its own, renamed alone, to the name of another member, and with its folder.
    private static async Task ChangeAsync(PackFixture fixture, Dictionary<string, byte[]> files)
    {
        string[] paths = [.. files.Keys.Where(p => p.StartsWith("/data/set/", StringComparison.Ordinal))];
        await fixture.Engine.Engine.RemoveAsync(paths[0], false, null, CancellationToken.None);
        files.Remove(paths[0]);
        files[paths[1]] = [9, 9, 9];
        await fixture.Engine.WriteFileAsync(paths[1], files[paths[1]]);
        await fixture.Engine.Engine.FlushUploadsAsync(paths[1], CancellationToken.None);
        await fixture.Engine.Engine.RemoveAsync(paths[1], false, null, CancellationToken.None);
        files.Remove(paths[1]);
        files[paths[2]] = [8, 8];
        await fixture.Engine.WriteFileAsync(paths[2], files[paths[2]]);
        await MoveAsync(fixture, files, paths[3], "/data/set/renamed.bin");
        await MoveAsync(fixture, files, paths[4], paths[5]);
        await MoveAsync(fixture, files, paths[6], paths[6] + ".x");
        await MoveAsync(fixture, files, paths[6] + ".x", paths[6]);
        await fixture.Engine.Engine.RenameAsync("/data/old", "/data/new", RenameFlags.None, CancellationToken.None);
        foreach (string path in files.Keys.Where(p => p.StartsWith("/data/old/", StringComparison.Ordinal)).ToList())
        {
            files.Remove(path, out byte[]? bytes);
            files["/data/new/" + path["/data/old/".Length..]] = bytes!;
        }

        await MoveAsync(fixture, files, files.Keys.First(p => p.StartsWith("/data/new/", StringComparison.Ordinal)), "/data/new/deep.bin");
    }

    private static async Task MoveAsync(PackFixture fixture, Dictionary<string, byte[]> files, string from, string to)
    {
        await fixture.Engine.Engine.RenameAsync(from, to, RenameFlags.None, CancellationToken.None);
        files.Remove(from, out byte[]? bytes);
        files[to] = bytes!;
    }

    private static async Task<Dictionary<string, byte[]>> ReadFolderAsync(PackFixture fixture, string folder)
    {
        Dictionary<string, byte[]> files = [];
        foreach (FileFacts file in await fixture.FactsAsync(folder))
        {
            files.Add(file.Path, await fixture.Engine.ReadAllAsync(file.Path));
        }

        return files;
    }

    // A second service on the same bucket.
    private static async Task<PackFixture> NewcomerAsync(PackFixture fixture)
    {
        PackFixture other = new();
        await other.Engine.StartAsync();
        Directory.Delete(other.Engine.Bucket);
        Directory.CreateSymbolicLink(other.Engine.Bucket, fixture.Engine.Bucket);
        await other.Engine.AttachAsync(AttachmentMode.ReadWrite);
        return other;
    }

    // As on a fresh service, or the same after the loss of its state.
    private static async Task AttachAnewAsync(PackFixture fixture)
    {
        await fixture.Engine.Engine.DetachAsync("/data", true, CancellationToken.None);
        await fixture.Engine.AttachAsync();
    }
}
