using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Stripes;
using DataLayer.Storage.Stripes.Rados;
using DataLayer.TestSupport.Ceph;

namespace DataLayer.ConformanceTests.Targets;

/// <summary>The contract over a namespace of a real Ceph pool, and what only a RADOS target has.</summary>
[Collection("rados")]
public sealed class RadosTargetConformance(RadosFixture rados) : TargetConformance, IClassFixture<RadosFixture>
{
    private const int Unit = 4 << 20;
    private static readonly ColumnId _id = new(new ContentId(new InodeId(91), 2), 0, 0);
    private readonly string _address = rados.NextAddress();
    private readonly Guid _deployment = Guid.NewGuid();

    [Fact]
    public async Task Columns_of_several_objects_are_read_cut_sought_and_deleted_whole()
    {
        await using ITarget target = await OpenTargetAsync();
        await target.PrepareWriteAsync(_id, 0, 0, create: true, default);
        byte[] bytes = Bytes(1, (2 * Unit) + 100_000);
        await WriteAsync(target, 1_000, bytes);
        await WriteAsync(target, 40L * Unit, bytes[..10]);
        await target.FlushAsync(_id, default);
        byte[] read = new byte[bytes.Length];
        await ReadAsync(target, 1_000, read);
        Assert.Equal(bytes, read);
        Assert.Equal(40L * Unit, await target.SeekAsync(_id, 3L * Unit, 50L * Unit, hole: false, default));
        Assert.Equal(bytes.Length + 1_000, await target.SeekAsync(_id, 0, 50L * Unit, hole: true, default));
        Assert.Equal((40 * 64) + 1, await target.GetChunkCountAsync(_id, default));
        await target.TruncateAsync(_id, Unit + 70_001, default);
        await ReadAsync(target, 1_000, read);
        Assert.Equal([.. bytes[..(Unit + 69_001)], .. new byte[bytes.Length - Unit - 69_001]], read);
        Assert.True(await target.DeleteAsync(_id, default));
        Assert.Equal(["datalayer-target"], await ListAsync());
    }

    [Fact]
    public async Task What_a_killed_process_wrote_and_did_not_flush_is_there()
    {
        byte[] bytes = Bytes(2, Unit + 5_000);
        ITarget killed = await OpenTargetAsync();
        await killed.PrepareWriteAsync(_id, 0, 0, create: true, default);
        await WriteAsync(killed, 20L * Unit, bytes);
        await using ITarget target = await OpenTargetAsync();
        byte[] read = new byte[bytes.Length];
        await ReadAsync(target, 20L * Unit, read);
        Assert.Equal(bytes, read);
        await ReadAsync(target, 3L * Unit, read);
        Assert.Equal(new byte[bytes.Length], read);
        await killed.DisposeAsync();
    }

    [Fact]
    public async Task A_flipped_byte_and_a_lost_object_are_Corrupt_and_can_be_repaired()
    {
        await using ITarget target = await OpenTargetAsync();
        await target.PrepareWriteAsync(_id, 0, 0, create: true, default);
        byte[] bytes = Bytes(3, (2 * Unit) + 10);
        await WriteAsync(target, 0, bytes);
        await target.FlushAsync(_id, default);
        string file = Path.GetTempFileName();
        await File.WriteAllBytesAsync(file, [(byte)~bytes[70_000]]);
        await RadosAsync("put", $"{_id}.000000", file, "--offset", "70000");
        await RadosAsync("rm", $"{_id}.000001");
        File.Delete(file);
        byte[] read = new byte[Unit];
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await ReadAsync(target, 0, read));
        Assert.Equal(ErrorCode.Corrupt, fault.Code);
        Assert.Contains("Chunk 1 ", fault.Message, StringComparison.Ordinal);
        fault = await Assert.ThrowsAsync<DataLayerException>(async () => await ReadAsync(target, Unit, read));
        Assert.Equal(ErrorCode.Corrupt, fault.Code);
        await ReadAsync(target, 0, read.AsMemory(0, 65_536).ToArray());
        for (int chunk = 1; chunk < 128; chunk += chunk == 1 ? 63 : 1)
        {
            await target.RepairChunkAsync(_id, chunk, bytes.AsMemory(chunk * 65_536, 65_536), default);
        }

