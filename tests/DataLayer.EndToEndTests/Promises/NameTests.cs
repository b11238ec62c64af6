using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.EndToEndTests.Load;

namespace DataLayer.EndToEndTests.Promises;

/// <summary>Promise 1 at the API: names change in one step, and a reader of a replaced name sees the old or the new content.</summary>
public sealed class NameTests
{
    private const int FileBytes = 150_000;

    [Fact]
    public async Task A_reader_of_a_replaced_name_sees_old_or_new_and_never_nothing()
    {
        const int Replacements = 150;
        await using var it = await Installation.StartAsync();
        await it.Client.WriteFileAsync("/f", BytesOf(0));
        var done = 0;
        var readers = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            var seen = 0;
            while (Volatile.Read(ref done) == 0)
            {
                var bytes = await it.ReadAsync("/f");
                var version = Enumerable.Range(seen, Replacements + 1 - seen).FirstOrDefault(v => bytes.AsSpan().SequenceEqual(BytesOf(v)), -1);
                Assert.True(version >= seen, $"neither version {seen} nor a later one: {bytes.Length} bytes");
                seen = version;
            }
        })).ToArray();
        for (var i = 1; i <= Replacements; i++)
        {
            if (i % 2 == 0)
            {
                await it.Client.WriteFileAsync("/f", BytesOf(i));
            }
            else
            {
                await it.Client.WriteFileAsync("/new", BytesOf(i));
                await it.Client.RenameAsync("/new", "/f");
            }
        }

        Volatile.Write(ref done, 1);
        await Task.WhenAll(readers);
    }

    [Fact]
    public async Task Of_many_exclusive_creates_of_one_name_one_wins()
    {
        await using var it = await Installation.StartAsync();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(async () =>
        {
            try
            {
                await it.Client.WriteFileAsync("/f", BytesOf(i), new() { IfAbsent = true });
                return i;
            }
            catch (DataLayerException e) when (e.Code is ErrorCode.AlreadyExists or ErrorCode.Stale)
            {
                return -1;
            }
        })));
        var winner = Assert.Single(outcomes, outcome => outcome >= 0);
        Assert.Equal(BytesOf(winner), await it.ReadAsync("/f"));
    }

    [Fact]
    public async Task Exchange_swaps_two_names_and_no_replace_keeps_what_is_there()
    {
        await using var it = await Installation.StartAsync();
        await it.Client.WriteFileAsync("/a", BytesOf(1));
        await it.Client.WriteFileAsync("/b", BytesOf(2));
        await it.Client.RenameAsync("/a", "/b", RenameFlags.Exchange);
        Assert.Equal(BytesOf(2), await it.ReadAsync("/a"));
        Assert.Equal(BytesOf(1), await it.ReadAsync("/b"));
        var failure = await Installation.FailureOf(async () => await it.Client.RenameAsync("/a", "/b", RenameFlags.NoReplace));
        Assert.Equal(ErrorCode.AlreadyExists, failure.Code);
        Assert.Equal(BytesOf(1), await it.ReadAsync("/b"));
    }

    [Fact]
    public async Task A_removed_name_is_gone_at_once_and_another_link_keeps_the_content()
    {
        await using var it = await Installation.StartAsync();
        await it.Client.WriteFileAsync("/a", BytesOf(1));
        await it.Client.LinkAsync("/a", "/b");
        await it.Client.DeleteAsync("/a");
        Assert.Null(await it.Client.TryStatAsync("/a"));
        Assert.Equal(BytesOf(1), await it.ReadAsync("/b"));
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task A_write_under_a_condition_that_no_longer_holds_changes_nothing()
    {
        await using var it = await Installation.StartAsync();
        var first = await it.Client.WriteFileAsync("/f", BytesOf(1));
        await it.Client.WriteFileAsync("/f", BytesOf(2));
        var failure = await Installation.FailureOf(
            async () => await it.Client.WriteFileAsync("/f", BytesOf(3), new() { IfMatch = first.EntityTag }));
        Assert.Equal(ErrorCode.Stale, failure.Code);
        Assert.Equal(BytesOf(2), await it.ReadAsync("/f"));
    }

    private static byte[] BytesOf(int version) => new Content((ulong)version + 1, FileBytes + version).ToBytes();
}
