using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Engine;

public sealed class FirstStepsTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(64 << 10)]
    [InlineData((64 << 10) + 1)]
    [InlineData((1 << 20) - 1)]
    [InlineData(1 << 20)]
    [InlineData((3 << 20) + 17)]
    public async Task A_written_file_reads_back_equal_also_after_a_restart(int length)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(length);

        InodeAttributes written = await fixture.WriteFileAsync("/a", bytes);

        Assert.Equal(length, written.SizeBytes);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/a"));
        await fixture.ReopenAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/a"));
        await fixture.AssertCleanAsync();
    }

    [Theory]
    [InlineData(100)]
    [InlineData(200 << 10)]
    [InlineData((2 << 20) + 5)]
    public async Task An_attached_object_reads_equal_cold_warm_and_from_the_hot_tier(int length)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(length);
        await fixture.PutObjectAsync("folder/object", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/folder/object"));
        EngineStatistics cold = fixture.Engine.GetStatistics();
        Assert.Equal(length, cold.ColdReadBytes);

        await fixture.SettleAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/folder/object"));
        Assert.Equal(length, fixture.Engine.GetStatistics().MemoryHitBytes);

        int gets = fixture.Probe.Reads;
        await fixture.ReopenAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/folder/object"));
        Assert.Equal(gets, fixture.Probe.Reads);
        Assert.Equal(length, fixture.Engine.GetStatistics().HotReadBytes);
        FileDescription description = await fixture.Engine.DescribeAsync("/data/folder/object", CancellationToken.None);
        Assert.Equal(TierState.Premigrated, description.Attributes.State);
        Assert.Equal(description.BlockCount, description.HotBlocks);
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_file_written_under_an_attachment_becomes_a_native_object()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync();
        byte[] bytes = BytesContent.Random(300_000);

        await fixture.WriteFileAsync("/data/a/b", bytes, new ReplaceOptions { MakeParents = true });
        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);

        Assert.Equal(bytes, await fixture.GetObjectAsync("a/b"));
        FileDescription description = await fixture.Engine.DescribeAsync("/data/a/b", CancellationToken.None);
        Assert.Equal(TierState.Premigrated, description.Attributes.State);
        Assert.False(description.UploadPending);
    }

    [Fact]
    public async Task A_folder_that_several_remove_at_once_is_gone_as_a_whole()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        for (int round = 0; round < 10; round++)
        {
            for (int i = 0; i < 40; i++)
            {
                await fixture.Engine.MakeDirectoryAsync($"/d/{i % 4}/{i}", 0x1ED, parents: true, default);
            }

            ErrorCode?[] ends = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(RemoveAsync)));
            Assert.Contains(null, ends);
            Assert.All(ends, end => Assert.True(end is null or ErrorCode.NotFound, $"{end}"));
            DataLayerException gone = await Assert.ThrowsAsync<DataLayerException>(
                async () => await fixture.Engine.StatAsync("/d", followLast: true, default));
            Assert.Equal(ErrorCode.NotFound, gone.Code);
        }

        async Task<ErrorCode?> RemoveAsync()
        {
            try
            {
                await fixture.Engine.RemoveAsync("/d", recursive: true, ifMatch: null, default);
                return null;
            }
            catch (DataLayerException error)
            {
                return error.Code;
            }
        }
    }

    [Fact]
    public async Task A_removed_file_is_removed_from_the_bucket_of_a_read_write_attachment()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("gone", [1, 2, 3]);
        await fixture.PutObjectAsync("stays", [4]);
        await fixture.AttachAsync();

        await fixture.Engine.RemoveAsync("/data/gone", recursive: false, ifMatch: null, CancellationToken.None);
        await fixture.JournalDoneAsync();

        Assert.Equal(["stays"], await fixture.ObjectKeysAsync());
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => fixture.ReadAllAsync("/data/gone"));
        Assert.Equal(ErrorCode.NotFound, error.Code);
    }

    [Fact]
    public async Task A_renamed_file_is_renamed_in_the_bucket()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(200_000);
        await fixture.PutObjectAsync("old", bytes);
        await fixture.AttachAsync();

        await fixture.Engine.RenameAsync("/data/old", "/data/new", RenameFlags.None, CancellationToken.None);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/new"));
        await fixture.JournalDoneAsync();

        Assert.Equal(["new"], await fixture.ObjectKeysAsync());
        Assert.Equal(bytes, await fixture.GetObjectAsync("new"));
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/new"));
    }
}