        byte[] all = new byte[bytes.Length];
        await ReadAsync(target, 0, all);
        Assert.Equal(bytes, all);
    }

    [Fact]
    public async Task A_truncation_that_a_kill_cut_short_is_ended_by_the_next_use()
    {
        byte[] bytes = Bytes(4, (5 * Unit) + 10);
        foreach (string step in (string[])["cut.marked", "cut.unit"])
        {
            ITarget killed = await OpenTargetAsync(at => ThrowIf(at == step));
            await killed.PrepareWriteAsync(_id, 0, 0, create: true, default);
            await WriteAsync(killed, 0, bytes);
            await killed.FlushAsync(_id, default);
            await Assert.ThrowsAsync<InvalidOperationException>(
                async () => await killed.TruncateAsync(_id, Unit + 100, default));
            await killed.DisposeAsync();
            await using ITarget target = await OpenTargetAsync();
            byte[] read = new byte[bytes.Length];
            await ReadAsync(target, 0, read);
            Assert.Equal([.. bytes[..(Unit + 100)], .. new byte[bytes.Length - Unit - 100]], read);
            await target.DeleteAsync(_id, default);
        }

        static void ThrowIf(bool isNow)
        {
            if (isNow)
            {
                throw new InvalidOperationException("killed here");
            }
        }
    }

    [Fact]
    public async Task Bytes_are_copied_where_a_folder_would_share_them()
    {
        await using ITarget target = await OpenTargetAsync();
        await target.PrepareWriteAsync(_id, 0, 0, create: true, default);
        await WriteAsync(target, 0, Bytes(5, 1_000));
        await target.FlushAsync(_id, default);
        ColumnId clone = _id with { Content = new ContentId(new InodeId(92), 1) };
        Assert.False(await target.TryShareAsync(_id, clone, 1_000, default));
        Assert.False(await target.ExistsAsync(clone, default));
    }

    [Theory]
    [InlineData("rados://nopool/x?conf=CONF", ErrorCode.TargetFailed, "has no pool 'nopool'")]
    [InlineData("rados://POOL/x?conf=/nowhere/ceph.conf", ErrorCode.TargetFailed, "is not there")]
    [InlineData("rados://POOL/x?conf=CONF&id=nobody", ErrorCode.PermissionDenied, "no key of client.nobody that")]
    [InlineData("rados://POOL/x?conf=CONF&id=admin&keyring=/etc/hostname", ErrorCode.PermissionDenied, "no key of client.admin that")]
    public void Mistakes_are_named_with_their_remedy(string address, ErrorCode code, string text)
    {
        address = address.Replace("POOL", rados.Pool, StringComparison.Ordinal)
            .Replace("CONF", rados.Cluster.ConfigFile, StringComparison.Ordinal);
        using RadosSite site = new(RadosAddress.Parse(address), new RadosTargetOptions());
        DataLayerException fault = Assert.Throws<DataLayerException>(site.Prepare);
        Assert.Equal(code, fault.Code);
        Assert.Contains(text, fault.Message, StringComparison.Ordinal);
    }

    protected override async Task<object> OpenAsync() => await OpenTargetAsync();

    private async Task<ITarget> OpenTargetAsync(Action<string>? step = null)
    {
        RadosSite site = new(RadosAddress.Parse(_address), new RadosTargetOptions { FenceTime = TimeSpan.Zero, Step = step });
        TargetIdentity identity = new(_deployment, 4, "default");
        if (TargetIdentity.TryRead(site) is null)
        {
            site.CheckEmpty();
            identity.Write(site);
        }

        ITarget target = site.MakeTarget(
            identity, new PoolOptions { Name = "default", Directories = [], Rados = [_address], ReserveBytes = 0 });
        await target.CheckAsync(default);
        return target;
    }

    private async Task<List<string>> ListAsync() =>
        [.. (await RadosAsync("ls")).Split('\n', StringSplitOptions.RemoveEmptyEntries)];

    private Task<string> RadosAsync(params string[] arguments) => rados.Cluster.RunRadosAsync(
        ["-p", rados.Pool, "-N", RadosAddress.Parse(_address).Namespace, .. arguments]);

    private static byte[] Bytes(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static ValueTask WriteAsync(ITarget target, long offset, byte[] bytes) =>
        target.WriteAsync(_id, offset, bytes.Length, new StripeView(bytes.AsMemory(), offset), default);

    private static ValueTask ReadAsync(ITarget target, long offset, byte[] bytes) =>
        target.ReadAsync(_id, offset, bytes.Length, new StripeView(bytes.AsMemory(), offset), default);
}
