using System.Diagnostics.CodeAnalysis;
using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes.Rados;

/// <summary>
/// The address of a RADOS target: <c>rados://POOL[/NAMESPACE][?conf=FILE&amp;id=NAME&amp;keyring=FILE]</c>. Without a
/// namespace it is <c>datalayer</c>; without a file <c>/etc/ceph/ceph.conf</c>; without a name <c>admin</c>.
/// </summary>
/// <param name="Pool">The pool's name in the cluster.</param>
/// <param name="Namespace">The namespace in it that is the target.</param>
/// <param name="ConfigurationFile">The cluster's configuration: monitors, keyring.</param>
/// <param name="Id">The client's name, without <c>client.</c>.</param>
/// <param name="Keyring">The file with the client's key, or null for what the configuration says.</param>
internal sealed record RadosAddress(
    string Pool, string Namespace, string ConfigurationFile, string Id, string? Keyring)
{
    private const string Scheme = "rados://";
    private const string DefaultNamespace = "datalayer";
    private const string DefaultFile = "/etc/ceph/ceph.conf";
    private const string DefaultId = "admin";

    /// <summary>The address with all that is no default: the same text for the same place.</summary>
    internal string Text
    {
        get
        {
            StringBuilder text = new();
            text.Append(Scheme).Append(Pool).Append('/').Append(Namespace);
            char separator = '?';
            Append("conf", ConfigurationFile == DefaultFile ? null : ConfigurationFile);
            Append("id", Id == DefaultId ? null : Id);
            Append("keyring", Keyring);
            return text.ToString();

            void Append(string key, string? value)
            {
                if (value is not null)
                {
                    text.Append(separator).Append(key).Append('=').Append(value);
                    separator = '&';
                }
            }
        }
    }

    /// <summary>Whether a text is meant as an address.</summary>
    internal static bool IsOne(string text) => text.StartsWith(Scheme, StringComparison.Ordinal);

    /// <summary>Reads an address.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    internal static RadosAddress Parse(string text) => TryParse(text, out RadosAddress? address, out string problem)
        ? address : throw new DataLayerException(ErrorCode.InvalidArgument, problem);

    /// <summary>Reads an address, or says what is wrong with it.</summary>
    internal static bool TryParse(string text, [NotNullWhen(true)] out RadosAddress? address, out string problem)
    {
        address = null;
        problem = $"'{text}' is no address of a RADOS pool: write rados://POOL/NAMESPACE?conf=FILE&id=NAME.";
        if (!IsOne(text) || text.AsSpan().ContainsAny('\n', '\r', '\0'))
        {
            return false;
        }

        string[] halves = text[Scheme.Length..].Split('?', 2);
        string[] names = halves[0].TrimEnd('/').Split('/');
        string space = names.Length > 1 ? names[1] : DefaultNamespace;
        if (names.Length > 2 || !IsName(names[0]) || !IsName(space))
        {
            problem = $"'{text}': pool and namespace are letters, digits, '-', '_' and '.', up to 64 of them.";
            return false;
        }

        address = new RadosAddress(names[0], space, DefaultFile, DefaultId, null);
        foreach (string setting in halves.Length > 1 ? halves[1].Split('&') : [])
        {
            string[] parts = setting.Split('=', 2);
            string value = parts.Length > 1 ? parts[1] : string.Empty;
            bool isFile = parts[0] is "conf" or "keyring";
            if ((isFile && !Path.IsPathFullyQualified(value)) || (parts[0] == "id" && !IsName(value))
                || (!isFile && parts[0] != "id"))
            {
                address = null;
                problem = $"'{text}': '{setting}' is none of conf=FILE, keyring=FILE (absolute paths) and id=NAME.";
                return false;
            }

            address = parts[0] switch
            {
                "conf" => address with { ConfigurationFile = value },
                "keyring" => address with { Keyring = value },
                _ => address with { Id = value },
            };
        }

        return true;
    }

    private static bool IsName(string text) =>
        text.Length is > 0 and <= 64 && !text.AsSpan().ContainsAnyExcept(_nameChars);

    private static readonly System.Buffers.SearchValues<char> _nameChars =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
}
