using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Tiering.Profiles;

namespace DataLayer.Tests.Tiering.Profiles;

public sealed class AccessProfileTests
{
    private const long MiB = 1 << 20;

    [Fact]
    public void A_profile_reads_back_as_it_was_written()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            AccessProfile profile = Random(new Random(seed), runs: 1 + (seed % 3));
            AccessProfile back = ProfileFormat.Read(ProfileFormat.Write(profile));
            AssertSame(profile, back, $"seed {seed}");
        }
    }

    [Fact]
    public void Every_flipped_bit_and_every_cut_is_refused()
    {
        byte[] bytes = ProfileFormat.Write(Random(new Random(1), runs: 2));
        for (int i = 0; i < bytes.Length; i++)
        {
            byte[] flipped = [.. bytes];
            flipped[i] ^= (byte)(1 << (i % 8));
            Refused(flipped);
            Refused(bytes[..i]);
        }

        Refused([.. bytes, 0]);
    }

    [Fact]
    public void Bytes_with_a_good_checksum_and_bad_values_are_refused()
    {
        Random random = new(7);
        byte[] good = ProfileFormat.Write(Random(random, runs: 2));
        for (int round = 0; round < 5000; round++)
        {
            byte[] bytes = [.. good];
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                bytes[random.Next(8, bytes.Length - 4)] = (byte)random.Next(256);
            }

            BitConverter.TryWriteBytes(bytes.AsSpan(bytes.Length - 4), DataLayer.Core.Integrity.Crc32C.Append(0, bytes.AsSpan(0, bytes.Length - 4)));
            try
            {
                AccessProfile read = ProfileFormat.Read(bytes);
                Assert.All(read.Entries, entry => Assert.InRange(entry.File, 0, read.Files.Count - 1));
            }
            catch (DataLayerException error)
            {
                Assert.Equal(ErrorCode.InvalidArgument, error.Code);
            }
        }
    }

    [Fact]
    public void A_merge_adds_the_runs_of_each_block_and_keeps_the_order_of_mean_times()
    {
        AccessProfile first = Profile(("/d/a", 4 * MiB), [(0, 2, 0), (3, 1, 9000)]);
        AccessProfile second = Profile(("/d/a", 4 * MiB), [(0, 1, 2000), (3, 1, 1000)]) with { RecordedAt = first.RecordedAt.AddDays(1) };

        AccessProfile merged = AccessProfile.Merge([first, second]);

        Assert.Equal(2, merged.RunCount);
        Assert.Equal(second.RecordedAt, merged.RecordedAt);
        Assert.Equal(
            [new ProfileEntry(0, 1, 1, 1, TimeSpan.Zero), new ProfileEntry(0, 0, 1, 2, TimeSpan.FromSeconds(1)), new ProfileEntry(0, 3, 1, 2, TimeSpan.FromSeconds(5))],
            merged.Entries);
    }

    [Fact]
    public void A_merge_of_random_profiles_counts_each_block_as_often_as_it_was_read()
    {
        for (int seed = 0; seed < 60; seed++)
        {
            Random random = new(seed);
            AccessProfile[] all = [.. Enumerable.Range(0, 3).Select(_ => Random(random, runs: 1))];
            Dictionary<(string, uint), int> wanted = [];
            foreach (AccessProfile one in all)
            {
                foreach ((string path, uint block, _) in Blocks(one))
                {
                    wanted[(path, block)] = wanted.GetValueOrDefault((path, block)) + 1;
                }
            }

            AccessProfile merged = AccessProfile.Merge(all);
            Dictionary<string, long> sizes = merged.Files.ToDictionary(file => file.Path, file => file.SizeBytes);
            foreach (ProfileFile newest in all.OrderBy(one => one.RecordedAt).SelectMany(one => one.Files))
            {
                sizes[newest.Path] = newest.SizeBytes;
            }

            wanted = wanted.Where(block => block.Key.Item2 * MiB < sizes[block.Key.Item1]).ToDictionary();
            Assert.Equal(wanted, Blocks(merged).ToDictionary(b => (b.Path, b.Block), b => b.Runs));
            Assert.Equal(merged.Entries.OrderBy(e => e.Time).Select(e => e.Time), merged.Entries.Select(e => e.Time));
            AssertSame(merged, ProfileFormat.Read(ProfileFormat.Write(merged)), $"seed {seed}");
        }
    }

    [Fact]
    public void A_trim_keeps_what_many_runs_read_early_and_no_more_than_the_size()
    {
        AccessProfile first = Profile(("/d/a", 10 * MiB), [(0, 4, 0), (8, 2, 60_000)]);
        AccessProfile second = Profile(("/d/a", 10 * MiB), [(2, 2, 0)]);
        AccessProfile merged = AccessProfile.Merge([first, second]);

        Assert.Equal([2u, 3u], Blocks(merged.Trim(1, null, null)).Select(b => b.Block));
        Assert.Equal([0u, 1u, 2u, 3u], Blocks(merged.Trim(0, TimeSpan.FromSeconds(30), null)).Select(b => b.Block));
        Assert.Equal([0u, 1u, 2u], Blocks(merged.Trim(0, null, (3 * MiB) + 5)).Select(b => b.Block));
        Assert.Empty(merged.Trim(0, null, 0).Files);
        Assert.Equal(8 * MiB - (2 * MiB), merged.SizeBytes);
        Assert.Throws<DataLayerException>(() => merged.Trim(double.NaN, null, null));
        Assert.Throws<DataLayerException>(() => merged.Trim(0, TimeSpan.FromSeconds(-1), null));
        Assert.Throws<DataLayerException>(() => AccessProfile.Merge([]));
    }

    [Fact]
    public void A_million_blocks_take_few_bytes()
    {
        List<ProfileFile> files = [];
        List<ProfileEntry> entries = [];
        for (int i = 0; i < 1000; i++)
        {
            files.Add(new ProfileFile($"/datasets/images/train/shard-{i:D5}.tar", new InodeId(1000 + i), 1000 * MiB));
            entries.Add(new ProfileEntry(i, 0, 1000, 1, TimeSpan.FromSeconds(i)));
        }

        AccessProfile profile = new() { Path = "/datasets", Files = files, Entries = entries };
        Assert.Equal(1_000_000, profile.BlockCount);
        Assert.InRange(ProfileFormat.Write(profile).Length, 1000, 24_000);
    }

    private static AccessProfile Profile((string Path, long Size) file, (uint First, uint Count, int Milliseconds)[] entries) => new()
    {
        Path = "/d",
        RecordedAt = DateTimeOffset.UnixEpoch.AddDays(20_000),
        Duration = TimeSpan.FromMinutes(2),
        Files = [new ProfileFile(file.Path, new InodeId(7), file.Size)],
        Entries = [.. entries.Select(e => new ProfileEntry(0, e.First, e.Count, 1, TimeSpan.FromMilliseconds(e.Milliseconds)))],
    };

    private static AccessProfile Random(Random random, int runs)
    {
        List<ProfileFile> files = [.. Enumerable.Range(0, random.Next(1, 12)).Select(i => new ProfileFile($"/d/é{i % 3}/f{i}", new InodeId(i + 2), random.NextInt64(1, 40 * MiB)))];
        List<ProfileEntry> entries = [];
        HashSet<(int, uint)> seen = [];
        TimeSpan time = TimeSpan.Zero;
        for (int i = random.Next(0, 60); i > 0; i--)
        {
            int file = random.Next(files.Count);
            uint count = (uint)((files[file].SizeBytes + MiB - 1) / MiB);
            uint first = (uint)random.Next((int)count);
            uint length = (uint)random.Next(1, (int)(count - first) + 1);
            if (!Enumerable.Range((int)first, (int)length).Any(block => seen.Contains((file, (uint)block))))
            {
                seen.UnionWith(Enumerable.Range((int)first, (int)length).Select(block => (file, (uint)block)));
                entries.Add(new ProfileEntry(file, first, length, random.Next(1, runs + 1), time));
                time += TimeSpan.FromMilliseconds(random.Next(0, 5000));
            }
        }

        return new AccessProfile
        {
            Path = "/d",
            RecordedAt = DateTimeOffset.UnixEpoch.AddMilliseconds(random.NextInt64(1L << 40)),
            Duration = time,
            RunCount = runs,
            MissedCount = random.Next(3),
            Files = files,
            Entries = entries,
        };
    }

    private static IEnumerable<(string Path, uint Block, int Runs)> Blocks(AccessProfile profile) =>
        profile.Entries.SelectMany(e => Enumerable.Range(0, (int)e.BlockCount).Select(i => (profile.Files[e.File].Path, e.FirstBlock + (uint)i, e.RunCount)));

    private static void AssertSame(AccessProfile wanted, AccessProfile found, string what)
    {
        Assert.True(wanted.Files.SequenceEqual(found.Files), what);
        Assert.True(wanted.Entries.SequenceEqual(found.Entries), what);
        Assert.Equal(wanted with { Files = found.Files, Entries = found.Entries }, found);
    }

    private static void Refused(byte[] bytes) =>
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<DataLayerException>(() => ProfileFormat.Read(bytes)).Code);
}
