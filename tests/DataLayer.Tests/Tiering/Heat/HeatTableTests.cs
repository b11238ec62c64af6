using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Heat;
using DataLayer.Tests.Engine;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Trees;

namespace DataLayer.Tests.Tiering.Heat;

public sealed class HeatTableTests
{
    private const int KiB = 1 << 10;
    private static readonly TimeSpan _day = TimeSpan.FromHours(24);

    [Fact]
    public async Task A_read_of_the_whole_is_one_and_halves_with_every_half_life()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = await new EngineFixture { Time = clock }.StartAsync();
        InodeId inode = (await fixture.WriteFileAsync("/f", BytesContent.Random(100 * KiB))).Inode;

        await fixture.ReadAllAsync("/f");
        FileHeat first = await HeatAsync(fixture, inode);
        Assert.Equal(1, first.Score, 5);
        Assert.Equal(clock.GetUtcNow(), first.AccessedAt);

        clock.Advance(_day);
        Assert.Equal(0.5, (await HeatAsync(fixture, inode)).Score, 5);
        await fixture.ReadAsync("/f", 0, 25 * KiB);
        Assert.Equal(0.75, (await HeatAsync(fixture, inode)).Score, 5);

        clock.Advance(2 * _day);
        FileHeat last = await HeatAsync(fixture, inode);
        Assert.Equal(0.1875, last.Score, 5);
        Assert.Equal(clock.GetUtcNow() - (2 * _day), last.AccessedAt);
        Assert.Equal(125 * KiB, last.ReadBytes);
        Assert.Equal(2, last.ReadCount);
    }

    [Fact]
    public async Task A_clock_that_goes_back_heats_nothing_up()
    {
        HeatDecay decay = new(_day);
        Assert.Equal(8, decay.At(8, 1000, 1000));
        Assert.Equal(8, decay.At(8, 1000, 0));
        Assert.Equal(4, decay.At(8, 0, (long)_day.TotalNanoseconds), 9);
        Assert.Equal(0, decay.At(0, 0, long.MaxValue));
        await Task.CompletedTask;
    }

    [Fact]
    public async Task What_is_read_below_an_attachment_heats_the_attachment()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = await new EngineFixture { Time = clock }.StartAsync();
        await fixture.PutObjectAsync("a", BytesContent.Random(100 * KiB));
        await fixture.PutObjectAsync("b", BytesContent.Random(300 * KiB));
        Attachment attachment = await fixture.AttachAsync(AttachmentMode.ReadOnly);

        await fixture.ReadAllAsync("/data/a");

        FileHeat whole = await fixture.Engine.Heat.GetAttachmentAsync(attachment.Id, CancellationToken.None);
        Assert.Equal(0.25, whole.Score, 5);
        Assert.Equal(100 * KiB, whole.ReadBytes);
    }

    [Fact]
    public async Task Heat_survives_a_restart()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = await new EngineFixture { Time = clock }.StartAsync();
        InodeId inode = (await fixture.WriteFileAsync("/f", BytesContent.Random(100 * KiB))).Inode;
        await fixture.ReadAllAsync("/f");

        await fixture.ReopenAsync();
        clock.Advance(_day);

        FileHeat heat = await HeatAsync(fixture, inode);
        Assert.Equal(0.5, heat.Score, 5);
        Assert.Equal(clock.GetUtcNow() - _day, heat.AccessedAt);
    }

    [Fact]
    public async Task A_warm_up_is_nobodys_access()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("a", BytesContent.Random(3 << 20));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        await fixture.Engine.WarmAsync("/data", intoMemory: true, null, CancellationToken.None);

        InodeId inode = (await fixture.Engine.StatAsync("/data/a", followLast: true, CancellationToken.None)).Inode;
        Assert.Equal(default, await HeatAsync(fixture, inode));
    }

    [Fact]
    public async Task Past_the_bound_the_coldest_are_in_the_store_only_and_come_back()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = await new EngineFixture
        {
            Time = clock,
            Options = () => new FileEngineOptions { Heat = new HeatOptions { MaxFiles = 16 } },
        }.StartAsync();
        List<InodeId> inodes = [];
        for (int i = 0; i < 40; i++)
        {
            inodes.Add((await fixture.WriteFileAsync($"/f{i}", BytesContent.Random(KiB))).Inode);
            for (int read = 0; read <= i; read++)
            {
                await fixture.ReadAllAsync($"/f{i}");
            }
        }

        await fixture.Engine.Heat.FlushAsync(CancellationToken.None);
        Assert.InRange(fixture.Engine.Heat.Count, 1, 16);
        for (int i = 0; i < inodes.Count; i++)
        {
            Assert.Equal(i + 1, (await HeatAsync(fixture, inodes[i])).Score, 5);
        }

        await fixture.ReadAllAsync("/f0");
        Assert.Equal(2, (await HeatAsync(fixture, inodes[0])).Score, 5);
    }

    [Fact]
    public async Task Heat_goes_with_its_file()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        InodeId inode = (await fixture.WriteFileAsync("/f", BytesContent.Random(KiB))).Inode;
        await fixture.ReadAllAsync("/f");
        Assert.Equal(1, (await HeatAsync(fixture, inode)).ReadCount);

        await fixture.ReadAllAsync("/f");
        await fixture.Engine.RemoveAsync("/f", recursive: false, null, CancellationToken.None);
        await fixture.Engine.Heat.FlushAsync(CancellationToken.None); // The last read is of a file that is gone.
        await fixture.ReopenAsync();

        Assert.Equal(default, await HeatAsync(fixture, inode));
    }

    [Fact]
    public async Task A_hit_allocates_nothing_and_every_hit_is_counted()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        InodeId inode = (await fixture.WriteFileAsync("/f", BytesContent.Random(64 * KiB))).Inode;
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/f", write: false, CancellationToken.None);
        byte[] buffer = new byte[16 * KiB];
        await file.ReadAsync(0, buffer, CancellationToken.None);
        await file.ReadAsync(0, buffer, CancellationToken.None);

        long least = long.MaxValue;
        for (int attempt = 0; attempt < 5; attempt++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++)
            {
                ValueTask<int> read = file.ReadAsync(0, buffer, CancellationToken.None);
                Assert.True(read.IsCompletedSuccessfully);
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
        FileHeat heat = await HeatAsync(fixture, inode);
        Assert.Equal(5002, heat.ReadCount);
        Assert.Equal(5002L * 16 * KiB, heat.ReadBytes);
    }

    [Fact]
    public async Task Concurrent_readers_and_flushes_lose_no_read()
    {
        const int Readers = 8, Reads = 20_000;
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        InodeId inode = (await fixture.WriteFileAsync("/f", BytesContent.Random(64 * KiB))).Inode;
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/f", write: false, CancellationToken.None);
        await file.ReadAsync(0, new byte[64 * KiB], CancellationToken.None);
        using CancellationTokenSource done = new();
        Task flushing = Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                await fixture.Engine.Heat.FlushAsync(CancellationToken.None);
            }
        });

        await Task.WhenAll(Enumerable.Range(0, Readers).Select(_ => Task.Run(async () =>
        {
            byte[] buffer = new byte[512];
            for (int i = 0; i < Reads; i++)
            {
                Assert.Equal(512, await file.ReadAsync(i % 64 * KiB, buffer, CancellationToken.None));
            }
        })));
        await done.CancelAsync();
        await flushing;

        FileHeat heat = await HeatAsync(fixture, inode);
        Assert.Equal((Readers * Reads) + 1, heat.ReadCount);
        Assert.Equal((512L * Readers * Reads) + (64 * KiB), heat.ReadBytes);
    }

    [Fact]
    public async Task The_shared_word_is_folded_before_it_overflows()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        InodeId inode = (await fixture.WriteFileAsync("/f", BytesContent.Random(KiB))).Inode;
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/f", write: false, CancellationToken.None);
        AccessCell cell = file.Content.Accesses;
        const int Many = 3_000_000;
        for (int i = 0; i < Many; i++)
        {
            cell.NoteHit(fixture.Engine.Context.Accesses, int.MaxValue);
        }

        FileHeat heat = await HeatAsync(fixture, inode);
        Assert.Equal(Many, heat.ReadCount);
        Assert.Equal((long)Many * int.MaxValue, heat.ReadBytes);
        Assert.False(cell.IsSpread);
    }

    [Fact]
    public async Task Many_touched_files_are_flushed_before_the_interval_ends()
    {
        await using EngineFixture fixture = await new EngineFixture
        {
            Options = () => new FileEngineOptions
            {
                Heat = new HeatOptions { MaxTouchedFiles = 16, MaxCountedFiles = 16, FlushInterval = TimeSpan.FromMinutes(10) },
            },
        }.StartAsync();
        List<InodeId> inodes = [];
        for (int i = 0; i < 16; i++)
        {
            inodes.Add((await fixture.WriteFileAsync($"/f{i}", BytesContent.Random(KiB))).Inode);
        }

        await fixture.Engine.Heat.FlushAsync(CancellationToken.None);
        // Each round touches as many files as are wanted. One may be split by a flush that the writes asked for, or that came between an open and its read.
        long start = TimeProvider.System.GetTimestamp();
        while ((await fixture.Tree.LookupHeatAsync(inodes, CancellationToken.None)).Any(found => found.Heat is not { ReadCount: > 0 }))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromMinutes(2), "No flush was begun.");
            for (int i = 0; i < 16; i++)
            {
                await fixture.ReadAllAsync($"/f{i}");
            }
        }
    }

    [Fact]
    public void Options_out_of_range_are_all_named()
    {
        FileEngineOptions options = new()
        {
            Heat = new HeatOptions { FlushInterval = TimeSpan.Zero, MaxFiles = 1, FolderDepth = 99 },
        };
        DataLayerException error = Assert.Throws<DataLayerException>(options.Validate);
        Assert.All(["FlushInterval", "MaxFiles", "FolderDepth"], name => Assert.Contains(name, error.Message, StringComparison.Ordinal));
    }

    private static async Task<FileHeat> HeatAsync(EngineFixture fixture, InodeId inode) =>
        await fixture.Engine.Heat.GetAsync(inode, CancellationToken.None);
}
