using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering;

namespace DataLayer.Tests.Feeds;

public sealed class DatasetPinTests
{
    private static readonly DatasetSpec _files = new() { Path = "/data", Kind = DatasetKind.Files };

    [Fact]
    public async Task A_pinned_dataset_keeps_its_hot_copies_until_it_is_unpinned()
    {
        await using DatasetRun run = await AttachAsync();
        await run.BuildAsync(_files);
        await run.Fixture.ReadAllAsync("/data/a");
        await run.Fixture.Engine.WarmAsync("/data", intoMemory: false, null, default);
        run.Datasets.Pin("set");

        EvictResult kept = await run.Fixture.Engine.EvictAsync("/data", hotToo: true, default);
        Assert.Equal((0L, 2L), (kept.ReleasedFiles, kept.KeptFiles));
        Assert.All(await FactsAsync(run), facts => Assert.True(facts.IsPinned));

        await run.Fixture.ReopenAsync();
        Assert.All(await FactsAsync(run), facts => Assert.True(facts.IsPinned));
        Assert.Equal(0, (await run.Fixture.Engine.EvictAsync("/data", hotToo: true, default)).ReleasedFiles);

        run.Datasets.Unpin("set");
        Assert.Equal(2, (await run.Fixture.Engine.EvictAsync("/data", hotToo: true, default)).ReleasedFiles);
        Assert.All(await FactsAsync(run), facts => Assert.False(facts.IsPinned));
        Assert.Equal(["alpha", "beta"], await run.ReadAllAsync());
    }

    [Fact]
    public async Task A_pinned_dataset_is_neither_refreshed_nor_deleted()
    {
        await using DatasetRun run = await AttachAsync();
        DatasetRecord built = await run.BuildAsync(_files);
        run.Datasets.Pin("set");
        Assert.Equal(ErrorCode.WrongState, (await Assert.ThrowsAsync<DataLayerException>(() => run.BuildAsync(_files))).Code);
        Assert.Equal(ErrorCode.WrongState, Assert.Throws<DataLayerException>(() => run.Datasets.Delete("set")).Code);
        Assert.Equal(built.Hash, run.Datasets.Get("set").Hash);
        run.Datasets.Unpin("set");
        run.Datasets.Delete("set");
        Assert.Empty(run.Datasets.List());
    }

    [Fact]
    public async Task A_sample_of_a_file_that_was_written_is_an_error_and_never_a_mix()
    {
        await using DatasetRun run = await DatasetRun.OpenAsync();
        foreach (string name in (string[])["replaced", "written", "gone", "same"])
        {
            await run.WriteAsync("/data/" + name, "old " + name);
        }

        await run.BuildAsync(_files);
        run.Datasets.Pin("set");
        SampleIndex index = run.Datasets.Open("set");
        Dictionary<string, SamplePlace> places = [];
        for (long i = 0; i < index.Count; i++)
        {
            places.Add(Encoding.UTF8.GetString(await run.ReadAsync(index[i]))[4..], index[i]);
        }

        await run.WriteAsync("/data/replaced", "new replaced");
        await using (OpenFile file = await run.Fixture.Engine.OpenFileAsync("/data/written", write: true, default))
        {
            await file.WriteAsync(2, "#"u8.ToArray(), default);
        }

        await run.Fixture.Engine.RemoveAsync("/data/gone", recursive: false, null, default);
        foreach (string name in (string[])["replaced", "written", "gone"])
        {
            DataLayerException stale = await Assert.ThrowsAsync<DataLayerException>(() => run.ReadAsync(places[name]));
            Assert.Equal(ErrorCode.Stale, stale.Code);
            Assert.Contains("dataset verify", stale.Message, StringComparison.Ordinal);
        }

        Assert.Equal("old same", Encoding.UTF8.GetString(await run.ReadAsync(places["same"])));
        DatasetVerification found = await run.Datasets.VerifyAsync("set", askOrigin: true, null, default);
        Assert.Equal((4L, 3L, 3L), (found.Files, found.BadFiles, found.BadSamples));
        Assert.Equal(["gone", "replaced", "written"], found.Gaps.Select(g => g.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_verification_asks_the_bucket()
    {
        await using DatasetRun run = await AttachAsync();
        await run.BuildAsync(_files);
        run.Datasets.Pin("set");
        Assert.Equal(0, (await run.Datasets.VerifyAsync("set", askOrigin: true, null, default)).BadFiles);
        await run.Fixture.PutObjectAsync("b", "changed"u8.ToArray());

        DatasetVerification asked = await run.Datasets.VerifyAsync("set", askOrigin: true, null, default);

        Assert.Equal("b", Assert.Single(asked.Gaps).Path);
        Assert.Contains("ETag", asked.Gaps[0].Reason, StringComparison.Ordinal);
        Assert.Equal(0, (await run.Datasets.VerifyAsync("set", askOrigin: false, null, default)).BadFiles);
        SampleIndex index = run.Datasets.Open("set");
        Assert.Equal(ErrorCode.Stale, (await Assert.ThrowsAsync<DataLayerException>(() => run.ReadAsync(index[1]))).Code);
    }

    [Fact]
    public async Task Another_spec_wants_another_name()
    {
        await using DatasetRun run = await AttachAsync();
        await run.BuildAsync(_files);
        Assert.Equal(ErrorCode.AlreadyExists, (await run.RefuseAsync(_files with { ValidationShare = 0.1 }, "set")).Code);
        Assert.Equal(ErrorCode.InvalidArgument, (await run.RefuseAsync(_files, "a/b")).Code);
        Assert.Equal(ErrorCode.NotFound, (await run.RefuseAsync(_files with { Path = "/none" }, "none")).Code);
        Assert.Equal(ErrorCode.NotFound, Assert.Throws<DataLayerException>(() => run.Datasets.Get("none")).Code);
    }

    private static async Task<DatasetRun> AttachAsync()
    {
        DatasetRun run = await DatasetRun.OpenAsync();
        await run.Fixture.PutObjectAsync("a", "alpha"u8.ToArray());
        await run.Fixture.PutObjectAsync("b", "beta"u8.ToArray());
        await run.Fixture.AttachAsync(AttachmentMode.ReadOnly);
        return run;
    }

    private static async Task<List<FileFacts>> FactsAsync(DatasetRun run)
    {
        List<FileFacts> all = [];
        await foreach (FileFacts facts in run.Fixture.Engine.Facts.ReadAsync("/data", default))
        {
            all.Add(facts);
        }

        Assert.Equal(2, all.Count);
        return all;
    }
}
