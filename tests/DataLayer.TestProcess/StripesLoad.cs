using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.TestProcess;

/// <summary>
/// Writes a striped content once and then overwrites ranges in its middle, never flushed, until it is killed. A line after the first
/// write and one before each overwrite.
/// </summary>
internal static class StripesLoad
{
    /// <summary>The content's length, bytes: two chunks.</summary>
    internal const int LengthBytes = 131_072;

    /// <summary>Bytes at either end that no overwrite touches.</summary>
    internal const int EdgeBytes = 20_000;

    /// <summary>Runs until the process ends; encrypted where the key's number is not 0.</summary>
    public static async Task RunAsync(string folder, int seed, long key, TextWriter output)
    {
        HotTierOptions options = new()
        {
            Pools = [new PoolOptions { Name = "default", Directories = [folder] }],
            SegmentBytes = 1 << 20,
        };
        await using HotTier tier = await HotTier.OpenAsync(options, TimeProvider.System, NullLogger<HotTier>.Instance, default);
        byte[] bytesOfKey = new byte[32];
        new Random(77).NextBytes(bytesOfKey);
        tier.Keys.Put(Math.Max(1, key), bytesOfKey);
        ContentId content = new(new InodeId(seed), 1);
        StripedPlacement placement = tier.PlaceStriped(null, content, LengthBytes, key);
        await tier.WriteAsync(content, placement, 0, Enumerable.Repeat((byte)1, LengthBytes).ToArray(), default);
        Random random = new(seed);
        for (int turn = 0; ; turn++)
        {
            output.WriteLine($"{turn} .");
            output.Flush();
            int from = random.Next(EdgeBytes, LengthBytes - EdgeBytes);
            int length = random.Next(1, LengthBytes - EdgeBytes - from + 1);
            byte[] bytes = new byte[length];
            Array.Fill(bytes, (byte)(2 + (turn % 250)));
            await tier.WriteAsync(content, placement, from, bytes, default);
        }
    }
}
