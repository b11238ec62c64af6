using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Metadata;

namespace DataLayer.Tests.Engine;

/// <summary>Quotas of folders: what they refuse, what they count, and that nothing of it is lost.</summary>
public sealed class QuotaTests
{
    private static readonly NodeOwner _owner = new(0x1ED, 0, 0);
    private static readonly CancellationToken _none = CancellationToken.None;

    /// <summary>Four, or as many as <c>DATALAYER_QUOTA_SEEDS</c> says.</summary>
    public static TheoryData<int> Seeds()
    {
        string count = Environment.GetEnvironmentVariable("DATALAYER_QUOTA_SEEDS") ?? "4";
        return [.. Enumerable.Range(1, int.Parse(count, CultureInfo.InvariantCulture))];
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Any_sequence_of_changes_is_refused_and_counted_as_a_plain_model_says(int seed)
    {
        await using EngineFixture fixture = new()
        {
            Options = () => new FileEngineOptions { WritebackDelay = TimeSpan.FromMilliseconds(100) },
        };
        await fixture.StartAsync();
        QuotaModel model = new(fixture, new Random(seed));
        await model.StartAsync();
        for (int step = 0; step < 400; step++)
        {
            if (step is 150 or 300)
            {
                await fixture.ReopenAsync();
            }

            string did = await model.StepAsync();
            await model.CheckAsync($"seed {seed}, step {step}: {did}");
        }

        Assert.InRange(model.RefusedCount, 10, 390);
        await fixture.Engine.Nodes.SyncAsync(_none);
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(5));
        await fixture.JournalDoneAsync(limit.Token);
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Many_writers_fill_a_quota_to_the_last_byte_and_no_further()
    {
        const int Piece = 4096;
        const int Pieces = 400;
        await using EngineFixture fixture = new()
        {
            Options = () => new FileEngineOptions { WritebackDelay = TimeSpan.FromMilliseconds(100) },
        };
        await fixture.StartAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeId folder = await MakeAsync(nodes, "q", Piece * Pieces, 0);
        int written = 0;
        await Task.WhenAll(Enumerable.Range(0, 6).Select(writer => Task.Run(async () =>
        {
            for (int file = 0; ; file++)
            {
                (InodeAttributes made, OpenFile open) = await nodes.CreateAndOpenAsync(folder, $"{writer}-{file}", _owner, _none);
                await using OpenFile closing = open;
                for (int piece = 0; piece < 1 + (file % 40); piece++)
                {
                    try
                    {
                        await open.WriteAsync((long)piece * Piece, new byte[Piece], _none);
                    }
                    catch (DataLayerException e) when (e.Code == ErrorCode.QuotaExceeded)
                    {
                        return;
                    }

                    Interlocked.Increment(ref written);
                    if (piece == 7)
                    {
                        await open.FlushAsync(_none);
                    }
                }
            }
        })));
        Assert.Equal(Pieces, written);
        Assert.Equal(0, (await nodes.GetSpaceAsync(folder, _none)).FreeBytes);
        await nodes.SyncAsync(_none);
        await fixture.ReopenAsync();
        Assert.Equal(0, (await fixture.Engine.Nodes.GetSpaceAsync(folder, _none)).FreeBytes);
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Many_that_make_files_make_as_many_as_the_quota_has_inodes()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeId folder = await MakeAsync(nodes, "q", 0, 77);
        int made = 0;
        await Task.WhenAll(Enumerable.Range(0, 6).Select(maker => Task.Run(async () =>
        {
            try
            {
                for (int i = 0; ; i++)
                {
                    await nodes.CreateAsync(folder, $"{maker}-{i}", _owner, _none);
                    Interlocked.Increment(ref made);
                    if (i % 3 == 0)
                    {
                        await nodes.UnlinkAsync(folder, $"{maker}-{i}", _none);
                        Interlocked.Decrement(ref made);
                    }
                }
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.QuotaExceeded)
            {
                // Full.
            }
        })));
        Assert.InRange(made, 77 - 6, 77); // One that was just taken away again may have refused another's.
        Assert.Equal(77 - made, (await nodes.GetSpaceAsync(folder, _none)).FreeInodes);
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_full_quota_lets_go_and_a_raised_one_takes_at_once()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeId folder = await MakeAsync(nodes, "q", 3_000_000, 0);
        (InodeAttributes made, OpenFile file) = await nodes.CreateAndOpenAsync(folder, "f", _owner, _none);
        await file.WriteAsync(0, new byte[3_000_000], _none);
        await file.WriteAsync(1_000, new byte[5_000], _none);
        await RefusedAsync(() => file.WriteAsync(2_999_999, new byte[2], _none).AsTask());
        await RefusedAsync(() => file.TruncateAsync(3_000_001, _none).AsTask());
        await RefusedAsync(() => file.AllocateAsync(0, 3_000_001, FallocateMode.Extend, _none).AsTask());
        await RefusedAsync(() => file.AllocateAsync(0, 3_000_001, FallocateMode.KeepSize, _none).AsTask());
        await RefusedAsync(() => fixture.WriteFileAsync("/q/g", [1]));
        Assert.Equal(3_000_000, file.Attributes.SizeBytes);
        await SetAsync(nodes, folder, "trusted.datalayer.quota", 3_000_001);
        await fixture.WriteFileAsync("/q/g", [1]);
        await file.TruncateAsync(10, _none);
        Assert.Equal(3_000_001 - 11, (await nodes.GetSpaceAsync(folder, _none)).FreeBytes);
        await nodes.UnlinkAsync(folder, "f", _none);
        await RefusedAsync(() => file.WriteAsync(0, new byte[3_000_001], _none).AsTask()); // Without a name it counts while it is open.
        await file.DisposeAsync();
        Assert.Equal(3_000_000, (await nodes.GetSpaceAsync(folder, _none)).FreeBytes);
        await nodes.RemoveXattrAsync(folder, "trusted.datalayer.quota", _none);
        await fixture.WriteFileAsync("/q/h", new byte[4_000_000]);
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_quota_set_on_a_folder_with_content_counts_it_and_binds_who_has_it_open()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        await fixture.Engine.MakeDirectoryAsync("/top/a/b", 0x1ED, parents: true, _none);
        await fixture.WriteFileAsync("/top/a/b/deep", new byte[1_000]);
        InodeId top = (await nodes.LookupAsync(InodeId.Root, "top", _none))!.Inode;
        (InodeAttributes made, OpenFile file) = await nodes.CreateAndOpenAsync(top, "open", _owner, _none);
        await file.WriteAsync(0, new byte[2_000], _none);
        await SetAsync(nodes, top, "trusted.datalayer.quota", 4_000);
        await file.WriteAsync(2_000, new byte[1_000], _none);
        await RefusedAsync(() => file.WriteAsync(3_000, new byte[1], _none).AsTask());
        InodeAttributes a = (await nodes.LookupAsync(top, "a", _none))!;
        await SetAsync(nodes, a.Inode, "trusted.datalayer.quota.inodes", 2);
        await RefusedAsync(() => nodes.CreateAsync(a.Inode, "third", _owner, _none).AsTask());
        Assert.Equal((4_000L, 0L, 2L, 0L), Space(await nodes.GetSpaceAsync(a.Inode, _none)));
        await file.DisposeAsync();
        await nodes.UnlinkAsync(top, "open", _none);
        Assert.Equal(3_000, (await nodes.GetSpaceAsync(top, _none)).FreeBytes);
        await fixture.ReopenAsync();
        Assert.Equal((4_000L, 3_000L, 2L, 0L), Space(await fixture.Engine.Nodes.GetSpaceAsync(a.Inode, _none)));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Names_do_not_reach_from_one_quota_into_another()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        NodeOperations nodes = fixture.Engine.Nodes;
        InodeId one = await MakeAsync(nodes, "one", 1_000_000, 0);
        InodeId two = await MakeAsync(nodes, "two", 1_000_000, 0);
        InodeAttributes file = await nodes.CreateAsync(one, "f", _owner, _none);
        await FailsAsync(ErrorCode.CrossAttachment, () => nodes.LinkAsync(file.Inode, two, "f", _none).AsTask());
        await nodes.LinkAsync(file.Inode, one, "g", _none);
        await FailsAsync(ErrorCode.CrossAttachment, () => nodes.RenameAsync(one, "f", two, "f", RenameFlags.None, _none).AsTask());
        await FailsAsync(ErrorCode.InvalidArgument, () => SetAsync(nodes, file.Inode, "trusted.datalayer.quota", 5).AsTask());
        await FailsAsync(ErrorCode.InvalidArgument, () => nodes.SetXattrAsync(one, "trusted.datalayer.quota", "5x"u8.ToArray(), XattrCondition.None, _none).AsTask());
        await fixture.AssertCleanAsync();
    }

    internal static async Task<InodeId> MakeAsync(NodeOperations nodes, string name, long bytes, long inodes)
    {
        InodeId folder = (await nodes.MakeDirectoryAsync(InodeId.Root, name, _owner, _none)).Inode;
        await SetAsync(nodes, folder, "trusted.datalayer.quota", bytes);
        await SetAsync(nodes, folder, "trusted.datalayer.quota.inodes", inodes);
        return folder;
    }

    internal static ValueTask SetAsync(NodeOperations nodes, InodeId folder, string name, long value) => nodes.SetXattrAsync(
        folder, name, Encoding.UTF8.GetBytes(value.ToString(CultureInfo.InvariantCulture)), XattrCondition.None, _none);

    private static (long TotalBytes, long FreeBytes, long TotalInodes, long FreeInodes) Space(NodeSpace space) =>
        (space.TotalBytes, space.FreeBytes, space.TotalInodes, space.FreeInodes);

    private static Task RefusedAsync(Func<Task> change) => FailsAsync(ErrorCode.QuotaExceeded, change);

    private static async Task FailsAsync(ErrorCode code, Func<Task> change) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(change)).Code);
}
