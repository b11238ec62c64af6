using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Storage.Interop;

namespace DataLayer.Server.Access;

/// <summary>What reading a token file gave.</summary>
/// <param name="Tokens">The tokens, where nothing is wrong.</param>
/// <param name="Problems">Everything that is wrong, each with its remedy.</param>
internal sealed record TokenFileContent(IReadOnlyList<AccessToken> Tokens, IReadOnlyList<string> Problems);

/// <summary>
/// The file with the tokens: read by the service, changed by <c>datalayer token</c> under a lock, replaced as a whole.
/// A missing file holds no tokens. Its format: docs/FORMATS/tokens.md.
/// </summary>
internal static class TokenFile
{
    /// <summary>The most tokens a file may hold.</summary>
    public const int MaxTokens = 10_000;

    private const int MaxBytes = 8 << 20;
    private const int MaxNameLength = 100;
    private const int MaxScopes = 100;
    private const string HashPrefix = "sha256:";

    private const UnixFileMode OthersMay = UnixFileMode.GroupRead | UnixFileMode.GroupWrite
        | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>
    /// Reads a file and checks all of it; what is wrong is told at once, and then nothing of it counts.
    /// </summary>
    public static TokenFileContent Read(string path)
    {
        Document? document;
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if ((File.GetUnixFileMode(file.SafeFileHandle) & OthersMay) != UnixFileMode.None)
            {
                return Wrong($"'{path}' is open to other users: run 'chmod 600 {path}'.");
            }

            if (file.Length > MaxBytes)
            {
                return Wrong($"'{path}' is longer than {MaxBytes} bytes: revoke tokens that are not used.");
            }

            document = JsonSerializer.Deserialize(file, TokenFileJson.Default.Document);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return new TokenFileContent([], []);
        }
        catch (JsonException e)
        {
            return Wrong(
                $"'{path}' is not a token file: {e.Message} Restore it, or remove it and make new tokens with "
                + "'datalayer token create'.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Wrong($"'{path}' cannot be read: {e.Message} Give the service's user access to it.");
        }

        return Check(path, document);
    }

    /// <summary>
    /// Changes the tokens under the file's lock; durable when it returns. No process sees half of the change.
    /// </summary>
    /// <exception cref="DataLayerException">InvalidArgument: the file is wrong. Overloaded: another process changes
    /// it. TargetFailed, PermissionDenied, …: it cannot be written.</exception>
    public static void Change(string path, Func<IReadOnlyList<AccessToken>, IReadOnlyList<AccessToken>> change)
    {
        string folder = Path.GetDirectoryName(path) ?? "/";
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        FileStreamOptions exclusive = new()
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        FileStream turn;
        try
        {
            turn = new FileStream(path + ".lock", exclusive);
        }
        catch (IOException e)
        {
            throw new DataLayerException(
                ErrorCode.Overloaded, $"'{path}' cannot be locked: {e.Message} Try again when the other is done.", e);
        }

        using (turn)
        {
            TokenFileContent content = Read(path);
            if (content.Problems.Count > 0)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, string.Join(Environment.NewLine, content.Problems));
            }

