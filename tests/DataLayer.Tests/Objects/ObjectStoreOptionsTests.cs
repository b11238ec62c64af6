using DataLayer.Core.Errors;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Objects;

public sealed class ObjectStoreOptionsTests
{
    [Fact]
    public void Defaults_are_valid()
    {
        Assert.Empty(new ObjectStoreOptions { Name = "a", Kind = "s3" }.Validate());
        Assert.Empty(new ObjectStoreOptions { Name = "a", Kind = "directory" }.Validate());
    }

    [Fact]
    public async Task All_faults_of_all_stores_are_reported_at_once()
    {
        ObjectStoreOptions[] stores =
        [
            new() { Name = "one", Kind = "ftp" },
            new() { Name = "two", Kind = "s3", Endpoint = "localhost:9000", AccessKey = "a", AttemptLimit = 0, RangeBytes = 3 << 20 },
            new() { Name = "two", Kind = "directory", Endpoint = "relative" },
        ];
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() =>
        {
            _ = new ObjectStoreRegistry(stores, TimeProvider.System, NullLoggerFactory.Instance);
            return Task.CompletedTask;
        });
        foreach (string part in new[] { "kind is 'ftp'", "http://host", "go together", "attemptLimit is 0", "power of two", "twice", "absolute" })
        {
            Assert.Contains(part, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_secret_may_stand_in_the_environment_or_in_a_file()
    {
        using TempFolder folder = new("secrets");
        string file = folder.Combine("key");
        File.WriteAllText(file, " from-file \n");
        Environment.SetEnvironmentVariable("DATALAYER_TEST_SECRET", "from-environment");
        Assert.Equal("from-environment", SecretReference.Resolve("env:DATALAYER_TEST_SECRET", "x"));
        Assert.Equal("from-file", SecretReference.Resolve("file:" + file, "x"));
        Assert.Equal("itself", SecretReference.Resolve("itself", "x"));
        Assert.Null(SecretReference.Resolve(null, "x"));
    }

    [Theory]
    [InlineData("env:DATALAYER_TEST_UNSET_SECRET", "DATALAYER_TEST_UNSET_SECRET, which is not set")]
    [InlineData("file:/nonexistent/key", "'/nonexistent/key', which cannot be read")]
    public void A_secret_that_cannot_be_had_is_named_by_its_place(string text, string reason)
    {
        DataLayerException e = Assert.Throws<DataLayerException>(() => SecretReference.Resolve(text, "The secretKey"));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.Contains("The secretKey", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_registry_says_which_stores_there_are()
    {
        await using ObjectStoreRegistry registry = Registry(new ObjectStoreOptions { Name = "here", Kind = "directory" });
        DataLayerException e = Assert.Throws<DataLayerException>(() => registry.Open("there", ObjectSource.Parse("file:///tmp"), "d"));
        Assert.Equal(ErrorCode.InvalidArgument, e.Code);
        Assert.Contains("here", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_refuses_sources_it_cannot_serve()
    {
        using TempFolder folder = new("objects");
        await using ObjectStoreRegistry registry = Registry(
            new() { Name = "free", Kind = "directory" },
            new() { Name = "bound", Kind = "directory", Endpoint = folder.Path },
            new() { Name = "s3", Kind = "s3", Endpoint = "http://127.0.0.1:1", AccessKey = "a", SecretKey = "b" });
        Assert.Throws<DataLayerException>(() => registry.Open("free", ObjectSource.Parse("s3://bucket"), "d"));
        Assert.Throws<DataLayerException>(() => registry.Open("bound", ObjectSource.Parse("file:///etc"), "d"));
        Assert.Throws<DataLayerException>(() => registry.Open("bound", ObjectSource.Parse($"file://{folder.Path}-sibling"), "d"));
        Assert.Throws<DataLayerException>(() => registry.Open("s3", ObjectSource.Parse("file:///tmp"), "d"));
        DataLayerException missing = Assert.Throws<DataLayerException>(() => registry.Open("bound", ObjectSource.Parse("s3://none"), "d"));
        Assert.Equal(ErrorCode.NotFound, missing.Code);
    }

    [Fact]
    public async Task A_bucket_of_a_directory_store_is_a_folder_below_its_endpoint()
    {
        using TempFolder folder = new("objects");
        Directory.CreateDirectory(folder.Combine("bucket"));
        await File.WriteAllTextAsync(folder.Combine("bucket", "a"), "x");
        await using ObjectStoreRegistry registry = Registry(new ObjectStoreOptions { Name = "s", Kind = "directory", Endpoint = folder.Path });
        Assert.NotNull(await registry.Open("s", ObjectSource.Parse("s3://bucket/prefix"), "d").HeadAsync("a", default));
        Assert.NotNull(await registry.Open("s", ObjectSource.Parse($"file://{folder.Path}/bucket"), "d").HeadAsync("a", default));
        Assert.Same(registry.Open("s", ObjectSource.Parse("s3://bucket"), "d"), registry.Open("s", ObjectSource.Parse("s3://bucket/p"), "d"));
    }

    [Fact]
    public async Task Requests_are_counted_by_dataset_and_verb()
    {
        using TempFolder folder = new("objects");
        await File.WriteAllTextAsync(folder.Combine("a"), "hello");
        await using ObjectStoreRegistry registry = Registry(new ObjectStoreOptions { Name = "s", Kind = "directory" });
        ObjectSource source = ObjectSource.Parse("file://" + folder.Path);
        await registry.Open("s", source, "one").ReadAsync("a", 0, new byte[10], null, default);
        await registry.Open("s", source, "two").HeadAsync("a", default);
        await Assert.ThrowsAsync<DataLayerException>(() => registry.Open("s", source, "two").ReadAsync("b", 0, new byte[1], null, default).AsTask());
        RequestCount[] counts = [.. registry.GetRequestCounts().OrderBy(count => count.Dataset + count.Verb, StringComparer.Ordinal)];
        Assert.Equal(
            [new("one", "GET", 1, 0, 5), new("two", "GET", 1, 0, 0), new RequestCount("two", "HEAD", 1, 0, 0)],
            counts.Select(count => count with { Duration = TimeSpan.Zero }));
    }

    private static ObjectStoreRegistry Registry(params ObjectStoreOptions[] options) =>
        new(options, TimeProvider.System, NullLoggerFactory.Instance);
}
