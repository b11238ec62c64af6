using System.Collections;
using System.Text.Json.Nodes;
using DataLayer.Server.Cli;
using DataLayer.TestSupport;
using DataLayer.Tests.Server;

namespace DataLayer.Tests.Access;

/// <summary>The verb token, and how a client gives its token.</summary>
public sealed class TokenCommandTests(GuardedService guarded) : IClassFixture<GuardedService>, IDisposable
{
    private readonly TempFolder _folder = new("token-cli");

    private string Config => _folder.Combine("c.yaml");

    private string Tokens => _folder.Combine("state/tokens.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_token_is_printed_once_listed_without_its_secret_and_revoked()
    {
        // Nobody could call a service configured so: the verb has to work none the less.
        await File.WriteAllTextAsync(Config, $"stateDirectory: {_folder.Combine("state")}\nlisten: {{address: '0.0.0.0:1', insecure: true}}\n");

        CliRun made = await RunAsync(
            [], "token", "create", "--role", "tenant", "--scope", "/teams/a", "--name", "ci", "--expires", "1d", "--config", Config);
        CliRun listed = await RunAsync([], "token", "list", "--json", "--config", Config);
        string id = (string)JsonNode.Parse(listed.Text)!["id"]!;
        CliRun checkedNow = await RunAsync([], "config", "check", "--config", Config);
        CliRun unknown = await RunAsync([], "token", "revoke", "000000000000", "--config", Config);
        CliRun revoked = await RunAsync([], "token", "revoke", id, "--config", Config);
        CliRun after = await RunAsync([], "token", "list", "--config", Config);

        Assert.Equal(0, made.Status);
        Assert.Matches($"^dl_{id}_[0-9a-f]{{64}}\n$", made.Text);
        Assert.DoesNotContain(made.Text.Trim()[16..], made.Error + listed.Text + await ReadAllAsync(), StringComparison.Ordinal);
        Assert.Equal("tenant", (string)JsonNode.Parse(listed.Text)!["role"]!);
        Assert.Equal("/teams/a", (string)JsonNode.Parse(listed.Text)!["scopes"]![0]!);
        Assert.Equal(0, checkedNow.Status);
        Assert.Equal(ExitCode.NotFound, unknown.Status);
        Assert.Equal(0, revoked.Status);
        Assert.DoesNotContain(id, after.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rotated_token_holds_beside_the_new_one_for_a_time_and_then_no_more()
    {
        await File.WriteAllTextAsync(Config, $"stateDirectory: {_folder.Combine("state")}\n");
        SteppedClock clock = new();
        async Task<CliRun> Run(params string[] arguments) =>
            await CliRun.RunAsync([.. arguments, "--config", Config], guarded.Service.Url, time: clock);
        string old = (await Run("token", "create", "--role", "tenant", "--scope", "/a", "--name", "ci", "--expires", "2d")).Text.Trim();

        CliRun rotated = await Run("token", "rotate", old[3..15], "--overlap", "2h", "--expires", "30d");
        string next = rotated.Text.Trim();
        DataLayer.Server.Access.TokenStore store = new(
            Tokens, clock, Microsoft.Extensions.Logging.Abstractions.NullLogger<DataLayer.Server.Access.TokenStore>.Instance);
        Assert.Equal(0, rotated.Status);
        Assert.Equal(("/a", "/a"), (Assert.Single(store.Find(old).Scopes), Assert.Single(store.Find(next).Scopes)));
        Assert.Equal(store.Find(old).Role, store.Find(next).Role);

        clock.Advance(TimeSpan.FromHours(2));
        Assert.Null(store.Find(old).Role);
        Assert.NotNull(store.Find(next).Role);

        // At once; an expired one and one that is not there cannot be.
        string last = (await Run("token", "rotate", next[3..15], "--overlap", "0s")).Text.Trim();
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(store.Find(next).Role);
        Assert.NotNull(store.Find(last).Role);
        Assert.Equal(ExitCode.Usage, (await Run("token", "rotate", next[3..15])).Status);
        Assert.Equal(ExitCode.NotFound, (await Run("token", "rotate", "000000000000")).Status);
        Assert.Equal(ExitCode.Usage, (await Run("token", "rotate", last[3..15], "--overlap", "soon")).Status);
        clock.Advance(TimeSpan.FromDays(91));
        Assert.Null(store.Find(last).Role);
    }

    [Fact]
    public async Task A_certificates_subject_is_entered_instead_of_a_secret()
    {
        await File.WriteAllTextAsync(Config, $"stateDirectory: {_folder.Combine("state")}\n");

        CliRun made = await RunAsync(
            [], "token", "create", "--role", "reader", "--certificate", "CN=trainer,O=Firm", "--json", "--config", Config);
        CliRun twice = await RunAsync([], "token", "create", "--certificate", "CN=trainer, O=Firm", "--config", Config);
        CliRun wrong = await RunAsync([], "token", "create", "--certificate", "nobody", "--config", Config);
        CliRun listed = await RunAsync([], "token", "list", "--config", Config);
        JsonNode entry = JsonNode.Parse(made.Text)!;
        CliRun rotated = await RunAsync([], "token", "rotate", (string)entry["id"]!, "--config", Config);

        Assert.Equal((0, "CN=trainer, O=Firm"), (made.Status, (string)entry["certificate"]!));
        Assert.Null(entry["token"]);
        Assert.NotEqual(0, twice.Status);
        Assert.Equal(ExitCode.Usage, wrong.Status);
        Assert.Contains("CN=trainer, O=Firm", listed.Text, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Usage, rotated.Status);
        Assert.DoesNotContain("sha256", await ReadAllAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--scope", "token", "create", "--role", "tenant")]
    [InlineData("--scope", "token", "create", "--role", "admin", "--scope", "/a")]
    [InlineData("'relative'", "token", "create", "--role", "reader", "--scope", "relative")]
    [InlineData("'/'", "token", "create", "--role", "tenant", "--scope", "/")]
    [InlineData("--expires", "token", "create", "--expires", "soon")]
    [InlineData("--name", "token", "create", "--name", "two\nlines")]
    public async Task A_token_that_makes_no_sense_is_refused(string says, params string[] arguments)
    {
        await File.WriteAllTextAsync(Config, $"stateDirectory: {_folder.Combine("state")}\n");

        CliRun outcome = await RunAsync([], [.. arguments, "--config", Config]);

        Assert.Equal(ExitCode.Usage, outcome.Status);
        Assert.Contains(says, outcome.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Tokens));
    }

    [Fact]
    public async Task A_token_can_be_written_to_a_file_and_a_client_takes_it_from_there()
    {
        await File.WriteAllTextAsync(Config, $"stateDirectory: {_folder.Combine("state")}\n");
        string file = _folder.Combine("token");
        await File.WriteAllTextAsync(_folder.Combine("mine"), guarded.Tokens["tenant"] + "\n");

        CliRun made = await RunAsync([], "token", "create", "--out", file, "--config", Config);
        CliRun again = await RunAsync([], "token", "create", "--out", file, "--config", Config);
        CliRun byFile = await RunAsync(
            new Hashtable { ["DATALAYER_TOKEN_FILE"] = _folder.Combine("mine") }, "cat", GuardedService.Inside + "/own");
        CliRun byValue = await RunAsync(
            new Hashtable { ["DATALAYER_TOKEN"] = guarded.Tokens["reader"] }, "stat", GuardedService.Inside + "/own");
        CliRun without = await RunAsync([], "stat", GuardedService.Inside + "/own");
        CliRun denied = await RunAsync(
            new Hashtable { ["DATALAYER_TOKEN"] = guarded.Tokens["tenant"] }, "stat", GuardedService.Outside + "/secret");

        Assert.Equal(string.Empty, made.Text);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.NotEqual(0, again.Status);
        Assert.Equal((0, 0), (byFile.Status, byValue.Status));
        Assert.Equal(ExitCode.Denied, without.Status);
        Assert.Contains("DATALAYER_TOKEN", without.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Denied, denied.Status);
    }

    [Fact]
    public async Task A_running_client_takes_over_an_exchanged_token()
    {
        string file = _folder.Combine("mine");
        await File.WriteAllTextAsync(file, guarded.Tokens["expired"]);
        using DataLayer.Client.DataLayerClient client = new(
            new DataLayer.Client.DataLayerClientOptions { ServerUri = guarded.Service.Url!, TokenFile = file });

        await Assert.ThrowsAsync<DataLayer.Core.Errors.DataLayerException>(async () => await client.StatAsync(GuardedService.Inside));
        await File.WriteAllTextAsync(file, guarded.Tokens["reader"]);

        Assert.NotNull(await client.StatAsync(GuardedService.Inside));
    }

    private async Task<string> ReadAllAsync() => await File.ReadAllTextAsync(Tokens);

    private Task<CliRun> RunAsync(Hashtable variables, params string[] arguments) =>
        CliRun.RunAsync(arguments, guarded.Service.Url, variables);
}
