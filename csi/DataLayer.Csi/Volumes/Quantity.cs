using System.Globalization;
using DataLayer.Csi.Grpc;

namespace DataLayer.Csi.Volumes;

/// <summary>Sizes as Kubernetes writes them: 500Mi, 10Gi, 2G, or plain bytes.</summary>
internal static class Quantity
{
    private static readonly (string Suffix, long Bytes)[] _units =
    [
        ("Ki", 1L << 10), ("Mi", 1L << 20), ("Gi", 1L << 30), ("Ti", 1L << 40), ("Pi", 1L << 50),
        ("k", 1000), ("M", 1000_000), ("G", 1000_000_000), ("T", 1000_000_000_000), ("P", 1000_000_000_000_000),
        (string.Empty, 1),
    ];

    /// <summary>Reads a size, bytes.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: it is none.</exception>
    public static long Parse(string text, string field, string key)
    {
        (string suffix, long unit) = Array.Find(_units, u => text.EndsWith(u.Suffix, StringComparison.Ordinal));
        bool isNumber = decimal.TryParse(
            text.AsSpan(0, text.Length - suffix.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture,
            out decimal count);
        return isNumber && count <= long.MaxValue / unit
            ? (long)Math.Ceiling(count * unit)
            : throw new RpcException(
                RpcCode.InvalidArgument, $"{field}: {key} is '{text}': give a size such as 10Gi or 500M.");
    }
}
