using System.Runtime.InteropServices;
using DataLayer.Core.Identity;

namespace DataLayer.Storage.Cache.Memory;

/// <summary>
/// What the index says of a block: its entry, and, for a block in one piece, where the bytes are, so that a reader can
/// start to copy while the entry is still on its way from memory. 16 bytes; never changed once it is in the index. All
/// of it stands in the entry too, so that a damaged record is found out.
/// </summary>
/// <param name="Entry">The entry's number.</param>
/// <param name="Version">The entry's version while this holds; odd.</param>
/// <param name="Piece">The granule the block starts at.</param>
/// <param name="Extent">The block's length, bytes; negative if it lies in several pieces.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct BlockLocation(uint Entry, uint Version, uint Piece, int Extent)
{
    /// <summary>Where the block of an entry is.</summary>
    public static unsafe BlockLocation Of(uint entry, ref CacheEntry node, uint version) =>
        new(entry, version, node.Pieces[0], node.PieceCount == 1 ? node.Length : -node.Length);

    /// <summary>Whether record and entry tell the same of that block.</summary>
    public unsafe bool Agrees(ref CacheEntry node, in BlockId block) =>
        node.Block == block && node.Pieces[0] == Piece && node.Length == Math.Abs((long)Extent);
}
