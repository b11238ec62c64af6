using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Server.Access;
using DataLayer.Server.Configuration;
using DataLayer.Storage.Interop;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>
/// Verb token: create, list, rotate, revoke. They change the token file on the service's machine; a running service
/// takes the change over within a second. There is no call of the API that makes tokens: who holds one cannot make
/// others.
/// </summary>
internal static class TokenCommands
{
    private const string Never = "never";
    private const string DefaultLife = "90d";
    private static readonly TimeSpan _longestLife = TimeSpan.FromDays(3650);

    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory) =>
        CommandFactory.Group(
            "token", "Tokens of the API: create, list, rotate, revoke. On the service's machine, as its user.",
            [Create(factory), List(factory), Rotate(factory), Revoke(factory)]);

    private static Command Create(CommandFactory factory)
    {
        Option<string?> config = ConfigCommands.FileOption();
        Option<string> role = new("--role")
        {
            Description = "reader (reads), tenant (reads and writes below its scope), admin, or node (another service "
                + "that asks for bytes: docs/PEERS.md). Default: reader.",
            DefaultValueFactory = _ => "reader",
            HelpName = "ROLE",
        };
        role.AcceptOnlyFromAmong("reader", "tenant", "admin", "node");
        Option<string[]> scope = new("--scope")
        {
            Description = "A folder it reaches, with all below; repeatable. A tenant needs one, an admin has none.",
            DefaultValueFactory = _ => [],
            HelpName = "PATH",
        };
        Option<string> name = new("--name")
        {
            Description = "What lists and the audit log call it.",
            DefaultValueFactory = _ => "unnamed",
            HelpName = "NAME",
        };
        Option<string> expires = new("--expires")
        {
            Description = $"How long it holds, as 30d or 12h, or '{Never}'. Default: {DefaultLife}.",
            DefaultValueFactory = _ => DefaultLife,
            HelpName = "TIME",
        };
        Option<string?> into = IntoOption();
        Option<string?> certificate = new("--certificate")
        {
            Description = "Let client certificates of this subject stand for the caller, instead of a token "
                + "(listen.tls.clientAuthorityFile), as 'openssl x509 -subject -nameopt RFC2253' prints it.",
            HelpName = "SUBJECT",
        };
        return factory.Make(
            "create", "Makes a token and prints it, this once: the service keeps only a hash.",
            [role, scope, name, expires, certificate, into, config],
            (run, _) =>
            {
                (string id, string text, byte[] hash) = MakeSecret();
                DateTimeOffset now = run.Environment.Time.GetUtcNow();
                string? subject = run.Arguments.GetValue(certificate) is { } given ? ReadSubject(given) : null;
                AccessToken token = new()
                {
                    Id = id,
                    Name = run.Arguments.GetValue(name)!,
                    Role = Enum.Parse<TokenRole>(run.Arguments.GetValue(role)!, ignoreCase: true),
                    Hash = subject is null ? hash : default(ReadOnlyMemory<byte>),
                    Subject = subject,
                    Scopes = run.Arguments.GetValue(scope)!,
                    Created = now,
                    Expires = ReadLife(run.Arguments.GetValue(expires)!) is { } life ? now + life : null,
                };
                Check(token);
                string file = FileOf(run, config);
                TokenFile.Change(file, tokens => Add(file, tokens, token));
                Tell(run, token, subject is null ? text : null, run.Arguments.GetValue(into));
                return Task.FromResult(ExitCode.Success);
            });
    }

    private static Command Rotate(CommandFactory factory)
    {
        Option<string?> config = ConfigCommands.FileOption();
        Argument<string> id = new("id") { Description = "The token's number, as 'datalayer token list' shows it." };
        Option<string> overlap = new("--overlap")
        {
            Description = "How long the old token still holds, as 1h or 0s. Default: 1h.",
            DefaultValueFactory = _ => "1h",
            HelpName = "TIME",
        };
        Option<string> expires = new("--expires")
        {
            Description = $"How long the new token holds, as 30d or 12h, or '{Never}'. Default: {DefaultLife}.",
            DefaultValueFactory = _ => DefaultLife,
            HelpName = "TIME",
        };
        Option<string?> into = IntoOption();
        return factory.Make(
            "rotate", "Makes a token that may do what another may, and ends that one after a time.",
            [id, overlap, expires, into, config],
            (run, _) =>
            {
                string old = run.Arguments.GetValue(id)!;
                DateTimeOffset now = run.Environment.Time.GetUtcNow();
                DateTimeOffset end = now + ReadOverlap(run.Arguments.GetValue(overlap)!);
                TimeSpan? life = ReadLife(run.Arguments.GetValue(expires)!);
                (string newId, string text, byte[] hash) = MakeSecret();
                AccessToken? made = null;
                string file = FileOf(run, config);
                TokenFile.Change(file, tokens =>
                {
                    AccessToken token = Holding(file, tokens, old, now);
                    made = token with { Id = newId, Hash = hash, Created = now, Expires = now + life };
                    AccessToken ending = token with { Expires = token.Expires < end ? token.Expires : end };
                    return Add(file, [.. tokens.Select(t => t.Id == old ? ending : t)], made);
                });
                Tell(run, made!, text, run.Arguments.GetValue(into));
                return Task.FromResult(ExitCode.Success);
            });
    }

    private static Option<string?> IntoOption() => new("--out")
    {
        Description = "Write the token to a new file (mode 0600) instead of printing it.",
        HelpName = "FILE",
    };

    private static (string Id, string Text, byte[] Hash) MakeSecret()
    {
        (string id, string text) = TokenText.Make();
        byte[] hash = new byte[TokenText.HashBytes];
        TokenText.Hash(text, hash);
        return (id, text, hash);
    }

    private static IReadOnlyList<AccessToken> Add(string file, IReadOnlyList<AccessToken> tokens, AccessToken token)
    {
        if (tokens.Count >= TokenFile.MaxTokens)
        {
            throw new DataLayerException(
                ErrorCode.QuotaExceeded, $"'{file}' holds {tokens.Count} tokens already: revoke some.");
        }

        return token.Subject is null || tokens.All(t => t.Subject != token.Subject)
            ? [.. tokens, token]
            : throw new DataLayerException(
                ErrorCode.AlreadyExists,
                $"Certificates of '{token.Subject}' stand for "
                + $"{tokens.First(t => t.Subject == token.Subject).Id} already: revoke that one first.");
    }

    private static AccessToken Holding(string file, IReadOnlyList<AccessToken> tokens, string id, DateTimeOffset now)
    {
        AccessToken token = tokens.FirstOrDefault(t => t.Id == id)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"'{file}' has no token {id}.");
        if (token.Subject is not null)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"{id} is of a client certificate and has no secret: let its authority issue another certificate.");
        }

        return token.Expires is { } end && end <= now
            ? throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The token {id} has expired: make another with 'datalayer token create'.")
            : token;
    }

    private static string ReadSubject(string text) => TokenFile.SubjectOf(text)
        ?? throw new DataLayerException(
            ErrorCode.InvalidArgument,
            $"--certificate is '{text}': give a certificate's subject, as 'CN=trainer, O=Firm'.");

    private static TimeSpan ReadOverlap(string text) =>
        UnitText.TryParseDuration(text, out TimeSpan overlap) && overlap >= TimeSpan.Zero && overlap <= _longestLife
            ? overlap
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"--overlap is '{text}': give a time up to 3650d, as 1h, or 0s.");

    private static Command List(CommandFactory factory)
    {
        Option<string?> config = ConfigCommands.FileOption();
        return factory.Make(
            "list", "Lists the tokens: numbers, names, roles, scopes and ends; never the tokens.", [config],
            (run, _) =>
            {
                TokenFileContent content = TokenFile.Read(FileOf(run, config));
                foreach (string problem in content.Problems)
                {
                    run.Environment.Error.WriteLine($"datalayer: {problem}");
                }

                Table table = Show.Columns("id", "name", "role", "scopes", "created", "expires", "certificate");
                DateTimeOffset now = run.Environment.Time.GetUtcNow();
                foreach (AccessToken token in content.Tokens)
                {
                    if (run.Json)
                    {
                        run.Environment.Out.WriteLine(Describe(token).ToJsonString());
                        continue;
                    }

                    table.Row(
                        token.Id, token.Name, TokenFile.RoleText(token.Role),
                        token.Scopes.Count == 0 ? "/" : string.Join(" ", token.Scopes), Date(token.Created),
                        token.Expires is not { } end ? Never : end <= now ? $"{Date(end)} (expired)" : Date(end),
                        token.Subject ?? string.Empty);
                }

                run.Write(table);

                return Task.FromResult(content.Problems.Count == 0 ? ExitCode.Success : ExitCode.Usage);
            });
    }

    private static Command Revoke(CommandFactory factory)
    {
        Option<string?> config = ConfigCommands.FileOption();
        Argument<string[]> ids = new("id")
        {
            Description = "The tokens' numbers, as 'datalayer token list' shows them.",
            Arity = ArgumentArity.OneOrMore,
        };
        return factory.Make(
            "revoke", "Ends tokens; within a second no request comes through with them.", [ids, config],
            (run, _) =>
            {
                string[] gone = run.Arguments.GetValue(ids)!;
                string file = FileOf(run, config);
                TokenFile.Change(file, tokens =>
                {
                    string[] unknown = [.. gone.Where(id => !tokens.Any(t => t.Id == id))];
                    return unknown.Length == 0
                        ? [.. tokens.Where(t => !gone.Contains(t.Id, StringComparer.Ordinal))]
                        : throw new DataLayerException(
                            ErrorCode.NotFound,
                            $"'{file}' has no token {string.Join(", ", unknown)}; nothing was revoked.");
                });
                return Task.FromResult(ExitCode.Success);
            });
    }

    private static string FileOf(CommandRun run, Option<string?> config) =>
        ConfigCommands.Find(run.Arguments.GetValue(config), run.Environment, AuthSection.TokenFileSetting)
        ?? throw new DataLayerException(
            ErrorCode.InvalidArgument,
            $"The configuration says no {AuthSection.TokenFileSetting}: see 'datalayer config check'.");

    private static TimeSpan? ReadLife(string text)
    {
        if (text == Never)
        {
            return null;
        }

        return UnitText.TryParseDuration(text, out TimeSpan life) && life > TimeSpan.Zero && life <= _longestLife
            ? life
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"--expires is '{text}': give a time up to 3650d, as 30d, or '{Never}'.");
    }

    private static void Check(AccessToken token)
    {
        if (token.Name.Length is 0 or > 100 || token.Name.Any(char.IsControl))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "--name has to have 1 to 100 characters, no control characters.");
        }

        if (token.Scopes.FirstOrDefault(s => !TokenFile.IsScope(s)) is { } bad)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"--scope is '{bad}': give a folder's path from '/', as /teams/fraud.");
        }

        if (token.Role == TokenRole.Tenant && token.Scopes.Count == 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "A tenant's token needs a --scope: the folder the tenant works in.");
        }

        if (token.Role is TokenRole.Admin or TokenRole.Node && token.Scopes.Count > 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "The token of an admin or a node has no --scope: leave it out.");
        }
    }

    private static void Tell(CommandRun run, AccessToken token, string? text, string? into)
    {
        if (into is not null && text is not null)
        {
            DurableFile.WriteAtomically(
                Path.GetFullPath(into), System.Text.Encoding.ASCII.GetBytes(text + "\n"), replace: false);
        }

        if (run.Json)
        {
            JsonObject described = Describe(token);
            if (into is null && text is not null)
            {
                described["token"] = text;
            }

            run.Environment.Out.WriteLine(described.ToJsonString());
            return;
        }

        string end = token.Expires is { } expires ? $"until {Date(expires)}" : "without an end";
        run.Environment.Error.WriteLine($"token {token.Id}, {TokenFile.RoleText(token.Role)}, {end}");
        if (into is null && text is not null)
        {
            run.Environment.Out.WriteLine(text);
        }
    }

    private static JsonObject Describe(AccessToken token) => new()
    {
        ["id"] = token.Id,
        ["name"] = token.Name,
        ["role"] = TokenFile.RoleText(token.Role),
        ["scopes"] = new JsonArray([.. token.Scopes.Select(s => (JsonNode)s)]),
        ["created"] = token.Created.ToString("O", CultureInfo.InvariantCulture),
        ["expires"] = token.Expires?.ToString("O", CultureInfo.InvariantCulture),
        ["certificate"] = token.Subject,
    };

    private static string Date(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
