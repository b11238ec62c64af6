using System.Collections;
using System.Net.Http.Headers;
using DataLayer.Client;
using DataLayer.Server.Access;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DataLayer.Tests.Access;

/// <summary>The real service that wants a token of everybody but its own user on the Unix socket.</summary>
public sealed class GuardedService : IAsyncLifetime
{
    public const string Inside = "/teams/fraud";
    public const string Outside = "/teams/credit";

    private readonly TempFolder _folder = new("guarded");

    internal DataLayerService Service { get; private set; } = null!;

    internal RecordedLog Log { get; } = new();

    /// <summary>The tokens' texts by the name of their holder.</summary>
    public IReadOnlyDictionary<string, string> Tokens { get; private set; } = null!;

    public string SocketPath => _folder.Combine("api.sock");

    public string TokenFilePath => _folder.Combine("state/tokens.json");

    public async Task InitializeAsync()
    {
        Tokens = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["admin"] = Add("admin", TokenRole.Admin, [], null),
            ["tenant"] = Add("tenant", TokenRole.Tenant, [Inside], null),
            ["reader"] = Add("reader", TokenRole.Reader, [], null),
            ["scoped reader"] = Add("scoped reader", TokenRole.Reader, [Inside], null),
            ["node"] = Add("node", TokenRole.Node, [], null),
            ["expired"] = Add("expired", TokenRole.Admin, [], new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero)),
            ["wrong"] = TokenText.Make().Text,
        };
        Service = DataLayerService.Build(Configure(), services => services.AddSingleton<ILoggerProvider>(Log));
        await Service.StartAsync(CancellationToken.None);
        using DataLayerClient owner = Open("admin");
        await owner.MakeDirectoryAsync(Inside, parents: true);
        await owner.MakeDirectoryAsync(Outside, parents: true);
        await owner.WriteFileAsync(Inside + "/own", "own"u8.ToArray());
        await owner.WriteFileAsync(Outside + "/secret", "secret"u8.ToArray());
    }

    public async Task DisposeAsync()
    {
        await Service.StopAsync();
        await Service.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>A client of a token's holder.</summary>
    public DataLayerClient Open(string holder) => new(
        new DataLayerClientOptions { ServerUri = Service.Url!, RetryCount = 0, Token = Tokens[holder] });

    /// <summary>Plain HTTP as a token's holder; null for without a token.</summary>
    public HttpClient OpenHttp(string? holder)
    {
        HttpClient http = new() { BaseAddress = Service.Url };
        if (holder is not null)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Tokens[holder]);
        }

        return http;
    }

    /// <summary>Enters a token, and gives its text.</summary>
    internal string Add(string name, TokenRole role, IReadOnlyList<string> scopes, DateTimeOffset? expires)
    {
        (string id, string text) = TokenText.Make();
        byte[] hash = new byte[TokenText.HashBytes];
        TokenText.Hash(text, hash);
        AccessToken token = new()
        {
            Id = id,
            Name = name,
            Role = role,
            Hash = hash,
            Scopes = scopes,
            Expires = expires,
        };
        TokenFile.Change(TokenFilePath, tokens => [.. tokens, token]);
        return text;
    }

    private ServerConfiguration Configure()
    {
        string text = $$"""
            stateDirectory: {{_folder.Combine("state")}}
            listen:
              address: 127.0.0.1:0
              unixSocket: {{SocketPath}}
            auth: {anonymousLoopback: false}
            memory: {budget: 256MiB}
            cache: {capacity: 16MiB}
            pools:
              - {name: default, reserve: 0, directories: [{{_folder.Combine("t0")}}]}
            """;
        ConfigurationResult result = ServerConfigurationReader.ReadText(text, "test.yaml", new Hashtable());
        Assert.Empty(result.Reading.Problems);
        return result.Configuration!;
    }
}
