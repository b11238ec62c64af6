using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Objects;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.ConformanceTests.Objects;

/// <summary>Objects that change their storage class, on a real Ceph gateway with two classes.</summary>
public sealed class S3ClassTests(CephFixture ceph) : IClassFixture<CephFixture>, IAsyncLifetime
{
    private const string Cold = "STANDARD_IA";
    private readonly string _key = $"class/{Guid.NewGuid():N}";
    private ObjectStoreRegistry _registry = null!;
    private IObjectStore _store = null!;

    public Task InitializeAsync()
    {
        ObjectStoreOptions options = new()
        {
            Name = "default",
            Kind = "s3",
            Endpoint = ceph.Cluster.Endpoint.ToString().TrimEnd('/'),
            AccessKey = ceph.Cluster.AccessKey,
            SecretKey = ceph.Cluster.SecretKey,
            CopyLimitBytes = 6 << 20,
        };
        _registry = new ObjectStoreRegistry([options], TimeProvider.System, NullLoggerFactory.Instance);
        _store = _registry.Open("default", ObjectSource.Parse("s3://" + ceph.Bucket), "test");
        return Task.CompletedTask;
    }

    public async Task DisposeAsync() => await _registry.DisposeAsync();

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    [InlineData(13_000_000)]
    [InlineData(21_000_001)]
    public async Task Bytes_and_metadata_stay_and_the_class_changes_there_and_back(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        ObjectProperties written = await _store.PutAsync(_key, bytes);

        ObjectProperties cold = await _store.ChangeClassAsync(_key, written.ETag, Cold, default);
        ObjectProperties again = await _store.ChangeClassAsync(_key, cold.ETag, Cold, default);
        ObjectProperties lost = await _store.ChangeClassAsync(_key, written.ETag, Cold, default);

        Assert.Equal((Cold, length, written.ETag), (cold.StorageClass, (int)cold.SizeBytes, cold.CopiedFrom));
        Assert.Equal((cold.ETag, cold.LastModified), (again.ETag, again.LastModified));
        Assert.Equal((cold.ETag, cold.LastModified), (lost.ETag, lost.LastModified));
        Assert.Equal(bytes, await _store.GetAsync(_key, length + 1));
        Assert.Equal(Cold, (await _store.HeadAsync(_key, default))!.Value.StorageClass);

        ObjectProperties back = await _store.ChangeClassAsync(_key, cold.ETag, "STANDARD", default);
        Assert.Equal(("STANDARD", cold.ETag), (back.StorageClass, back.CopiedFrom));
        Assert.Equal(bytes, await _store.GetAsync(_key, length + 1));
        using AmazonS3Client client = ceph.Cluster.CreateClient();
        GetObjectMetadataResponse head = await client.GetObjectMetadataAsync(ceph.Bucket, _key);
        Assert.NotNull(head.Metadata["datalayer-crc32c"]);
    }

    [Fact]
    public async Task Another_object_and_none_are_left_alone()
    {
        ObjectProperties first = await _store.PutAsync(_key, "first"u8.ToArray());
        ObjectProperties second = await _store.PutAsync(_key, "second"u8.ToArray());
        DataLayerException stale = await Assert.ThrowsAsync<DataLayerException>(
            async () => await _store.ChangeClassAsync(_key, first.ETag, Cold, default));
        DataLayerException gone = await Assert.ThrowsAsync<DataLayerException>(
            async () => await _store.ChangeClassAsync(_key + "-none", first.ETag, Cold, default));
        Assert.Equal((ErrorCode.Stale, ErrorCode.NotFound), (stale.Code, gone.Code));
        Assert.Equal((second.ETag, "STANDARD"), ((await _store.HeadAsync(_key, default))!.Value.ETag, (await _store.HeadAsync(_key, default))!.Value.StorageClass));
    }

    [Fact]
    public async Task A_class_that_the_store_does_not_have_is_a_fault_and_the_bytes_stay()
    {
        ObjectProperties written = await _store.PutAsync(_key, "bytes"u8.ToArray());
        await Assert.ThrowsAsync<DataLayerException>(async () => await _store.ChangeClassAsync(_key, written.ETag, "NO_SUCH_CLASS", default));
        Assert.Equal("bytes"u8.ToArray(), await _store.GetAsync(_key));
    }
}
