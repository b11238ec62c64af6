using System.Buffers.Text;
using System.Text;
using DataLayer.Csi.Grpc;

namespace DataLayer.Csi.Volumes;

/// <summary>
/// The token of a next page: the last name of this one, marked so that another text is known as wrong.
/// </summary>
internal static class PageToken
{
    private const string Mark = "after:";

    /// <summary>The token that goes on after <paramref name="name"/>.</summary>
    public static string After(string name) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(Mark + name));

    /// <summary>The name a token goes on after; null for the empty token.</summary>
    /// <exception cref="RpcException">ABORTED: this is no token of ours.</exception>
    public static string? Read(string token)
    {
        if (token.Length == 0)
        {
            return null;
        }

        try
        {
            string text = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(token));
            if (text.StartsWith(Mark, StringComparison.Ordinal) && VolumeName.IsId(text[Mark.Length..]))
            {
                return text[Mark.Length..];
            }
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            // Answered below.
        }

        throw new RpcException(RpcCode.Aborted, "starting_token is not valid; start again without one.");
    }
}
