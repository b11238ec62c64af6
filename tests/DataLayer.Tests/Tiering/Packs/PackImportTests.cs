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

    // As on a fresh service, or the same after the loss of its state.
    private static async Task AttachAnewAsync(PackFixture fixture)
    {
        await fixture.Engine.Engine.DetachAsync("/data", true, CancellationToken.None);
        await fixture.Engine.AttachAsync();
    }
}
