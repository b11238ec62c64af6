namespace DataLayer.Core.Order;

/// <summary>The mixing function of orders: the finalizer of SplitMix64 (Steele, Lea, Flood 2014).</summary>
internal static class OrderMix
{
    public const ulong Golden = 0x9E3779B97F4A7C15;
    public const ulong First = 0xBF58476D1CE4E5B9;
    public const ulong Second = 0x94D049BB133111EB;

    /// <summary>A bijection of 64-bit numbers in which each bit of the input moves half of the output's.</summary>
    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * First;
        value = (value ^ (value >> 27)) * Second;
        return value ^ (value >> 31);
    }
}
