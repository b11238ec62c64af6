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
internal sealed class SecretScrubber
{
    /// <summary>What stands in a secret's place.</summary>
    public const string Removed = "[removed]";

    private const int MinCharacters = 4;
    private const int MaxFileBytes = 64 << 10;
    // Not backtracking: a log may hold anything, and no text of it may make a bundle take for ever. Files of hashes
    // (tokens) are as little for others as those of secrets.
    private static readonly Regex _secretPlace = Make(
        "^(accessKey|secretKey|sessionToken|password|keyPassword|key|credentialKey|token)(Env|File)$");

    private static readonly Regex _writtenSecret = Make(
        """(?im)^[\s-]*["']?\w*(key|secret|password|token)["']?\s*:[ \t]*(?<value>[^\s#{\[].*)$""");

    private static readonly Regex _secretVariable = Make("(?i)(secret|token|passw|access_?key|credential)");

    private static readonly Regex _privateKey = Make(
        "(?s)-----BEGIN [^-]*PRIVATE KEY-----.*?(-----END [^-]*-----|$)");

    private static readonly Regex _token = Make("(?<head>dl_[0-9a-f]{12}_)[0-9a-f]{8,}");

    private static readonly Regex _userOfUrl = Make("""(?<head>://)[^/\s:@"']+:(?<password>[^/\s@"']+)@""");

    private static readonly Regex _signedQuery = Make(
        """(?i)(?<head>[?&](x-amz-signature|x-amz-security-token|x-amz-credential|signature|sig|token)=)[^&\s"']+""");

    private static readonly Regex _authorizationHeader = Make(
        """(?i)(?<head>authorization["']?\s*[:=]\s*["']?(bearer|basic|aws4-hmac-sha256)\s+)[^\r\n"']+""");

    private static readonly Regex _accessKey = Make(@"\b(AKIA|ASIA)[0-9A-Z]{16}\b");

    private static readonly Regex _namedSecret = Make(
        """(?i)(?<head>\b(password|passwd|secret|secret_?key|access_?key|session_?token)["']?\s*[:=]\s*["']?)"""
            + """[^\s"',;&}\[\]]{4,}""");

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
            if (_secretPlace.IsMatch(name))
            {
                AddPlace(known, name, setting.Value, variables);
            }

            known.AddRange(_userOfUrl.Matches(setting.Value).Select(m => m.Groups["password"].Value));
        }

        foreach (Match match in _writtenSecret.Matches(configurationText ?? string.Empty))
        {
            known.Add(match.Groups["value"].Value.Trim('"', '\'', ' '));
        }

        foreach (DictionaryEntry variable in variables)
        {
            if (variable is { Key: string key, Value: string value } && _secretVariable.IsMatch(key))
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

        text = _privateKey.Replace(text, Removed);
        text = _token.Replace(text, "${head}" + Removed);
        text = _userOfUrl.Replace(text, "${head}" + Removed + "@");
        text = _signedQuery.Replace(text, "${head}" + Removed);
        text = _authorizationHeader.Replace(text, "${head}" + Removed);
        text = _accessKey.Replace(text, Removed);
        return _namedSecret.Replace(text, "${head}" + Removed);
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

    private static Regex Make(string pattern) => new(
        pattern, RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant);
}
