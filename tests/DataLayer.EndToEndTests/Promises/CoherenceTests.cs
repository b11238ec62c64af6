using DataLayer.Client;
using DataLayer.EndToEndTests.Load;

namespace DataLayer.EndToEndTests.Promises;

/// <summary>Promises 3 and 4 at the API: what one client wrote, every other reads, through every way in; write errors are reported.</summary>
public sealed class CoherenceTests
{
    [Fact]
    public async Task What_one_client_wrote_another_reads_at_once_through_every_way_in()
    {
        await using var it = await Installation.StartAsync();
        using var other = new DataLayerClient(it.Service.Endpoint.ToString());
        for (var i = 0; i < 20; i++)
        {
            var bytes = new Content((ulong)i, 1 + (i * 50_021)).ToBytes();
            await it.Client.WriteFileAsync("/f", bytes);
            using var read = await other.ReadFileAsync("/f");
            Assert.True(read.Memory.Span.SequenceEqual(bytes), $"write {i}");
            Assert.Equal(bytes, await it.Service.Http.GetByteArrayAsync(new Uri("/api/v1/files/f", UriKind.Relative)));
        }

        var cat = await it.Service.RunVerbAsync("stat", "/f", "--json");
        Assert.Contains((1 + (19 * 50_021)).ToString(System.Globalization.CultureInfo.InvariantCulture), cat.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Writes_in_place_by_many_clients_all_arrive()
    {
        const int Writers = 8;
        const int Rounds = 12;
        const int PieceBytes = 40_000;
        await using var it = await Installation.StartAsync();
        await it.Client.WriteFileAsync("/f", new byte[Writers * PieceBytes]);
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (var round = 0; round < Rounds; round++)
            {
                var piece = new Content((ulong)((writer * 100) + round), PieceBytes).ToBytes();
                await it.Client.WriteAtAsync("/f", (long)writer * PieceBytes, piece);
                var back = new byte[PieceBytes];
                Assert.Equal(PieceBytes, await it.Client.ReadAtAsync("/f", (long)writer * PieceBytes, back));
                Assert.True(back.AsSpan().SequenceEqual(piece), $"writer {writer} does not read its own write of round {round}");
            }
        })));
        var all = await it.ReadAsync("/f");
        for (var writer = 0; writer < Writers; writer++)
        {
            var piece = new Content((ulong)((writer * 100) + Rounds - 1), PieceBytes).ToBytes();
            Assert.True(all.AsSpan(writer * PieceBytes, PieceBytes).SequenceEqual(piece), $"the last write of writer {writer} is lost");
        }

        await it.EvictAsync();
        Assert.Equal(all, await it.ReadAsync("/f"));
    }

    [Fact]
    public async Task Every_range_around_the_edges_of_pieces_blocks_and_checksums_arrives_whole()
    {
        await using var it = await Installation.StartAsync();
        var bytes = new Content(1, (2 << 20) + 77).ToBytes();
        await it.Client.WriteFileAsync("/f", bytes);
        foreach (var edge in new[] { 64 << 10, 256 << 10, 512 << 10, 1 << 20, (1 << 20) + (256 << 10), 2 << 20 })
        {
            foreach (var (before, length) in new[] { (1, 2), (5_000, 10_000), (40_000, 41_000), (1, 300_000), (0, 1), (1, 1) })
            {
                var wanted = bytes.AsMemory(edge - before, Math.Min(length, bytes.Length - edge + before));
                var found = new byte[length];
                var count = await it.Client.ReadAtAsync("/f", edge - before, found);
                Assert.True(found.AsSpan(0, count).SequenceEqual(wanted.Span), $"{length} bytes from {edge - before}: {count} read");
            }
        }
    }

    [Fact]
    public async Task A_file_cut_and_grown_reads_as_zeros_where_nothing_was_written()
    {
        await using var it = await Installation.StartAsync();
        var bytes = new Content(1, 300_000).ToBytes();
        await it.Client.WriteFileAsync("/f", bytes);
        await it.Client.TruncateAsync("/f", 100_001);
        await it.Client.TruncateAsync("/f", 250_000);
        byte[] wanted = [.. bytes[..100_001], .. new byte[149_999]];
        Assert.Equal(wanted, await it.ReadAsync("/f"));
        await it.Client.WriteAtAsync("/f", 400_000, bytes.AsMemory(0, 10));
        wanted = [.. wanted, .. new byte[150_000], .. bytes[..10]];
        Assert.Equal(wanted, await it.ReadAsync("/f"));
        await it.EvictAsync();
        Assert.Equal(wanted, await it.ReadAsync("/f"));
        await it.Service.KillAsync();
        await it.Service.RestartAsync();
        Assert.Equal(wanted, await it.ReadAsync("/f"));
    }

    [Fact]
    public async Task An_upload_that_breaks_off_leaves_the_old_content_and_nothing_behind()
    {
        await using var it = await Installation.StartAsync();
        var old = new Content(1, 200_000).ToBytes();
        await it.Client.WriteFileAsync("/f", old);
        using var body = new BrokenStream(new Content(2, 3 << 20).ToBytes(), breakAfterBytes: 2 << 20);
        await Assert.ThrowsAnyAsync<Exception>(async () => await it.Client.WriteFileAsync("/f", body));
        Assert.Equal(old, await it.ReadAsync("/f"));
        await it.Service.KillAsync();
        await it.Service.RestartAsync();
        await it.CheckCleanAsync();
        Assert.Equal(old, await it.ReadAsync("/f"));
    }

    [Fact]
    public async Task A_write_through_attachment_reports_an_upload_that_fails()
    {
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(Core.Tree.AttachmentMode.ReadWrite, flush: Core.Tree.FlushMode.WriteThrough);
        it.Origin.Script = request => request.Verb == "PUT" ? TestSupport.Origins.OriginScript.AccessDenied : TestSupport.Origins.OriginScript.Serve;
        var failure = await Installation.FailureOf(async () => await it.Client.WriteFileAsync("/data/f", new byte[1000]));
        Assert.Equal(Core.Errors.ErrorCode.PermissionDenied, failure.Code);
        it.Origin.Script = _ => TestSupport.Origins.OriginScript.Serve;
        await it.Client.WriteFileAsync("/data/f", new byte[1000]);
        Assert.Equal(new byte[1000], it.Origin.Get(Installation.Bucket, "data/f")!.Bytes);
    }

    /// <summary>A body whose source fails in the middle.</summary>
    private sealed class BrokenStream(byte[] bytes, int breakAfterBytes) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Position >= breakAfterBytes ? throw new IOException("The source broke.") : base.ReadAsync(buffer, cancellationToken);
    }
}
