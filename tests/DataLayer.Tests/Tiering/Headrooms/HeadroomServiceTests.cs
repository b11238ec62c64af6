using DataLayer.Core.Errors;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Headrooms;

namespace DataLayer.Tests.Tiering.Headrooms;

/// <summary>Shares of memory and hot tier that are refilled before a window, kept in it and given back after it.</summary>
public sealed class HeadroomServiceTests
{
    private const long Mib = 1L << 20;
    private const string Share = "/data/share";
    private const string Other = "/data/other";

    private static readonly HeadroomSpec _morning = new()
    {
        Path = Share,
        HotBytes = 24 * Mib,
        MemoryBytes = 8 * Mib,
        Window = new HeadroomWindow { From = "09:00", To = "17:00" },
    };

    [Fact]
    public async Task Before_the_window_room_is_made_of_the_longest_unread_and_the_share_is_refilled_and_verified()
    {
        await using HeadroomFixture f = await OpenFullAsync();
        long id = (await f.Headrooms.AddAsync("morning", _morning, "me", null, default)).Record.Id;
        AdvanceTo(f, 7, 30);
        HeadroomStatus waiting = await f.LookAsync(id);
        Assert.Equal((false, 0, 48), (waiting.IsInForce, (await f.CountAsync(Share)).Hot, (await f.CountAsync(Other)).Hot));
        AdvanceTo(f, 8, 0);

        HeadroomStatus ready = await f.LookAsync(id);

        Assert.True(ready.State is { Phase: HeadroomPhase.Ready, WasLate: false, Message: null }, ready.State?.Message);
        Assert.Equal((16, 16, 16, 0), (ready.State!.Files, ready.State.Resident, ready.State.Checksummed, ready.State.Missing));
        Assert.Equal((16, 16), await f.CountAsync(Share));
        int left = (await f.CountAsync(Other)).Hot;
        Assert.InRange(left, 28, 42); // No more than was needed.
        Assert.True(ready.State.RoomJob > 0 && ready.State.RoomBytes >= (48 - left) * Mib);
        Assert.Equal(0, (await f.CountAsync(Other + "/f000")).Hot); // The oldest went,
        Assert.Equal(1, (await f.CountAsync(Other + "/f047")).Hot); // not the newest.
        await f.Headrooms.LookAsync(default);
        HeadroomStatus measured = (await f.Headrooms.GetAsync(id, default))!;
        Assert.Equal(16 * Mib, measured.HotBytes);
        Assert.InRange(measured.MemoryBytes, 7 * Mib, 17 * Mib);
    }

    [Fact]
    public async Task In_the_window_nothing_of_others_takes_the_share()
    {
        await using HeadroomFixture f = await OpenFullAsync();
        long id = await ReadyAsync(f);
        AdvanceTo(f, 9, 0);
        await f.LookAsync(id);

        // Writers of others get what is not held, by releases of what is not the share's.
        for (int i = 0; i < 64; i++)
        {
            await f.WriteOneAsync($"{Other}/new{i}");
        }

        Assert.Equal(16, (await f.CountAsync(Share)).Hot);
        await f.EvictAsync(Share); // Neither does somebody who evicts it,
        Assert.Equal(16, (await f.CountAsync(Share)).Hot);
        for (int i = 0; i < 48; i++)
        {
            await f.Engine.ReadAllAsync($"{Other}/f{i:000}"); // nor do reads of others, from hot tier and bucket.
        }

        await f.Engine.SettleAsync();
        Assert.Equal(16, (await f.CountAsync(Share)).Hot);
        Assert.InRange(f.Engine.Cache.GetShareBytes(1), 8 * Mib, 10 * Mib); // What was above the share competed.

        // What is held is there for the share: 24 MiB less the 16 that it has.
        for (int i = 0; i < 7; i++)
        {
            await f.WriteOneAsync($"{Share}/more/new{i}");
        }

        Assert.Equal((23, 23), await f.CountAsync(Share));
    }

    [Fact]
    public async Task A_window_survives_a_restart_and_fills_memory_again()
    {
        await using HeadroomFixture f = await OpenFullAsync();
        long id = await ReadyAsync(f);
        AdvanceTo(f, 12, 0);
        await f.LookAsync(id);
        await f.ReopenAsync();
        Assert.Equal(0, f.Engine.Cache.GetStatistics().BlockCount);

        HeadroomStatus ready = await f.LookAsync(id);

        Assert.True(ready is { IsInForce: true, State.Phase: HeadroomPhase.Ready }, ready.State?.Message);
        Assert.Equal(2, ready.State!.Refills);
        Assert.InRange(f.Engine.Cache.GetShareBytes(1), 7 * Mib, 17 * Mib);
        EvictResult kept = await f.Engine.Engine.EvictAsync(Share, hotToo: true, default);
        Assert.Equal((0, 16), (kept.ReleasedFiles, kept.KeptFiles));
    }

