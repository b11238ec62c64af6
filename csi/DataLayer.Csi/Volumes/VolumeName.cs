using System.Security.Cryptography;
using System.Text;
using DataLayer.Csi.Grpc;

namespace DataLayer.Csi.Volumes;

/// <summary>
/// Names the caller chose, as names of folders. A plain name (what Kubernetes makes: pvc-UUID) stays as it is and is
/// the volume's id; any other becomes <c>x-</c> and its SHA-256, so that no two names meet and none leaves its folder.
/// </summary>
internal static class VolumeName
{
    /// <summary>The longest name or id, bytes: the specification's general limit.</summary>
    public const int MaxBytes = 128;

    private const string HashPrefix = "x-";

    /// <summary>The folder's name, and the id, for a name.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: the name is empty or too long.</exception>
    public static string ToId(string name, string field)
    {
        Check(name, field);
        return IsPlain(name)
            ? name
            : HashPrefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)));
    }

    /// <summary>Checks an id or a name.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: it is empty or too long.</exception>
    public static void Check(string value, string field)
    {
        if (value.Length == 0)
        {
            throw new RpcException(RpcCode.InvalidArgument, $"{field} is missing.");
        }

        if (Encoding.UTF8.GetByteCount(value) > MaxBytes)
        {
            throw new RpcException(RpcCode.InvalidArgument, $"{field} is longer than {MaxBytes} bytes.");
        }
    }

    /// <summary>Whether an id can be one of ours; any other names nothing.</summary>
    public static bool IsId(string id) =>
        IsPlain(id)
        || (id.StartsWith(HashPrefix, StringComparison.Ordinal) && id.Skip(2).All(char.IsAsciiHexDigitLower));

    private static bool IsPlain(string name) =>
        name.Length is > 0 and <= MaxBytes
        && char.IsAsciiLetterOrDigit(name[0])
        && !name.StartsWith(HashPrefix, StringComparison.Ordinal)
        && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
