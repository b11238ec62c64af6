using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.Tests.Engine;

/// <summary>Writers on a full hot tier: room is made for them as long as premigrated data is left to release.</summary>
public sealed class RoomTests
{
    private const int MiB = 1 << 20;
    private const int PoolMebibytes = 24;

    [Theory]
    [InlineData(700_000)]
    [InlineData(50_000)]
    public async Task Files_of_three_times_the_tier_are_written_through_it(int fileBytes)
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(PoolMebibytes);
        await using EngineFixture fixture = await StartAsync(disk);
        int count = 3 * PoolMebibytes * MiB / fileBytes;
        for (int i = 0; i < count; i++)
        {
            await fixture.WriteFileAsync($"/data/f{i}", Bytes(i, fileBytes));
        }

        await fixture.JournalDoneAsync();
        for (int i = 0; i < count; i += 7)
        {
            Assert.Equal(Bytes(i, fileBytes), await fixture.ReadAllAsync($"/data/f{i}"));
        }

        await fixture.SettleAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Writers_side_by_side_in_place_and_as_a_whole_find_room()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(PoolMebibytes);
        await using EngineFixture fixture = await StartAsync(disk);
        await Task.WhenAll(Enumerable.Range(0, 6).Select(async writer =>
        {
            await Task.Yield();
            for (int i = 0; i < 12; i++)
            {
                string path = $"/data/w{writer}-{i}";
                byte[] bytes = Bytes((writer * 100) + i, 900_000);
                if (writer % 2 == 0)
                {
                    await fixture.WriteFileAsync(path, bytes);
                    continue;
                }

                await fixture.WriteFileAsync(path, bytes[..10]);
                await using OpenFile file = await fixture.Engine.OpenFileAsync(path, write: true, CancellationToken.None);
                await file.WriteAsync(0, bytes, CancellationToken.None);
                await file.FlushAsync(CancellationToken.None);
            }
        }));
        await fixture.JournalDoneAsync();
        for (int writer = 0; writer < 6; writer++)
        {
            for (int i = 0; i < 12; i++)
            {
                Assert.Equal(Bytes((writer * 100) + i, 900_000), await fixture.ReadAllAsync($"/data/w{writer}-{i}"));
            }
        }

