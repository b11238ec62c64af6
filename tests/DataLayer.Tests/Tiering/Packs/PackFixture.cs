using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Metadata;
using DataLayer.Tests.Engine;

namespace DataLayer.Tests.Tiering.Packs;

/// <summary>An engine with a packer over it.</summary>
internal sealed class PackFixture : IAsyncDisposable
{
    private Packer? _packer;

    public EngineFixture Engine { get; init; } = new();

    public TreeStore Tree => Engine.Tree;

    public Packer Packer => _packer ??= new Packer(Engine.Engine, Options);

    public PackOptions Options { get; init; } = new();

    /// <summary>Ends what waits for an engine that was stopped dead.</summary>
    public CancellationToken Dead { get; set; }

    public static async Task<PackFixture> OpenAsync(FreshnessMode freshness = FreshnessMode.Immutable)
    {
        PackFixture fixture = new();
        await fixture.Engine.StartAsync();
        await fixture.Engine.AttachAsync(freshness: freshness);
        return fixture;
    }

    public async Task ReopenAsync()
    {
        await ClosePackerAsync();
        await Engine.ReopenAsync();
    }

    /// <summary>Opens what was stopped.</summary>
    public async Task StartAgainAsync()
    {
        await ClosePackerAsync();
        await Engine.StartAsync();
    }

    /// <summary>Writes files of a few bytes to a few KiB and waits for their uploads.</summary>
    public async Task<Dictionary<string, byte[]>> FillAsync(int count, string folder = "/data/set", int seed = 1)
    {
        Dictionary<string, byte[]> files = [];
        Random random = new(seed);
        await Engine.Engine.MakeDirectoryAsync(folder, 0x1FF, true, CancellationToken.None);
        for (int i = 0; i < count; i++)
        {
            string path = $"{folder}/{i / 2:D4}.{(i % 2 == 0 ? "jpg" : "json")}";
            byte[] bytes = new byte[random.Next(1, 5000)];
            random.NextBytes(bytes);
            await Engine.WriteFileAsync(path, bytes);
            files.Add(path, bytes);
        }

        await Engine.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        return files;
    }

    public async Task<List<FileFacts>> FactsAsync(string path = "/data") =>
        await Engine.Engine.Facts.ReadAsync(path, CancellationToken.None).ToListAsync();

    /// <summary>Packs the files at or below a path; why some were not.</summary>
    public async Task<List<string>> PackAsync(string path = "/data")
    {
        List<PackFile> files = [.. (await FactsAsync(path)).Select(f => new PackFile(f.Inode, f.Version))];
        IReadOnlyList<string?> reasons = await Packer.PackAsync(files, again: false, Dead);
        return [.. reasons.OfType<string>()];
    }

    public Task<PackOutcome> RepackAsync(double deadShare = 0.5) => RunAsync(
        new PackSpec { Action = PackAction.Repack, Path = "/", DeadShare = deadShare });

    public Task<PackOutcome> UnpackAsync(string path = "/") => RunAsync(
        new PackSpec { Action = PackAction.Unpack, Path = path });

    public async Task<PackOutcome> RunAsync(PackSpec spec) =>
        await new PackRunner(Packer).RunAsync(spec, static _ => { }, Dead);

    public async Task<IReadOnlyList<PackUse>> PacksAsync() => await Tree.ListPacksAsync(0, 100, CancellationToken.None);

    public async Task<List<string>> KeysAsync(bool packs) =>
        [.. (await Engine.ObjectKeysAsync()).Where(k => k.StartsWith(PackKeys.Folder, StringComparison.Ordinal) == packs)];

    public async Task<InodeId> InodeAsync(string path) =>
        (await Engine.Engine.Facts.ReadAsync(path, CancellationToken.None).ToListAsync()).Single().Inode;

    /// <summary>Drops hot and memory copies, so that the next read asks the bucket.</summary>
    public Task CoolAsync() => Engine.Engine.EvictAsync("/data", hotToo: true, Dead).AsTask();

    public async Task CheckAsync(Dictionary<string, byte[]> files)
    {
        foreach ((string path, byte[] bytes) in files)
        {
            Assert.Equal(bytes, await Engine.ReadAllAsync(path));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await ClosePackerAsync();
        await Engine.DisposeAsync();
    }

    private async Task ClosePackerAsync()
    {
        if (_packer is { } packer)
        {
            await packer.DisposeAsync();
            _packer = null;
        }
    }
}
