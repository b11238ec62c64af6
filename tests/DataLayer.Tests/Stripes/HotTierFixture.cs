using DataLayer.Core.Identity;
using DataLayer.Storage.Stripes;
using DataLayer.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Stripes;

/// <summary>A hot tier over folders of a temporary folder; it can be closed, killed and opened again.</summary>
internal sealed class HotTierFixture : IAsyncDisposable
{
    private readonly TempFolder _folder = new("stripes");

    public HotTierFixture(int targetCount = 1) => Directories = [.. Enumerable.Range(0, targetCount).Select(i =>
        _folder.MakeFolder($"t{i}"))];

    public List<string> Directories { get; }

    public string Root => _folder.Path;

    public string State => _folder.Combine("state");

    public int Width { get; init; } = 1;

    public int CopyCount { get; init; } = 1;

    public int UnitBytes { get; init; } = 64 << 10;

    public int SegmentLimitBytes { get; init; } = 1 << 20;

    public int SegmentBytes { get; init; } = 1 << 20;

    public int OpenFileCount { get; init; } = 64;

    public long ReserveBytes { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public Func<ITarget, ITarget>? Decorate { get; set; }

    /// <summary>The number of the key that contents are to be placed under; 0 for none.</summary>
    public long KeyId { get; init; }

    public HotTier Tier { get; private set; } = null!;

    public async Task<HotTier> OpenAsync()
    {
        HotTierOptions options = new()
        {
            Pools =
            [
                new PoolOptions
                {
                    Name = "default",
                    Directories = Directories,
                    Width = Width,
                    CopyCount = CopyCount,
                    UnitBytes = UnitBytes,
                    SegmentLimitBytes = SegmentLimitBytes,
                    ReserveBytes = ReserveBytes,
                },
            ],
            StateDirectory = State,
            OpenFileCount = OpenFileCount,
            SegmentBytes = SegmentBytes,
            FenceTime = TimeSpan.Zero,
            CheckInterval = TimeSpan.FromHours(1),
        };
        Tier = Decorate is null
            ? await HotTier.OpenAsync(options, Time, NullLogger<HotTier>.Instance, CancellationToken.None)
            : await HotTier.OpenAsync(options, Time, NullLogger<HotTier>.Instance, Decorate, CancellationToken.None);
        if (KeyId != 0)
        {
            Tier.Keys.Put(KeyId, RandomBytes(77, 32));
        }

        return Tier;
    }

    /// <summary>Closes cleanly and opens again.</summary>
    public async Task<HotTier> ReopenAsync()
    {
        await Tier.DisposeAsync();
        return await OpenAsync();
    }

    /// <summary>Opens again while the old tier was not closed: what a kill -9 leaves (the page cache survives
    /// it).</summary>
    public Task<HotTier> KillAndOpenAsync() => OpenAsync();

    public static ContentId Content(long inode, uint generation = 1) => new(new InodeId(inode), generation);

    public static byte[] RandomBytes(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public List<string> BackingFiles() =>
        [.. Directories.SelectMany(directory => Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories))
            .Where(path => path.Contains("/files/", StringComparison.Ordinal)
                && !path.EndsWith(".sum", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)];

    public async ValueTask DisposeAsync()
    {
        if (Tier is not null)
        {
            await Tier.DisposeAsync();
        }

        _folder.Dispose();
    }
}
