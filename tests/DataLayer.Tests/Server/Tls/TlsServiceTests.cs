using System.Collections;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using DataLayer.Client;
using DataLayer.Client.Feeds;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Cli;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.Server.Tls;
using DataLayer.TestSupport;
using DataLayer.Tests.Access;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Server.Tls;

/// <summary>The real service behind TLS: who gets in, by what, and what a change of the files does.</summary>
public sealed class TlsServiceTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new("tls-service");
    private readonly SteppedClock _clock = new();
    private readonly RecordedLog _log = new();
    private readonly TestAuthority _authority;
    private readonly TestAuthority _stranger;
    private DataLayerService? _service;

    public TlsServiceTests()
    {
        _authority = new TestAuthority(_folder, "firm");
        _stranger = new TestAuthority(_folder, "stranger");
    }

    private string TokenFilePath => _folder.Combine("state/tokens.json");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_service is not null)
        {
            await _service.StopAsync();
            await _service.DisposeAsync();
        }

        _authority.Dispose();
        _stranger.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Files_metrics_commands_and_feeds_go_over_one_protected_port()
    {
        Uri url = await StartAsync($"{_authority.Server().Settings}");
        Assert.Equal("https", url.Scheme);
        using DataLayerClient client = Open(url);
        byte[] records = [.. Enumerable.Range(0, 16 * 64).Select(i => (byte)i)];
        await client.WriteFileAsync("/records.bin", records);
        using FileBytes read = await client.ReadFileAsync("/records.bin");
        Assert.Equal(records, read.Memory.ToArray());
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        JobStatus job = await client.Datasets.CreateAsync("d", new DatasetCommand { Path = "/records.bin", Kind = "fixed", RecordBytes = 64 });
        await foreach (JobStatus now in client.Jobs.WatchAsync(job.Id, cancellationToken: limit.Token))
        {
            job = now;
        }

        Assert.Null(job.Failure);

        List<long> seen = [];
        await using (TrainingFeed feed = await TrainingFeed.OpenAsync(
            new TrainingFeedOptions { Server = url.ToString(), Dataset = "d", Batch = 4, Last = LastStep.Pad, Tls = Trusting() }, limit.Token))
        {
            await foreach (Batch batch in feed.WithCancellation(limit.Token))
            {
                for (int i = 0; i < batch.Count; i++)
                {
                    Assert.Equal(records.AsSpan((int)batch.Numbers[i] * 64, 64), batch.GetSample(i));
                }

                seen.AddRange(batch.Numbers);
            }
        }

        CliRun listed = await CliRun.RunAsync(["ls", "/", "--ca-file", _authority.File], url);
        CliRun byVariable = await CliRun.RunAsync(
            ["cat", "/records.bin"], url, new Hashtable { ["DATALAYER_CA_FILE"] = _authority.File });
        CliRun untrusting = await CliRun.RunAsync(["ls", "/"], url);

        Assert.Equal(Enumerable.Range(0, 16).Select(i => (long)i), seen.Order());
        Assert.Equal((0, 0), (listed.Status, byVariable.Status));
        Assert.Contains("records.bin", listed.Text, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Denied, untrusting.Status);
        Assert.Contains("--ca-file", untrusting.Error, StringComparison.Ordinal);
        using HttpClient http = OpenHttp(url, null);
        string metrics = await http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        long ends = TestAuthority.End.ToUnixTimeSeconds();
        Assert.Contains($"datalayer_tls_certificate_expiry_seconds {ends}", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clear_text_old_versions_and_other_names_come_to_nothing()
    {
        Issued named = _authority.Server();
        Uri url = await StartAsync($"{named.Settings}, minVersion: '1.3'");

        using (TcpClient plain = new())
        {
            await plain.ConnectAsync(url.Host, url.Port);
            await plain.GetStream().WriteAsync("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
            using MemoryStream answer = new();
            try
            {
                await plain.GetStream().CopyToAsync(answer);
            }
            catch (IOException)
            {
                // Cut off.
            }

            Assert.DoesNotContain("200", Encoding.Latin1.GetString(answer.ToArray()), StringComparison.Ordinal);
        }

        await Assert.ThrowsAnyAsync<Exception>(() => ShakeAsync(url, SslProtocols.Tls12));
        Assert.Equal(SslProtocols.Tls13, await ShakeAsync(url, SslProtocols.Tls12 | SslProtocols.Tls13));

        using DataLayerClient untrusting = new(new DataLayerClientOptions
        {
            ServerUri = url,
            Tls = new ClientTlsOptions { CertificateAuthorityFile = _stranger.File },
        });
        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(async () => await untrusting.StatAsync("/"));
        Assert.Equal(ErrorCode.NotAuthenticated, refused.Code);
        Assert.Contains("--ca-file", refused.Message, StringComparison.Ordinal);

        // Trusted, and of another name.
        Issued misnamed = _authority.Issue(
            "CN=storage", System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256),
            "1.3.6.1.5.5.7.3.1", onlyName: "storage.example.org");
        File.Copy(misnamed.File, named.File, overwrite: true);
        File.Copy(misnamed.Key, named.Key, overwrite: true);
        _clock.Advance(TimeSpan.FromSeconds(2));
        using DataLayerClient trusting = Open(url);
        DataLayerException other = await Assert.ThrowsAsync<DataLayerException>(async () => await trusting.StatAsync("/"));
        Assert.Equal(ErrorCode.NotAuthenticated, other.Code);
    }

    [Fact]
    public async Task A_changed_certificate_counts_from_the_next_connection_on_and_a_wrong_change_does_not()
    {
        Issued first = _authority.Server("CN=first");
        Issued second = _authority.Server("CN=second");
        Uri url = await StartAsync(first.Settings);
        using DataLayerClient kept = Open(url);
        await kept.MakeDirectoryAsync("/before");
        Assert.Equal(first.Thumbprint, await ThumbprintAsync(url));

        // Half of a change: the certificate is new, its key still the old one.
        File.Copy(second.File, first.File, overwrite: true);
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(first.Thumbprint, await ThumbprintAsync(url));
        Assert.Contains(_log.Lines, l => l.Contains("is not that of the certificate", StringComparison.Ordinal));

        File.Copy(second.Key, first.Key, overwrite: true);
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(second.Thumbprint, await ThumbprintAsync(url));
        await kept.MakeDirectoryAsync("/after");

        // Gone altogether: what is in force stays so.
        File.Delete(first.File);
        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(second.Thumbprint, await ThumbprintAsync(url));
    }

    [Fact]
    public async Task A_client_certificate_stands_for_a_caller_until_that_is_revoked()
    {
        Issued mine = _authority.Client("CN=trainer, O=Firm");
        Enter("CN=trainer, O=Firm", TokenRole.Tenant, "/teams/a", null);
        Enter("CN=former", TokenRole.Admin, null, TestAuthority.Begin);
        string admin = AddToken("admin");
        Uri url = await StartAsync(
            $"{_authority.Server().Settings}, clientAuthorityFile: {_authority.File}", "auth: {anonymousLoopback: false}");
        using DataLayerClient owner = Open(url, token: admin);
        await owner.MakeDirectoryAsync("/teams/a", parents: true);
        await owner.MakeDirectoryAsync("/teams/b", parents: true);
        using DataLayerClient trainer = Open(url, mine);
        using HttpClient unknown = OpenHttp(url, _authority.Client("CN=nobody"));
        using HttpClient former = OpenHttp(url, _authority.Client("CN=former"));

        await trainer.WriteFileAsync("/teams/a/x", "x"u8.ToArray());
        DataLayerException outside = await Assert.ThrowsAsync<DataLayerException>(async () => await trainer.ListPageAsync("/teams/b"));
        (HttpStatusCode status, string said) = await GetAsync(unknown);
        (HttpStatusCode late, string over) = await GetAsync(former);

        Assert.Equal(ErrorCode.PermissionDenied, outside.Code);
        Assert.Equal(HttpStatusCode.Unauthorized, status);
        Assert.Contains("CN=nobody", said, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Unauthorized, late);
        Assert.Contains("has expired", over, StringComparison.Ordinal);

        TokenFile.Change(TokenFilePath, tokens => [.. tokens.Where(t => t.Subject != "CN=trainer, O=Firm")]);
        _clock.Advance(TimeSpan.FromSeconds(2));
        DataLayerException revoked = await Assert.ThrowsAsync<DataLayerException>(async () => await trainer.StatAsync("/teams/a/x"));
        Assert.Equal(ErrorCode.NotAuthenticated, revoked.Code);
    }

    [Fact]
    public async Task Only_certificates_of_the_named_authority_open_a_connection_that_wants_one()
    {
        Enter("CN=trainer", TokenRole.Admin, null, null);
        string reader = AddToken("reader", TokenRole.Reader);
        Uri url = await StartAsync(
            $"{_authority.Server().Settings}, clientAuthorityFile: {_authority.File}, clientCertificates: required",
            "auth: {anonymousLoopback: false}");
        using DataLayerClient trainer = Open(url, _authority.Client("CN=trainer"));
        await trainer.MakeDirectoryAsync("/a");

        (string Who, Issued? Certificate)[] refused =
        [
            ("without one", null),
            ("of another authority", _stranger.Client("CN=trainer")),
            ("over", _authority.Client("CN=trainer", until: new DateTimeOffset(2021, 1, 1, 0, 0, 0, TimeSpan.Zero))),
            ("of a server", _authority.Client("CN=trainer", use: "1.3.6.1.5.5.7.3.1")),
        ];
        foreach ((string who, Issued? certificate) in refused)
        {
            using DataLayerClient client = Open(url, certificate, reader);
            DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(async () => await client.StatAsync("/a"));
            Assert.True(e.Code is ErrorCode.OriginUnavailable or ErrorCode.NotAuthenticated, $"{who}: {e.Code}");
        }

        // A certificate that stands for nobody, and a token: the connection by one, the caller by the other.
        using DataLayerClient both = Open(url, _authority.Client("CN=host-7"), reader);
        Assert.NotNull(await both.StatAsync("/a"));
        DataLayerException denied = await Assert.ThrowsAsync<DataLayerException>(async () => await both.MakeDirectoryAsync("/b"));
        Assert.Equal(ErrorCode.PermissionDenied, denied.Code);
        CliRun run = await CliRun.RunAsync(
            ["stat", "/a", "--ca-file", _authority.File, "--client-cert", _authority.Client("CN=trainer").File], url);
        Issued own = _authority.Client("CN=trainer");
        CliRun whole = await CliRun.RunAsync(
            ["stat", "/a", "--ca-file", _authority.File, "--client-cert", own.File, "--client-key", own.Key], url);
        Assert.Equal(ExitCode.Usage, run.Status);
        Assert.Contains("cannot be used with the key", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, whole.Status);
    }

    private async Task<Uri> StartAsync(string tls, string more = "")
    {
        string text = $$"""
            stateDirectory: {{_folder.Combine("state")}}
            listen: {address: '127.0.0.1:0', tls: { {{tls}} } }
            memory: {budget: 256MiB}
            cache: {capacity: 16MiB}
            pools:
              - {name: default, reserve: 0, directories: [{{_folder.Combine("t0")}}]}
            {{more}}
            """;
        ConfigurationResult result = ServerConfigurationReader.ReadText(text, "test.yaml", new Hashtable());
        Assert.Empty(result.Reading.Problems);
        _service = DataLayerService.Build(result.Configuration!, services => services
            .AddSingleton(new TlsStore(result.Configuration!.Listen.Tls!, _clock, _log.Of<TlsStore>()))
            .AddSingleton(new TokenStore(TokenFilePath, _clock, NullLogger<TokenStore>.Instance)));
        await _service.StartAsync(CancellationToken.None);
        return _service.Url!;
    }

    private ClientTlsOptions Trusting(Issued? own = null) => new()
    {
        CertificateAuthorityFile = _authority.File,
        CertificateFile = own?.File,
        KeyFile = own?.Key,
    };

    private DataLayerClient Open(Uri url, Issued? own = null, string? token = null) =>
        new(new DataLayerClientOptions { ServerUri = url, RetryCount = 0, Token = token, Tls = Trusting(own) });

    private static HttpClient OpenHttp(Uri url, Issued? own)
    {
        SocketsHttpHandler handler = new()
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
                ClientCertificateContext = own is null
                    ? null
                    : SslStreamCertificateContext.Create(
                        System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPemFile(own.File, own.Key), null, offline: true),
            },
        };
        return new HttpClient(handler) { BaseAddress = url };
    }

    private static async Task<(HttpStatusCode Status, string Text)> GetAsync(HttpClient http)
    {
        using HttpResponseMessage answer = await http.GetAsync(new Uri(ApiRoutes.Version, UriKind.Relative));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<SslProtocols> ShakeAsync(Uri url, SslProtocols protocols)
    {
        using TcpClient connection = new();
        await connection.ConnectAsync(url.Host, url.Port);
        await using SslStream stream = new(connection.GetStream());
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = url.Host,
            EnabledSslProtocols = protocols,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
        });
        return stream.SslProtocol;
    }

    private static async Task<string> ThumbprintAsync(Uri url)
    {
        using TcpClient connection = new();
        await connection.ConnectAsync(url.Host, url.Port);
        await using SslStream stream = new(connection.GetStream());
        await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = url.Host,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
        });
        return ((System.Security.Cryptography.X509Certificates.X509Certificate2)stream.RemoteCertificate!).Thumbprint;
    }

    private void Enter(string subject, TokenRole role, string? scope, DateTimeOffset? expires) =>
        TokenFile.Change(TokenFilePath, tokens =>
        [
            .. tokens,
            new AccessToken
            {
                Id = TokenText.Make().Id,
                Name = "by certificate",
                Role = role,
                Subject = subject,
                Scopes = scope is null ? [] : [scope],
                Expires = expires,
            },
        ]);

    private string AddToken(string name, TokenRole role = TokenRole.Admin)
    {
        (string id, string text) = TokenText.Make();
        byte[] hash = new byte[TokenText.HashBytes];
        TokenText.Hash(text, hash);
        TokenFile.Change(TokenFilePath, tokens => [.. tokens, new AccessToken { Id = id, Name = name, Role = role, Hash = hash }]);
        return text;
    }
}
