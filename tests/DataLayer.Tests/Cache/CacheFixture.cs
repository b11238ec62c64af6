using System.Buffers.Binary;
using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;

namespace DataLayer.Tests.Cache;

/// <summary>Blocks whose bytes follow from their identity and a salt, so that any mix-up shows.</summary>
internal static class CacheFixture
{
    public static BlockCache NewCache(long capacityBytes = 8 << 20, string policy = "lru", double pinShare = 0.5, int sessions = 16) =>
        new(new BlockCacheOptions { CapacityBytes = capacityBytes, Policy = policy, PinShare = pinShare, SessionCount = sessions, ScrubBytesPerSecond = 0 }, TimeProvider.System);

    public static BlockId Block(long inode, uint index = 0, uint generation = 1) => new(inode, generation, index);

    public static byte[] Bytes(BlockId block, int length, int salt = 0)
    {
        byte[] bytes = new byte[length];
        Write(block, bytes, salt);
        return bytes;
    }

    public static void Write(BlockId block, Span<byte> bytes, int salt = 0)
    {
        ulong state = Seed(block, salt);
        while (bytes.Length >= 8)
        {
            state = (state * 6364136223846793005) + 1442695040888963407;
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, state ^ (state >> 29));
            bytes = bytes[8..];
        }

        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(state >> (40 + i));
        }
    }

    private static ulong Seed(BlockId block, int salt) =>
        ((ulong)block.Inode * 0x9E3779B97F4A7C15) ^ ((ulong)block.Generation << 40) ^ ((ulong)block.Index << 8) ^ (ulong)salt;
}
