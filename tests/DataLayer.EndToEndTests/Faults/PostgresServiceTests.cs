using DataLayer.Core.Errors;
using DataLayer.EndToEndTests.Load;
using DataLayer.TestSupport.Postgres;

namespace DataLayer.EndToEndTests.Faults;

/// <summary>A service whose tree lies in PostgreSQL, while the database goes away and comes back.</summary>
public sealed class PostgresServiceTests
{
    private const string Canary = "canary-of-the-password-4711";

    [Fact]
    public async Task What_caches_know_is_read_without_the_database_and_writes_fail_in_time_with_the_remedy()
    {
        await using PostgresServer server = await PostgresServer.StartAsync();
        await using Installation it = await StartAsync(server);
        byte[] known = new Content(1, 300_000).ToBytes();
        await it.Client.WriteFileAsync("/known", known);
        await it.Client.WriteFileAsync("/other", known);
        Assert.Equal(known, await it.ReadAsync("/known"));

        await server.StopAsync();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(known, await it.ReadAsync("/known"));
        }

        DataLayerException write = await Installation.FailureOf(
            async () => await it.Client.WriteFileAsync("/new", new Content(2, 1000).ToBytes()));
        DataLayerException read = await Installation.FailureOf(() => it.ReadAsync("/never-seen"));
        Assert.All([write, read], error =>
        {
            Assert.Equal(ErrorCode.Overloaded, error.Code);
            Assert.Contains("Start the server", error.Message, StringComparison.Ordinal);
        });
        Assert.True(it.Service.IsRunning);

        await server.StartAgainAsync();
        await it.Client.WriteFileAsync("/new", new Content(3, 1000).ToBytes());
        Assert.Equal(new Content(3, 1000).ToBytes(), await it.ReadAsync("/new"));
        await it.CheckCleanAsync();

        await it.Service.KillAsync();
        await it.Service.RestartAsync();
        Assert.Equal(known, await it.ReadAsync("/known"));
        Assert.Equal(new Content(3, 1000).ToBytes(), await it.ReadAsync("/new"));
        await it.CheckCleanAsync();
        Assert.DoesNotContain(Canary, it.Service.Log, StringComparison.Ordinal);
        Assert.Contains("PostgreSQL database", it.Service.Log, StringComparison.Ordinal);
    }

    /// <summary>Starts a service on a schema of the server; its password is one that nothing may show.</summary>
    internal static Task<Installation> StartAsync(PostgresServer server, string outageWait = "500ms") => Installation.StartAsync(settings =>
    {
        Directory.CreateDirectory(settings.StateFolder);
        string password = Path.Combine(settings.StateFolder, "password");
        File.WriteAllText(password, Canary + "\n");
        return settings with
        {
            More = settings.More + $"""
                metadata:
                  kind: postgres
                  postgres:
                    hosts: [127.0.0.1:{server.Port}]
                    database: postgres
                    user: datalayer
                    passwordFile: {password}
                    schema: service
                    outageWait: {outageWait}

                """,
        };
    });
}