        await fixture.SettleAsync();
        await fixture.AssertCleanAsync();
    }

    [Theory]
    [InlineData(50_000, 700)]
    [InlineData(300_000, 100)]
    public async Task What_a_mount_writes_behind_its_back_finds_room_when_it_is_flushed(int fileBytes, int count)
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(PoolMebibytes);
        await using EngineFixture fixture = await StartAsync(disk);
        NodeOperations nodes = fixture.Engine.OpenNodes();
        InodeId folder = (await fixture.Engine.StatAsync("/data", true, CancellationToken.None)).Inode;
        for (int i = 0; i < count; i++)
        {
            (_, OpenFile file) = await nodes.CreateAndOpenAsync(
                folder, $"f{i}", new NodeOwner(420, 0, 0), CancellationToken.None);
            await using (file)
            {
                await file.WriteAsync(0, Bytes(i, fileBytes), CancellationToken.None);
            }
        }

        await nodes.SyncAsync(CancellationToken.None);
        for (int i = 0; i < count; i += 11)
        {
            Assert.Equal(Bytes(i, fileBytes), await fixture.ReadAllAsync($"/data/f{i}"));
        }

        await fixture.JournalDoneAsync();
        await fixture.SettleAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task The_coldest_go_first_and_what_a_rule_pins_stays()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(PoolMebibytes);
        await using EngineFixture fixture = await StartAsync(disk);
        PolicyVersions policies = new(fixture.Tree);
        fixture.Engine.FollowPolicy(policies);
        PolicySetResult set = await policies.SetAsync(
            """
            version: 1
            rules:
              - {name: gone, match: {path: /data/first/**}, then: {place: release}}
              - {name: kept, match: {path: /data/kept/**}, then: {place: hot, pin: true}}
            """,
            "test", "", activate: true, ifActive: null, CancellationToken.None);
        Assert.NotNull(set.Version);
        foreach (string folder in (string[])["/data/kept", "/data/first", "/data/cold", "/data/hot"])
        {
            await fixture.Engine.MakeDirectoryAsync(folder, 0x1ED, false, CancellationToken.None);
            for (int i = 0; i < 5; i++)
            {
                await fixture.WriteFileAsync($"{folder}/f{i}", Bytes(i, 1_000_000));
            }
        }

        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        for (int i = 0; i < 5; i++)
        {
            await fixture.Engine.EvictAsync($"/data/first/f{i}", hotToo: false, CancellationToken.None);
            await fixture.ReadAllAsync($"/data/first/f{i}");
            await fixture.ReadAllAsync($"/data/hot/f{i}");
        }

        await fixture.Engine.MakeDirectoryAsync("/data/new", 0x1ED, false, CancellationToken.None);
        for (int i = 0; i < 10; i++)
        {
            await fixture.WriteFileAsync($"/data/new/f{i}", Bytes(i, 1_000_000));
        }

        Assert.Equal(5, await CountAsync(fixture, "/data/kept", TierState.Premigrated));
        Assert.Equal(5, await CountAsync(fixture, "/data/hot", TierState.Premigrated));
        Assert.Equal(0, await CountAsync(fixture, "/data/first", TierState.Premigrated));
        for (int i = 10; i < 40; i++)
        {
            await fixture.WriteFileAsync($"/data/new/f{i}", Bytes(i, 1_000_000));
        }

        Assert.Equal(5, await CountAsync(fixture, "/data/kept", TierState.Premigrated));
    }

    [Fact]
    public async Task Without_anything_to_release_a_write_fails_with_pool_and_fill_and_nothing_is_lost()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(PoolMebibytes);
        await using EngineFixture fixture = await StartAsync(disk);
        List<int> written = [];
        DataLayerException? full = null;
        for (int i = 0; full is null; i++)
        {
            try
            {
                await fixture.WriteFileAsync($"/f{i}", Bytes(i, 1_000_000)); // Below no attachment: no object.
                written.Add(i);
            }
            catch (DataLayerException error)
            {
                full = error;
            }
        }

        Assert.Equal(ErrorCode.NoSpace, full.Code);
        Assert.Contains("Pool 'default' is full (", full.Message, StringComparison.Ordinal);
        Assert.Contains("bytes are in the hot tier only", full.Message, StringComparison.Ordinal);
        Assert.Contains("Add a target", full.Message, StringComparison.Ordinal);
        Assert.InRange(written.Count, 10, PoolMebibytes);
        foreach (int i in written)
        {
            Assert.Equal(Bytes(i, 1_000_000), await fixture.ReadAllAsync($"/f{i}"));
        }

        await fixture.Engine.RemoveAsync("/f0", false, null, CancellationToken.None);
        await fixture.Engine.RemoveAsync("/f1", false, null, CancellationToken.None);
        await fixture.WriteFileAsync("/after", Bytes(99, 1_000_000)); // Waits for the deletions that are owed.
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_file_larger_than_all_that_could_be_released_drives_nothing_out()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(PoolMebibytes);
        await using EngineFixture fixture = await StartAsync(disk);
        for (int i = 0; i < 10; i++)
        {
            await fixture.WriteFileAsync($"/data/f{i}", Bytes(i, 1_000_000));
        }

        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        DataLayerException full = await Assert.ThrowsAsync<DataLayerException>(() => fixture.WriteFileAsync(
            "/data/huge", Bytes(1, 1_000_000), new ReplaceOptions { ExpectedSizeBytes = 200L * MiB }));
        Assert.Equal(ErrorCode.NoSpace, full.Code);
        Assert.Equal(10, await CountAsync(fixture, "/data", TierState.Premigrated));
    }

    [Fact]
    public async Task A_cold_read_with_a_full_tier_serves_the_bytes_and_keeps_nothing_hot()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(PoolMebibytes);
        await using EngineFixture fixture = await StartAsync(disk);
        byte[] large = Bytes(500, 3_000_000);
        byte[] small = Bytes(501, 30_000);
        await fixture.PutObjectAsync("large", large);
        await fixture.PutObjectAsync("small", small);
        await fixture.Engine.RefreshAsync("/data", null, CancellationToken.None);
        await FillAsync(fixture);
        Assert.Equal(large, await fixture.ReadAllAsync("/data/large"));
        Assert.Equal(small, await fixture.ReadAllAsync("/data/small"));
        await fixture.SettleAsync();
        Assert.Equal(2, await CountAsync(fixture, "/data", TierState.Released));
        await fixture.Engine.EvictAsync("/data", hotToo: false, CancellationToken.None);
        Assert.Equal(large, await fixture.ReadAllAsync("/data/large"));
        await fixture.SettleAsync();
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_write_in_place_to_a_cold_file_makes_room_for_its_recall()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(PoolMebibytes);
        await using EngineFixture fixture = await StartAsync(disk);
        byte[] bytes = Bytes(500, 6_000_000);
        await fixture.PutObjectAsync("old", bytes);
        await fixture.Engine.RefreshAsync("/data", null, CancellationToken.None);
        for (int i = 0; i < 22; i++)
        {
            await fixture.WriteFileAsync($"/data/f{i}", Bytes(i, 1_000_000));
        }

        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/data/old", write: true, CancellationToken.None))
        {
            await file.WriteAsync(1_000_000, "here"u8.ToArray(), CancellationToken.None);
            await file.FlushAsync(CancellationToken.None);
        }

        "here"u8.CopyTo(bytes.AsSpan(1_000_000));
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/old"));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_write_does_not_wait_for_uploads_that_cannot_be()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(PoolMebibytes);
        await using EngineFixture fixture = await StartAsync(disk, TimeSpan.FromMilliseconds(200));
        fixture.Probe.Before = (verb, _) =>
            verb == "PUT" ? new DataLayerException(ErrorCode.OriginUnavailable, "down on purpose") : null;
        DataLayerException? full = null;
        for (int i = 0; full is null; i++)
        {
            full = await Record.ExceptionAsync(() => fixture.WriteFileAsync($"/data/f{i}", Bytes(i, 1_000_000)))
                as DataLayerException;
        }

        Assert.Equal(ErrorCode.NoSpace, full.Code);
        fixture.Probe.Before = null;
        await fixture.JournalDoneAsync();
        await fixture.WriteFileAsync("/data/after", Bytes(1, 1_000_000));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    private static async Task<EngineFixture> StartAsync(SmallFilesystem disk, TimeSpan? patience = null)
    {
        EngineFixture fixture = new()
        {
            TargetRoot = disk.Path,
            Width = 1,
            ReserveBytes = MiB,
            Options = () => new FileEngineOptions { RoomPatience = patience ?? TimeSpan.FromMinutes(5) },
        };
        await fixture.StartAsync();
        await fixture.AttachAsync();
        return fixture;
    }

    private static byte[] Bytes(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Fills the tier with what no object holds.</summary>
    private static async Task FillAsync(EngineFixture fixture)
    {
        foreach (int length in (int[])[1_000_000, 100_000, 10_000])
        {
            for (int i = 0; ; i++)
            {
                if (await Record.ExceptionAsync(() => fixture.WriteFileAsync($"/fill-{length}-{i}", Bytes(i, length)))
                    is DataLayerException { Code: ErrorCode.NoSpace })
                {
                    break;
                }
            }
        }
    }

    private static async Task<int> CountAsync(EngineFixture fixture, string folder, TierState state)
    {
        int count = 0;
        await foreach (FileFacts file in fixture.Engine.Facts.ReadAsync(folder, CancellationToken.None))
        {
            count += file.State == state ? 1 : 0;
        }

        return count;
    }
}
