using DataLayer.Client.Checkpoints;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Tests.Server;

namespace DataLayer.Tests.Client;

[Collection(ServiceCollection.Name)]
public sealed class CheckpointWriterTests(RunningService service)
{
    private static readonly CheckpointWriterOptions _small = new() { PartBytes = 64 << 10, Parallelism = 3 };

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(64 << 10)]
    [InlineData((64 << 10) + 1)]
    [InlineData(1_000_000)]
    public async Task What_was_saved_in_parts_is_loaded_whole(int bytes)
    {
        string folder = await service.MakeFolderAsync();
        CheckpointWriter writer = new(service.Client, _small);
        byte[] content = new byte[bytes];
        new Random(bytes).NextBytes(content);
        string? tag = await writer.SaveAsync($"{folder}/new/step-1.bin", content);
        Assert.Equal(tag, (await service.Client.StatAsync($"{folder}/new/step-1.bin")).EntityTag);
        Assert.Equal(content, await writer.LoadAsync($"{folder}/new/step-1.bin"));
        using MemoryStream stream = new(content);
        await writer.SaveAsync($"{folder}/new/step-2.bin", stream);
        Assert.Equal(content, await writer.LoadAsync($"{folder}/new/step-2.bin"));
        Assert.Equal($"{folder}/new/step-2.bin", await writer.FindLatestAsync($"{folder}/new"));
        Assert.Equal(2, await CountAsync($"{folder}/new"));
    }

    [Fact]
    public async Task Only_the_last_ones_are_kept_by_their_numbers()
    {
        string folder = await service.MakeFolderAsync();
        CheckpointWriter writer = new(service.Client, _small with { Keep = 2 });
        await service.Client.WriteFileAsync($"{folder}/best-1.bin", new byte[1]);
        await service.Client.WriteFileAsync($"{folder}/step-notes", new byte[1]);
        foreach (int step in (int[])[9, 10, 100, 11])
        {
            await writer.SaveAsync($"{folder}/step-{step}.bin", new byte[10]);
        }

        Assert.Equal([$"{folder}/best-1.bin", $"{folder}/step-11.bin", $"{folder}/step-100.bin"], await writer.ListAsync(folder));
        await writer.SaveAsync($"{folder}/step-3.bin", new byte[10]); // An old number that was just saved stays.
        Assert.Contains($"{folder}/step-3.bin", await writer.ListAsync(folder));
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => writer.SaveAsync($"{folder}/last", new byte[1]).AsTask());
        Assert.Contains("step-000100.bin", fault.Message, StringComparison.Ordinal);
        Assert.Empty(await writer.ListAsync(folder + "/none"));
        Assert.Null(await writer.FindLatestAsync(folder + "/none"));
    }

    [Fact]
    public async Task A_save_that_fails_leaves_the_checkpoint_of_before_and_nothing_else()
    {
        string folder = await service.MakeFolderAsync();
        CheckpointWriter writer = new(service.Client, _small);
        byte[] before = [1, 2, 3];
        await writer.SaveAsync($"{folder}/step-1.bin", before);
        using BrokenStream stream = new(goodBytes: 300_000);
        await Assert.ThrowsAsync<IOException>(() => writer.SaveAsync($"{folder}/step-1.bin", stream).AsTask());
        using CancellationTokenSource source = new();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writer.SaveAsync($"{folder}/step-1.bin", new byte[1 << 20], source.Token).AsTask());
        Assert.Equal(before, await writer.LoadAsync($"{folder}/step-1.bin"));
        Assert.Equal(1, await CountAsync(folder));
        Assert.Throws<DataLayerException>(() => new CheckpointWriter(service.Client, new CheckpointWriterOptions { Keep = 0, Parallelism = 0, PartBytes = 1 }));
    }

    [Fact]
    public async Task A_reader_sees_one_checkpoint_or_the_other()
    {
        string folder = await service.MakeFolderAsync();
        CheckpointWriter writer = new(service.Client, _small);
        string path = $"{folder}/step-1.bin";
        await writer.SaveAsync(path, new byte[300_000]);
        Task writing = Task.Run(async () =>
        {
            for (byte i = 1; i <= 10; i++)
            {
                byte[] content = new byte[300_000];
                Array.Fill(content, i);
                await writer.SaveAsync(path, content);
            }
        });
        while (!writing.IsCompleted)
        {
            try
            {
                byte[] read = await writer.LoadAsync(path);
                Assert.True(read.AsSpan().Count(read[0]) == read.Length);
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.Stale)
            {
                // Replaced between two parts: a mix is refused.
            }
        }

        await writing;
        Assert.Equal(10, (await writer.LoadAsync(path))[^1]);
    }

    private async Task<int> CountAsync(string folder)
    {
        int count = 0;
        await foreach (FileStatus _ in service.Client.ListAsync(folder))
        {
            count++;
        }

        return count;
    }

    /// <summary>Gives so many bytes and then fails.</summary>
    private sealed class BrokenStream(int goodBytes) : MemoryStream(new byte[goodBytes])
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = await base.ReadAsync(buffer, cancellationToken);
            return count > 0 ? count : throw new IOException("The source is gone.");
        }
    }
}
