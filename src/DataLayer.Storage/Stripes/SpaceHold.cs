using System.Runtime.InteropServices;

namespace DataLayer.Storage.Stripes;

/// <summary>Free bytes of the hot tier that only one share's contents may take.</summary>
/// <param name="Share">The share, as <see cref="Core.Identity.ShareMap"/> numbers it.</param>
/// <param name="Bytes">How many, bytes on the targets: copies count.</param>
/// <param name="Pool">Of which pool; null for the default.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SpaceHold(int Share, long Bytes, string? Pool = null);
