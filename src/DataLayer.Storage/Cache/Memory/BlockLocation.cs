using System.Runtime.InteropServices;

namespace DataLayer.Storage.Cache.Memory;

/// <summary>
/// What the index says of a block: its entry, and, for a block in one piece, where the bytes are, so that a reader can
/// start to copy while the entry is still on its way from memory. 16 bytes; never changed once it is in the index.
/// </summary>
/// <param name="Entry">The entry's number.</param>
/// <param name="Version">The entry's version while this holds; odd.</param>
/// <param name="Piece">The granule the block starts at, if it lies in one piece.</param>
/// <param name="SingleLength">The block's length, bytes, if it lies in one piece, else 0.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct BlockLocation(uint Entry, uint Version, uint Piece, int SingleLength);
