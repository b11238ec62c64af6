using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Metadata;
using DataLayer.Tests.Engine;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Trees;

namespace DataLayer.Tests.Tiering;

public sealed class FactSourceTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public async Task Facts_join_tree_residency_object_and_heat()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = await new EngineFixture { Time = clock }.StartAsync();
        await fixture.PutObjectAsync("sub/cold", BytesContent.Random(3 * MiB));
        Attachment attachment = await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.WriteFileAsync("/local", BytesContent.Random(2 * MiB));
        await fixture.ReadAsync("/local", 0, MiB);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, CancellationToken.None);

        Dictionary<string, FileFacts> facts = await ReadAsync(fixture, "/");

        Assert.Equal(["/data/sub/cold", "/local"], facts.Keys.Order(StringComparer.Ordinal));
        FileFacts local = facts["/local"];
        Assert.Equal((2L * MiB, 2L * MiB, 1, TierState.Hot, false), (local.SizeBytes, local.HotBytes, local.CopyCount, local.State, local.HasObject));
        Assert.Equal(0.5, local.Heat, 5);
        Assert.Equal(clock.GetUtcNow(), local.AccessedAt);
        Assert.Equal("default", local.Pool);
        FileFacts cold = facts["/data/sub/cold"];
        Assert.Equal((3L * MiB, TierState.Premigrated, true, attachment.Id), (cold.HotBytes, cold.State, cold.HasObject, cold.AttachmentId));
        Assert.Equal(0, cold.Heat);
        Assert.Equal("/data", cold.Dataset);
        Assert.NotNull(cold.StoredAt);
        Assert.Equal(cold.ModifiedAt, cold.AccessedAt);

        await fixture.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        FileFacts released = (await ReadAsync(fixture, "/data/sub/cold"))["/data/sub/cold"];
        Assert.Equal((0L, 0, TierState.Released), (released.HotBytes, released.CopyCount, released.State));
    }

    [Fact]
    public async Task A_pin_of_a_folder_holds_below_it_and_a_nearer_one_wins()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        foreach (string folder in new[] { "/a", "/a/b", "/c" })
        {
            await fixture.Engine.MakeDirectoryAsync(folder, 0x1ED, false, CancellationToken.None);
        }

        foreach (string path in new[] { "/a/1", "/a/2", "/a/b/3", "/a/b/4", "/c/5", "/c/6" })
        {
            await fixture.WriteFileAsync(path, BytesContent.Random(10));
        }

        foreach ((string path, string value) in new[] { ("/a", "1"), ("/a/2", "0"), ("/a/b", "0"), ("/a/b/4", "1"), ("/c/6", "1") })
        {
            InodeAttributes found = await fixture.Engine.StatAsync(path, true, CancellationToken.None);
            await fixture.Engine.Nodes.SetXattrAsync(
                found.Inode, "user.datalayer.pin", Encoding.UTF8.GetBytes(value), XattrCondition.None, CancellationToken.None);
        }

        Dictionary<string, FileFacts> facts = await ReadAsync(fixture, "/");
        Assert.Equal(["/a/1", "/a/b/4", "/c/6"], facts.Values.Where(f => f.IsPinned).Select(f => f.Path).Order(StringComparer.Ordinal));
        Assert.True((await ReadAsync(fixture, "/a/1"))["/a/1"].IsPinned);
    }

    [Fact]
    public async Task A_file_with_several_names_is_told_once_and_pages_lose_none()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        for (int folder = 0; folder < 3; folder++)
        {
            await fixture.Engine.MakeDirectoryAsync($"/d{folder}", 0x1ED, false, CancellationToken.None);
        }

        Attachment attachment = await fixture.AttachAsync(AttachmentMode.ReadOnly);
        for (int page = 0; page < 4; page++)
        {
            await fixture.Tree.ImportAsync(
                attachment.Id,
                [.. Enumerable.Range(page * 700, 700).Select(i => new ImportedObject($"x{i % 7}/o{i}", $"x{i % 7}/o{i}", "e", null, 10, 5, "GLACIER"))],
                null, CancellationToken.None);
        }

        await fixture.WriteFileAsync("/d0/a", [1]);
        await fixture.Engine.LinkAsync("/d0/a", "/d1/b", CancellationToken.None);
        List<FileFacts> all = [];
        await foreach (FileFacts fact in fixture.Engine.Facts.ReadAsync("/", CancellationToken.None))
        {
            all.Add(fact);
        }

        Assert.Equal(2801, all.Count);
        Assert.Equal(2801, all.Select(fact => fact.Inode).Distinct().Count());
        Assert.Equal("/d0/a", Assert.Single(all, fact => fact.AttachmentId == 0).Path);
        Assert.All(all.Where(fact => fact.AttachmentId != 0), fact => Assert.Equal("GLACIER", fact.StorageClass));
    }

    [Fact]
    public async Task An_object_moved_to_another_class_is_known_by_it_since_the_listing_that_saw_it()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = await new EngineFixture { Time = clock }.StartAsync();
        Attachment attachment = await fixture.AttachAsync(AttachmentMode.ReadOnly);
        ImportedObject listed = new("o", "o", "e", null, 10, clock.NowNanoseconds, "STANDARD");
        await fixture.Tree.ImportAsync(attachment.Id, [listed], null, CancellationToken.None);
        DateTimeOffset written = clock.GetUtcNow();
        Assert.Equal(("STANDARD", written), await ClassAsync(fixture));

        clock.Advance(TimeSpan.FromDays(30));
        await fixture.Tree.ImportAsync(attachment.Id, [listed], null, CancellationToken.None);
        Assert.Equal(("STANDARD", written), await ClassAsync(fixture));
        await fixture.Tree.ImportAsync(attachment.Id, [listed with { StorageClass = "GLACIER" }], null, CancellationToken.None);
        Assert.Equal(("GLACIER", clock.GetUtcNow()), await ClassAsync(fixture));

        clock.Advance(TimeSpan.FromDays(1));
        ImportedObject copied = listed with { StorageClass = "STANDARD_IA", LastModifiedNanoseconds = clock.NowNanoseconds };
        clock.Advance(TimeSpan.FromDays(1));
        await fixture.Tree.ImportAsync(attachment.Id, [copied], null, CancellationToken.None);
        Assert.Equal(("STANDARD_IA", clock.GetUtcNow() - TimeSpan.FromDays(1)), await ClassAsync(fixture));
    }

    [Fact]
    public async Task A_path_that_is_not_there_is_said_so()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => ReadAsync(fixture, "/nowhere"));
        Assert.Equal(ErrorCode.NotFound, error.Code);
    }

    private static async Task<(string?, DateTimeOffset?)> ClassAsync(EngineFixture fixture)
    {
        FileFacts facts = (await ReadAsync(fixture, "/data"))["/data/o"];
        return (facts.StorageClass, facts.StoredAt);
    }

    private static async Task<Dictionary<string, FileFacts>> ReadAsync(EngineFixture fixture, string path)
    {
        Dictionary<string, FileFacts> facts = new(StringComparer.Ordinal);
        await foreach (FileFacts fact in fixture.Engine.Facts.ReadAsync(path, CancellationToken.None))
        {
            facts.Add(fact.Path, fact);
        }

        return facts;
    }
}