    [Fact]
    public async Task After_the_window_all_is_given_back_and_the_next_one_begins_anew()
    {
        await using HeadroomFixture f = await OpenFullAsync();
        long id = await ReadyAsync(f);
        AdvanceTo(f, 17, 0);

        HeadroomStatus over = await f.LookAsync(id);

        Assert.Equal((false, HeadroomPhase.Ended), (over.IsInForce, over.State!.Phase));
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 9, 0, 0, TimeSpan.Zero), over.WindowStart);
        await f.EvictAsync(Share);
        Assert.Equal(0, (await f.CountAsync(Share)).Hot);
        for (int i = 0; i < 20; i++)
        {
            await f.WriteOneAsync($"{Other}/after{i}");
        }

        await f.Engine.Engine.FlushUploadsAsync(Other, default);
        f.Clock.Advance(TimeSpan.FromHours(15));
        HeadroomStatus next = await f.LookAsync(id);
        Assert.True(next is { IsInForce: true, State.Phase: HeadroomPhase.Ready }, next.State?.Message);
        Assert.Equal((16, 1), ((await f.CountAsync(Share)).Hot, next.State!.Refills));
    }

    [Fact]
    public async Task A_share_that_does_not_get_ready_says_why_and_is_tried_again()
    {
        await using HeadroomFixture f = await OpenFullAsync();
        string list = Share + "/not-yet";
        long id = (await f.Headrooms.AddAsync(
            "morning", _morning with { Refill = [list], MemoryBytes = 0 }, "me", null, default)).Record.Id;
        AdvanceTo(f, 8, 0);
        HeadroomStatus late = await f.LookAsync(id);
        Assert.True(late.State is { Phase: HeadroomPhase.Incomplete, Missing: 1, WasLate: false });
        Assert.Contains(list, late.State.Message, StringComparison.Ordinal);
        AdvanceTo(f, 9, 0);
        late = await f.LookAsync(id);
        Assert.True(late.State is { Phase: HeadroomPhase.Incomplete, WasLate: true, Refills: 2 });
        await f.WriteOneAsync(list);
        await f.LookAsync(id);
        f.Clock.Advance(TimeSpan.FromMinutes(5));

        HeadroomStatus ready = await f.LookAsync(id);

        Assert.True(ready.State is { Phase: HeadroomPhase.Ready, Missing: 0, Refills: 3, Message: null });
    }

    [Fact]
    public async Task What_cannot_be_kept_is_refused_and_a_change_or_removal_takes_effect_in_a_window()
    {
        await using HeadroomFixture f = await OpenFullAsync();
        HeadroomStatus added = await f.Headrooms.AddAsync("morning", _morning, "me", null, default);
        long id = added.Record.Id;
        await FailsAsync("for 'morning'", f.Headrooms.AddAsync(
            "b", _morning with { Path = Other, HotBytes = 40 * Mib, MemoryBytes = 0 }, "me", null, default));
        await FailsAsync("memory would be reserved", f.Headrooms.AddAsync(
            "b", _morning with { Path = Other, HotBytes = 0 }, "me", null, default));
        await FailsAsync("which share files", f.Headrooms.AddAsync("b", _morning with { Path = "/data" }, "me", null, default));
        await FailsAsync("below the root", f.Headrooms.AddAsync("b", _morning with { Path = "/" }, "me", null, default));
        await FailsAsync("does not lie in", f.Headrooms.AddAsync("b", _morning with { Refill = [Other] }, "me", null, default));
        await FailsAsync("was changed", f.Headrooms.ReplaceAsync(id, 99, "b", _morning, default));
        AdvanceTo(f, 8, 0);
        await f.LookAsync(id);

        HeadroomStatus changed = await f.Headrooms.ReplaceAsync(
            id, null, "less", _morning with { HotBytes = 16 * Mib, MemoryBytes = 0 }, default);
        Assert.Null(changed.State);
        Assert.Equal(HeadroomPhase.Ready, (await f.LookAsync(id)).State!.Phase);
        await f.Headrooms.RemoveAsync(id, null, default);
        await f.Headrooms.LookAsync(default);

        Assert.Empty(await f.Headrooms.ListAsync(default));
        await f.EvictAsync(Share);
        Assert.Equal(0, (await f.CountAsync(Share)).Hot);
    }

    [Fact]
    public async Task A_share_of_a_named_pool_has_its_room_made_its_files_brought_and_its_bytes_held_there()
    {
        const string Early = "/data/early";
        await using HeadroomFixture f = await HeadroomFixture.OpenAsync(hasFastPool: true);
        foreach (var (folder, count) in new[] { (Early, 44), (Share, 16) })
        {
            await f.WriteAsync(folder, count);
            await f.EvictAsync(folder);
        }

        await f.WriteAsync(Other, 48);
        long early = (await f.Headrooms.AddAsync(
            "early", _morning with { Path = Early, HotBytes = 50 * Mib, MemoryBytes = 0, Pool = "fast", Window = new() { From = "05:00", To = "07:00" } },
            "me", null, default)).Record.Id;
        long id = (await f.Headrooms.AddAsync("morning", _morning with { Pool = "fast" }, "me", null, default)).Record.Id;
        AdvanceTo(f, 4, 0);
        HeadroomStatus filled = await f.LookAsync(early);
        Assert.True(filled.State is { Phase: HeadroomPhase.Ready, RoomJob: 0 }, filled.State?.Message);
        Assert.Equal((44, 48), (await f.CountInAsync(Early, "fast"), await f.CountInAsync(Other, "default")));

        // What the first window left there gives way to the second; nobody in another pool does.
        AdvanceTo(f, 8, 0);
        HeadroomStatus ready = await f.LookAsync(id);
        Assert.True(ready.State is { Phase: HeadroomPhase.Ready, RoomJob: > 0 }, ready.State?.Message);
        Assert.Equal((16, 48), (await f.CountInAsync(Share, "fast"), await f.CountInAsync(Other, "default")));
        Assert.InRange(await f.CountInAsync(Early, "fast"), 30, 42);
        await f.Headrooms.LookAsync(default);
        Assert.Equal(16 * Mib, (await f.Headrooms.GetAsync(id, default))!.HotBytes);

        // Others find the default pool as ever; what is held in the fast one is there for what the share writes.
        AdvanceTo(f, 9, 0);
        await f.LookAsync(id);
        await f.WriteAsync(Other + "/new", 20);
        for (int i = 0; i < 7; i++)
        {
            await f.WriteOneAsync($"{Share}/more/new{i}");
        }

        Assert.Equal((23, 20), (await f.CountInAsync(Share, "fast"), await f.CountInAsync(Other + "/new", "default")));
        AdvanceTo(f, 17, 0);
        await f.LookAsync(id);
        await f.WriteOneAsync($"{Share}/later");
        Assert.Equal(1, await f.CountInAsync($"{Share}/later", "default"));
    }

    [Fact]
    public async Task Each_pool_has_a_bound_of_its_own_and_one_that_is_not_there_is_refused()
    {
        await using HeadroomFixture f = await HeadroomFixture.OpenAsync(hasFastPool: true);
        await f.WriteAsync(Share, 1);
        await f.WriteAsync(Other, 1);
        HeadroomSpec most = _morning with { HotBytes = 50 * Mib, MemoryBytes = 0 };
        await f.Headrooms.AddAsync("a", most with { Pool = "default" }, "me", null, default);
        await f.Headrooms.AddAsync("b", most with { Path = Other, Pool = "fast" }, "me", null, default);
        await f.Engine.Engine.MakeDirectoryAsync("/data/third", 0x1ED, true, default);
        await FailsAsync("of pool 'fast' would be", f.Headrooms.AddAsync("c", most with { Path = "/data/third", Pool = "fast" }, "me", null, default));
        await FailsAsync("of the hot tier would be", f.Headrooms.AddAsync("c", most with { Path = "/data/third" }, "me", null, default));
        await FailsAsync("no pool 'slow'", f.Headrooms.AddAsync("c", most with { Path = "/data/third", Pool = "slow" }, "me", null, default));
    }

    private static async Task FailsAsync(string part, ValueTask<HeadroomStatus> call)
    {
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await call);
        Assert.Contains(part, fault.Message, StringComparison.Ordinal);
    }

    /// <summary>Others fill most of the hot tier, the share lies in the bucket alone.</summary>
    private static async Task<HeadroomFixture> OpenFullAsync()
    {
        HeadroomFixture f = await HeadroomFixture.OpenAsync();
        try
        {
            await f.WriteAsync(Share, 16);
            await f.EvictAsync(Share);
            await f.WriteAsync(Other, 48);
            return f;
        }
        catch
        {
            await f.DisposeAsync();
            throw;
        }
    }

    private static async Task<long> ReadyAsync(HeadroomFixture f)
    {
        long id = (await f.Headrooms.AddAsync("morning", _morning, "me", null, default)).Record.Id;
        AdvanceTo(f, 8, 0);
        HeadroomStatus ready = await f.LookAsync(id);
        Assert.True(ready.State is { Phase: HeadroomPhase.Ready }, ready.State?.Message);
        return id;
    }

    /// <summary>To a time of the first day.</summary>
    private static void AdvanceTo(HeadroomFixture f, int hour, int minute) =>
        f.Clock.Advance(new DateTimeOffset(2026, 1, 1, hour, minute, 0, TimeSpan.Zero) - f.Clock.GetUtcNow());
}
