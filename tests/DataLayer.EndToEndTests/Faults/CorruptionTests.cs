using DataLayer.Core.Errors;
using DataLayer.EndToEndTests.Load;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Faults;

/// <summary>Stored bytes that go bad on the targets, in the spill or in the metadata are found out: repaired, or an error, never passed on.</summary>
public sealed class CorruptionTests(ITestOutputHelper output)
{
    private const int FileCount = 12;

    [Fact]
    public async Task Damaged_stripe_units_side_files_and_segments_never_give_wrong_bytes()
    {
        var seed = TestSeed.Take(output);
        var random = new Random(seed);
        var operations = TestSeed.Count("DATALAYER_CORRUPTION_COUNT", 600);
        await using var it = await Installation.StartAsync(s => s with { UnitBytes = 64 << 10 });
        await WriteAsync(it);
        var (errors, unnoticed) = (0, 0);
        for (var i = 0; i < operations; i++)
        {
            var files = it.Service.Settings.Targets.SelectMany(target => Damage.FilesBelow(target)).Where(IsContent).ToArray();
            var kind = (DamageKind)(i % 6);
            var damage = Damage.Do(files[random.Next(files.Length)], kind, files[random.Next(files.Length)], random);
            if (i % 60 == 59)
            {
                // A restarted service has nothing in memory to go by.
                await it.Service.KillAsync();
                await it.Service.RestartAsync();
            }

            await it.EvictAsync();
            var failed = await ReadAllAsync(it, $"damage {i} of seed {seed}: {kind} of {damage.Path}");
            _ = failed.Count > 0 ? errors++ : unnoticed++;
            damage.Undo();
        }

        output.WriteLine($"{operations} damages: {errors} gave errors, {unnoticed} no reader noticed");
        Assert.True(errors > operations / 4, "Most damages should have been noticed.");
        await it.Service.KillAsync();
        await it.Service.RestartAsync();
        await ReadAllWellAsync(it, "all damages undone");
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task With_two_copies_damage_to_one_is_repaired_from_the_other()
    {
        var seed = TestSeed.Take(output);
        var random = new Random(seed);
        await using var it = await Installation.StartAsync(s => s with { UnitBytes = 64 << 10, Width = 1, CopyCount = 2 });
        await WriteAsync(it);
        for (var round = 0; round < 6; round++)
        {
            // Stopped while the damage is done: what it holds in memory of a file would hide the damage from it, and the next
            // round takes the other copy.
            await it.Service.KillAsync();
            var files = Damage.FilesBelow(it.Service.Settings.Targets[round % 2]).Where(IsContent).ToArray();
            foreach (var file in files)
            {
                Damage.Do(file, (DamageKind)random.Next(6), files[random.Next(files.Length)], random);
            }

            await it.Service.RestartAsync();
            await it.EvictAsync();
            await ReadAllWellAsync(it, $"round {round} of seed {seed}");
            var scrub = await it.Client.Admin.ScrubAsync("/");
            Assert.Equal(0, scrub.BadFiles);
        }

        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task Damage_to_a_hot_copy_is_repaired_from_the_cold_object()
    {
        var seed = TestSeed.Take(output);
        var random = new Random(seed);
        await using var it = await Installation.StartWithOriginAsync(s => s with { UnitBytes = 64 << 10 });
        for (var i = 0; i < FileCount; i++)
        {
            it.Origin.Put(Installation.Bucket, $"data/{i}", FileOf(i).ToBytes());
        }

        await it.AttachAsync();
        var warm = await it.Client.Admin.WarmAsync("/data");
        Assert.Equal(0, warm.Failed);
        var files = it.Service.Settings.Targets.SelectMany(target => Damage.FilesBelow(target)).Where(IsContent).ToArray();
        foreach (var file in files)
        {
            Damage.Do(file, (DamageKind)random.Next(6), files[random.Next(files.Length)], random);
        }

        await it.EvictAsync();
        await ReadAllWellAsync(it, $"seed {seed}", "/data");
        Assert.Equal(0, (await it.Client.Admin.ScrubAsync("/")).BadFiles);
    }

    [Fact]
    public async Task A_scrub_finds_damage_that_nobody_read()
    {
        await using var it = await Installation.StartAsync(s => s with { UnitBytes = 64 << 10 });
        await WriteAsync(it);
        var file = it.Service.Settings.Targets.SelectMany(target => Damage.FilesBelow(target))
            .First(path => IsContent(path) && !IsSideFile(path));
        Damage.Do(file, DamageKind.Flip, file, new Random(1));
        Assert.InRange((await it.Client.Admin.ScrubAsync("/")).BadFiles, 1, FileCount);
    }

    [Fact]
    public async Task A_damaged_spill_is_a_miss_and_never_wrong_bytes()
    {
        var seed = TestSeed.Take(output);
        var random = new Random(seed);
        await using var it = await Installation.StartAsync(s => s with
        {
            MemoryBytes = 32 << 20,
            MemoryPolicy = "lru",
            SpillFolder = s.StateFolder + "/spill",
            SpillBytes = 128 << 20,
        });
        const int Count = 64;
        for (var i = 0; i < Count; i++)
        {
            await it.Client.WriteFileAsync($"/big{i}", BigOf(i).ToBytes());
        }

        for (var pass = 0; pass < 6; pass++)
        {
            for (var i = 0; i < Count; i++)
            {
                Assert.True((await it.ReadAsync($"/big{i}")).AsSpan().SequenceEqual(BigOf(i).ToBytes()), $"pass {pass}, file {i}, seed {seed}");
            }

            var files = Damage.FilesBelow(it.Service.Settings.SpillFolder!);
            Assert.NotEmpty(files);
            foreach (var file in files)
            {
                for (var k = 0; k < 50; k++)
                {
                    Damage.Do(file, (DamageKind)random.Next(2), file, random);
                }
            }
        }
    }

    [Fact]
    public async Task A_damaged_metadata_page_is_reported_and_never_gives_wrong_bytes()
    {
        var seed = TestSeed.Take(output);
        var random = new Random(seed);
        await using var it = await Installation.StartAsync();
        await WriteAsync(it);
        await it.Service.StopAsync();
        var database = Damage.FilesBelow(it.Service.Settings.StateFolder, "*.db").Single();
        var pageCount = new FileInfo(database).Length / 4096;
        var noticed = 0;
        for (var page = 0; page < Math.Min(pageCount, 24); page++)
        {
            var damage = Damage.Do(database, page % 2 == 0 ? DamageKind.ZeroPage : DamageKind.Swap, database, random);
            try
            {
                await it.Service.RestartAsync();
                var failed = await ReadAllAsync(it, $"page damage {page} of seed {seed}");
                var check = await it.Client.Admin.CheckAsync();
                noticed += failed.Count > 0 || !check.Clean ? 1 : 0;
                await it.Service.KillAsync();
            }
            catch (InvalidOperationException e)
            {
                Assert.Contains(Path.GetFileName(database), e.Message, StringComparison.Ordinal);
                noticed++;
            }
            catch (DataLayerException)
            {
                noticed++;
                await it.Service.KillAsync();
            }

            foreach (var side in new[] { "-wal", "-shm" })
            {
                File.Delete(database + side);
            }

            damage.Undo();
        }

        output.WriteLine($"{noticed} of {Math.Min(pageCount, 24)} damages noticed");
        Assert.True(noticed > 0);
        await it.Service.RestartAsync();
        await ReadAllWellAsync(it, "all damages undone");
        await it.CheckCleanAsync();
    }

    private static bool IsContent(string path) => path.Contains("/files/", StringComparison.Ordinal) || path.Contains("/segments/", StringComparison.Ordinal);

    private static bool IsSideFile(string path) => Path.GetExtension(path) is ".sum" or ".dead";

    private static Content FileOf(int file) => new((ulong)file + 1, file % 2 == 0 ? 20_000 + file : 200_000 + (file * 30_011));

    private static Content BigOf(int file) => new((ulong)file + 500, 1 << 20);

    private static async Task WriteAsync(Installation it)
    {
        for (var i = 0; i < FileCount; i++)
        {
            await it.Client.WriteFileAsync($"/{i}", FileOf(i).ToBytes());
        }
    }

    /// <summary>Reads every file: all must be right.</summary>
    private static async Task ReadAllWellAsync(Installation it, string context, string folder = "") =>
        Assert.Equal("", string.Join('\n', await ReadAllAsync(it, context, folder)));

    /// <summary>Reads every file: right, or an error that says what it is about. Returns the errors.</summary>
    private static async Task<IReadOnlyList<string>> ReadAllAsync(Installation it, string context, string folder = "")
    {
        var failed = new List<string>();
        for (var i = 0; i < FileCount; i++)
        {
            try
            {
                var bytes = await it.ReadAsync($"{folder}/{i}");
                Assert.True(bytes.AsSpan().SequenceEqual(FileOf(i).ToBytes()), $"Wrong bytes of file {i} after {context}");
            }
            catch (DataLayerException e)
            {
                Assert.True(
                    e.Code is ErrorCode.Corrupt or ErrorCode.TargetFailed or ErrorCode.NotFound, $"file {i} after {context}: {e.Code} {e.Message}");
                failed.Add($"file {i} after {context}: {e.Code} {e.Message}");
            }
        }

        return failed;
    }
}
