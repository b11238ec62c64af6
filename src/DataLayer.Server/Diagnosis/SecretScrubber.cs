using System.Collections;
using System.Text;
using System.Text.RegularExpressions;
using DataLayer.Server.Configuration;

namespace DataLayer.Server.Diagnosis;

/// <summary>
/// Takes secrets out of text that leaves the machine. It knows two kinds: the secrets of this deployment, read from
/// where the configuration says they are, wherever they stand in a text; and what looks like a secret by its form.
/// </summary>
/// <remarks>
/// What is known is replaced first, longest first, as it is, in base64 and as a URL or JSON writes it. A known secret
/// shorter than four characters cannot be told from other text and is left to the forms.
/// </remarks>
internal sealed partial class SecretScrubber
{
    /// <summary>What stands in a secret's place.</summary>
    public const string Removed = "[removed]";

    private const int MinCharacters = 4;
    private const int MaxFileBytes = 64 << 10;
    private readonly List<string> _known;

    private SecretScrubber(IEnumerable<string> known) =>
        _known = [.. known.SelectMany(Forms).Distinct(StringComparer.Ordinal).OrderByDescending(k => k.Length)];

    /// <summary>How many forms of known secrets are looked for, a count.</summary>
    public int KnownCount => _known.Count;

    /// <summary>Gathers the secrets that a configuration and an environment lead to.</summary>
    /// <param name="settings">The settings in effect.</param>
    /// <param name="configurationText">The configuration's file as it is, for secrets that stand in it against the
    /// rules; or null.</param>
    /// <param name="variables">Environment variables.</param>
    public static SecretScrubber Of(
        IReadOnlyList<EffectiveSetting> settings, string? configurationText, IDictionary variables)
    {
        List<string> known = [];
        foreach (EffectiveSetting setting in settings.Where(s => s.Value.Length > 0))
        {
            string name = setting.Path[(setting.Path.LastIndexOf('.') + 1)..];
            if (SecretPlace().IsMatch(name))
            {
                AddPlace(known, name, setting.Value, variables);
            }

            known.AddRange(UserOfUrl().Matches(setting.Value).Select(m => m.Groups["password"].Value));
        }

        foreach (Match match in WrittenSecret().Matches(configurationText ?? string.Empty))
        {
            known.Add(match.Groups["value"].Value.Trim('"', '\'', ' '));
        }

        foreach (DictionaryEntry variable in variables)
        {
            if (variable is { Key: string key, Value: string value } && SecretVariable().IsMatch(key))
            {
                AddPlace(known, key, value, variables);
                known.Add(value.Trim());
            }
        }

        return new SecretScrubber(known.Where(k => k.Length >= MinCharacters));
    }

    /// <summary>A text without the secrets.</summary>
    public string Clean(string text)
    {
        foreach (string secret in _known)
        {
            text = text.Replace(secret, Removed, StringComparison.Ordinal);
        }

        text = PrivateKey().Replace(text, Removed);
        text = Token().Replace(text, "$1" + Removed);
        text = UserOfUrl().Replace(text, "$1" + Removed + "@");
        text = SignedQuery().Replace(text, "$1" + Removed);
        text = AuthorizationHeader().Replace(text, "$1" + Removed);
        text = AccessKey().Replace(text, Removed);
        return NamedSecret().Replace(text, "$1" + Removed);
    }

    private static void AddPlace(List<string> known, string name, string value, IDictionary variables)
    {
        if (name.EndsWith("Env", StringComparison.Ordinal))
        {
            known.Add((variables[value] as string ?? string.Empty).Trim());
            return;
        }

        if (!name.EndsWith("File", StringComparison.OrdinalIgnoreCase))
        {
            return;
        }

        try
        {
            FileInfo file = new(value);
            if (file.Exists && file.Length <= MaxFileBytes)
            {
                string text = File.ReadAllText(value);
                known.Add(text.Trim());
                known.AddRange(text.Split('\n').Select(l => l.Trim())
                    .Where(l => l.Length >= 8 && !l.StartsWith("-----", StringComparison.Ordinal)));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Who cannot read it has nothing of it to give away; the service keeps it out of its answers itself.
        }
    }

    private static IEnumerable<string> Forms(string secret)
    {
        yield return secret;
        yield return Uri.EscapeDataString(secret);
        yield return Convert.ToBase64String(Encoding.UTF8.GetBytes(secret));
        yield return System.Text.Json.JsonEncodedText.Encode(secret).ToString();
    }

    // Files of hashes (tokens) are as little for others as those of secrets.
    [GeneratedRegex("^(accessKey|secretKey|sessionToken|password|keyPassword|key|credentialKey|token)(Env|File)$")]
    private static partial Regex SecretPlace();

    [GeneratedRegex("""(?im)^[\s-]*["']?\w*(?:key|secret|password|token)["']?\s*:[ \t]*(?<value>[^\s#{\[].*)$""")]
    private static partial Regex WrittenSecret();

    [GeneratedRegex("(?i)(secret|token|passw|access_?key|credential)")]
    private static partial Regex SecretVariable();

    [GeneratedRegex("-----BEGIN [^-]*PRIVATE KEY-----.*?(-----END [^-]*-----|$)", RegexOptions.Singleline)]
    private static partial Regex PrivateKey();

    [GeneratedRegex("(dl_[0-9a-f]{12}_)[0-9a-f]{8,}")]
    private static partial Regex Token();

    [GeneratedRegex("""(://)[^/\s:@"']+:(?<password>[^/\s@"']+)@""")]
    private static partial Regex UserOfUrl();

    [GeneratedRegex(
        """(?i)([?&](?:x-amz-signature|x-amz-security-token|x-amz-credential|signature|sig|token)=)[^&\s"']+""")]
    private static partial Regex SignedQuery();

    [GeneratedRegex("""(?i)(authorization["']?\s*[:=]\s*["']?(?:bearer|basic|aws4-hmac-sha256)\s+)[^\r\n"']+""")]
    private static partial Regex AuthorizationHeader();

    [GeneratedRegex(@"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")]
    private static partial Regex AccessKey();

    [GeneratedRegex(
        """(?i)(\b(?:password|passwd|secret|secret_?key|access_?key|session_?token)["']?\s*[:=]\s*["']?)"""
            + """[^\s"',;&}\[\]]{4,}""")]
    private static partial Regex NamedSecret();
}
