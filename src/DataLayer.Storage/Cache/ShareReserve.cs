using System.Runtime.InteropServices;

namespace DataLayer.Storage.Cache;

/// <summary>What a share has for sure in the memory tier.</summary>
/// <param name="Share">The share, as <see cref="Core.Identity.ShareMap"/> numbers it.</param>
/// <param name="Bytes">Bytes, with the rounding and headers of blocks, that blocks of others do not push out.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ShareReserve(int Share, long Bytes);
