using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering;
using DataLayer.Tests.Engine;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Tiering;

/// <summary>A few cold reads in a folder bring in the rest of it.</summary>
public sealed class FolderRecallerTests
{
    private const int Files = 12;
    private const int FileBytes = 5000;

    [Fact]
    public async Task The_third_file_read_cold_brings_in_the_rest_of_its_folder_and_of_no_other()
    {
        await using EngineFixture fixture = await OpenAsync(new FileEngineOptions { GroupRecall = new GroupRecallOptions() });
        await fixture.ReadAllAsync("/data/a/04");
        await fixture.ReadAllAsync("/data/a/04");
        await fixture.ReadAllAsync("/data/a/05");
        await fixture.ReadAllAsync("/data/b/00");
        await fixture.ReadAllAsync("/data/b/01");
        await fixture.ReadAllAsync("/data/a/06");

        while (await HotAsync(fixture, "/data/a") < Files)
        {
            await Task.Yield();
        }

        Assert.Equal(0, await HotAsync(fixture, "/data/b"));
        int reads = fixture.Probe.Reads;
        await fixture.ReadAllAsync("/data/a/11");
        Assert.Equal(reads, fixture.Probe.Reads);
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_folder_brings_no_more_than_its_bound()
    {
        await using EngineFixture fixture = await OpenAsync(
            new FileEngineOptions { GroupRecall = new GroupRecallOptions { MinFileCount = 1 }, GroupRecallBytes = 1 << 20 });
        await fixture.WriteFileAsync("/data/a/zz", BytesContent.Random(1 << 20));
        await fixture.JournalDoneAsync();
        await fixture.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        await fixture.ReadAllAsync("/data/a/00");

        while (await HotAsync(fixture, "/data/a") < Files)
        {
            await Task.Yield(); // All but the last, with which it would be more.
        }

        Assert.Equal(Files, await HotAsync(fixture, "/data/a"));
    }

    private static async Task<EngineFixture> OpenAsync(FileEngineOptions options)
    {
        // Reads themselves leave nothing in the hot tier: what is there was brought by the folder.
        EngineFixture fixture = new() { Options = () => options, RecallQueueBytes = 0 };
        await fixture.StartAsync();
        for (int i = 0; i < Files; i++)
        {
            await fixture.PutObjectAsync($"a/{i:D2}", BytesContent.Random(FileBytes));
            await fixture.PutObjectAsync($"b/{i:D2}", BytesContent.Random(FileBytes));
        }

        await fixture.AttachAsync(AttachmentMode.ReadWrite);
        return fixture;
    }

    private static async Task<int> HotAsync(EngineFixture fixture, string path)
    {
        int hot = 0;
        await foreach (FileFacts facts in fixture.Engine.Facts.ReadAsync(path, CancellationToken.None))
        {
            hot += facts.HotBytes == facts.SizeBytes ? 1 : 0;
        }

        return hot;
    }
}