            Document document = new() { Tokens = [.. change(content.Tokens).Select(Entry.From)] };
            byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(document, TokenFileJson.Default.Document);
            DurableFile.WriteAtomically(path, bytes, replace: true);
        }
    }

    /// <summary>Whether a text can be a scope: an absolute path of the tree without dots.</summary>
    public static bool IsScope(string? text)
    {
        try
        {
            TreePath.Check(text!);
            return text is { Length: > 1 };
        }
        catch (Exception e) when (e is DataLayerException or ArgumentException)
        {
            return false;
        }
    }

    /// <summary>A certificate's subject as it is compared, or null for a text that is none.</summary>
    public static string? SubjectOf(string? text)
    {
        try
        {
            return text is { Length: > 0 and <= 1024 } && !text.Any(char.IsControl)
                && new X500DistinguishedName(new X500DistinguishedName(text).RawData).Name is { Length: > 0 } name
                    ? name
                    : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static TokenFileContent Wrong(string problem) => new([], [problem]);

    private static TokenFileContent Check(string path, Document? document)
    {
        List<string> problems = [];
        List<AccessToken> tokens = [];
        HashSet<string> ids = new(StringComparer.Ordinal);
        HashSet<string> subjects = new(StringComparer.Ordinal);
        IReadOnlyList<Entry?> entries = document?.Tokens ?? [];
        if (document?.Tokens is null)
        {
            problems.Add($"'{path}' has no list 'tokens': restore it.");
        }
        else if (entries.Count > MaxTokens)
        {
            problems.Add($"'{path}' holds {entries.Count} tokens, at most {MaxTokens} are allowed: revoke some.");
        }

        for (int i = 0; i < entries.Count && problems.Count < 100; i++)
        {
            string at = string.Create(CultureInfo.InvariantCulture, $"'{path}', tokens[{i}]");
            int before = problems.Count;
            Entry entry = entries[i] ?? new Entry();
            CheckEntry(entry, at, problems);
            if (entry.Id is { } id && !ids.Add(id))
            {
                problems.Add($"{at}: the id '{id}' is there twice: remove one of them.");
            }

            if (entry.Subject is { } subject && !subjects.Add(subject))
            {
                problems.Add($"{at}: the subject '{subject}' is there twice: remove one of them.");
            }

            if (problems.Count == before)
            {
                tokens.Add(entry.ToToken());
            }
        }

        return new TokenFileContent(problems.Count == 0 ? tokens : [], problems);
    }

    private static void CheckEntry(Entry entry, string at, List<string> problems)
    {
        if (!TokenText.IsId(entry.Id))
        {
            problems.Add($"{at}: the id '{entry.Id}' is not {TokenText.IdLength} hexadecimal digits.");
        }

        if (entry.Name is not { Length: > 0 and <= MaxNameLength } || entry.Name.Any(char.IsControl))
        {
            problems.Add($"{at}: the name has to have 1 to {MaxNameLength} characters, no control characters.");
        }

        if (entry.Role is not ("reader" or "tenant" or "admin" or "node"))
        {
            problems.Add($"{at}: the role is '{entry.Role}': write reader, tenant, admin or node.");
        }

        if (entry.Subject is { } subject)
        {
            if (entry.Hash is not null || SubjectOf(subject) != subject)
            {
                problems.Add($"{at}: an entry of a certificate has a subject as 'CN=name, O=…' and no hash.");
            }
        }
        else if (entry.Hash is not { } hash || !hash.StartsWith(HashPrefix, StringComparison.Ordinal)
            || hash.Length != HashPrefix.Length + (TokenText.HashBytes * 2)
            || !TokenText.IsHex(hash.AsSpan(HashPrefix.Length)))
        {
            problems.Add($"{at}: the hash is not '{HashPrefix}' and {TokenText.HashBytes * 2} hexadecimal digits.");
        }

        IReadOnlyList<string?> scopes = entry.Scopes ?? [];
        if (scopes.Count > MaxScopes)
        {
            problems.Add($"{at}: {scopes.Count} scopes, at most {MaxScopes} are allowed.");
        }

        foreach (string? scope in scopes.Where(s => !IsScope(s)))
        {
            problems.Add($"{at}: the scope '{scope}' is not a folder's path from '/', without dots.");
        }

        if (entry.Role == "tenant" && scopes.Count == 0)
        {
            problems.Add($"{at}: a tenant's token needs a scope.");
        }

        if (entry.Role is "admin" or "node" && scopes.Count > 0)
        {
            problems.Add($"{at}: {(entry.Role == "admin" ? "an admin's" : "a node's")} token has no scope.");
        }
    }

    internal sealed record Document
    {
        public IReadOnlyList<Entry?>? Tokens { get; init; }
    }

    internal sealed record Entry
    {
        public string? Id { get; init; }

        public string? Name { get; init; }

        public string? Role { get; init; }

        public string? Hash { get; init; }

        public string? Subject { get; init; }

        public IReadOnlyList<string?>? Scopes { get; init; }

        public DateTimeOffset Created { get; init; }

        public DateTimeOffset? Expires { get; init; }

        public static Entry From(AccessToken token) => new()
        {
            Id = token.Id,
            Name = token.Name,
            Role = RoleText(token.Role),
            Hash = token.Subject is null ? HashPrefix + Convert.ToHexStringLower(token.Hash.Span) : null,
            Subject = token.Subject,
            Scopes = [.. token.Scopes],
            Created = token.Created,
            Expires = token.Expires,
        };

        public AccessToken ToToken() => new()
        {
            Id = Id!,
            Name = Name!,
            Role = Enum.Parse<TokenRole>(Role!, ignoreCase: true),
            Hash = Hash is null ? default : Convert.FromHexString(Hash.AsSpan(HashPrefix.Length)),
            Subject = Subject,
            Scopes = [.. (Scopes ?? []).Select(s => s!)],
            Created = Created,
            Expires = Expires,
        };
    }

    /// <summary>A role as the file and the command line write it.</summary>
    public static string RoleText(TokenRole role) => role switch
    {
        TokenRole.Admin => "admin",
        TokenRole.Tenant => "tenant",
        TokenRole.Node => "node",
        _ => "reader",
    };
}

/// <summary>The file's JSON. Members it does not know are refused: a misspelt 'expires' would never end.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TokenFile.Document))]
internal sealed partial class TokenFileJson : JsonSerializerContext;
