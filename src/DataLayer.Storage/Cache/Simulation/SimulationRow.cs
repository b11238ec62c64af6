using System.Globalization;
using System.Runtime.InteropServices;

namespace DataLayer.Storage.Cache.Simulation;

/// <summary>What one policy makes of a trace.</summary>
/// <param name="Policy">The policy's name; <c>belady</c> is the optimum.</param>
/// <param name="SizeBytes">The cache's size, bytes.</param>
/// <param name="Requests">Accesses, a count.</param>
/// <param name="Hits">Accesses answered from the cache.</param>
/// <param name="Bytes">Bytes asked for.</param>
/// <param name="HitBytes">Bytes answered from the cache.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SimulationRow(
    string Policy, long SizeBytes, long Requests, long Hits, long Bytes, long HitBytes)
{
    /// <summary>Hits ÷ requests; 0 for an empty trace.</summary>
    public double HitRatio => Requests == 0 ? 0 : (double)Hits / Requests;

    /// <summary>Hit bytes ÷ bytes; 0 for an empty trace.</summary>
    public double ByteHitRatio => Bytes == 0 ? 0 : (double)HitBytes / Bytes;

    /// <summary>The row as one line of JSON: <c>{"policy","size","requests","hits","bytes","hitBytes"}</c>.</summary>
    public string ToJson() => string.Create(CultureInfo.InvariantCulture,
        $$"""{"policy":"{{Policy}}","size":{{SizeBytes}},"requests":{{Requests}},"hits":{{Hits}}"""
        + $$""","bytes":{{Bytes}},"hitBytes":{{HitBytes}}}""");
}
