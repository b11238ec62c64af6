using DataLayer.Core.Errors;
using DataLayer.EndToEndTests.Load;
using DataLayer.TestSupport.Postgres;
using DataLayer.TestSupport.Processes;

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

    [Fact]
    public async Task A_service_moves_to_postgres_with_all_it_has_and_a_dump_goes_back()
    {
        await using PostgresServer server = await PostgresServer.StartAsync(isDurable: false);
        await using Installation it = await Installation.StartAsync();
        byte[] content = new Content(1, 300_000).ToBytes();
        await it.Client.WriteFileAsync("/b", content);
        await it.Client.WriteFileAsync("/c", new Content(2, 100).ToBytes());
        string old = Path.Combine(it.Service.Settings.StateFolder, "datalayer.yaml");
        string before = Path.Combine(it.Folder.Path, "before.yaml");
        string after = Path.Combine(it.Folder.Path, "after.yaml");
        string dump = Path.Combine(it.Folder.Path, "tree.dump");
        string section = Section(server, it.Service.Settings.StateFolder, "5s");
        File.Copy(old, before);
        await File.WriteAllTextAsync(after, await File.ReadAllTextAsync(old) + section);

        CommandResult running = await it.Service.RunVerbAsync("metadata", "migrate", "--from", before, "--to", after);
        Assert.NotEqual(0, running.ExitCode);
        Assert.Contains("in use", running.Error, StringComparison.Ordinal);
        await it.Service.StopAsync();
        CommandResult moved = await it.Service.RunVerbAsync("metadata", "migrate", "--from", before, "--to", after);
        Assert.True(moved.ExitCode == 0, moved.Error + moved.Output);
        Assert.Contains("sound", moved.Output, StringComparison.Ordinal);
        CommandResult twice = await it.Service.RunVerbAsync("metadata", "migrate", "--from", before, "--to", after);
        Assert.Equal(4, twice.ExitCode);
        Assert.Contains("holds a tree already", twice.Error, StringComparison.Ordinal);

        it.Service.Settings = it.Service.Settings with { More = section };
        await it.Service.RestartAsync();
        Assert.Equal(content, await it.ReadAsync("/b"));
        await it.Client.WriteFileAsync("/d", content);
        await it.CheckCleanAsync();
        await it.Service.StopAsync();

        // Back by way of a file, into the state directory from which the old database was moved away.
        CommandResult dumped = await it.Service.RunVerbAsync("metadata", "dump", dump, "--config", after);
        Assert.True(dumped.ExitCode == 0, dumped.Error);
        foreach (string file in Directory.GetFiles(it.Service.Settings.StateFolder, "tree.db*"))
        {
            File.Delete(file);
        }

        CommandResult loaded = await it.Service.RunVerbAsync("metadata", "load", dump, "--config", before, "--json");
        Assert.True(loaded.ExitCode == 0, loaded.Error);
        it.Service.Settings = it.Service.Settings with { More = "" };
        await it.Service.RestartAsync();
        Assert.Equal(content, await it.ReadAsync("/b"));
        Assert.Equal(content, await it.ReadAsync("/d"));
        await it.CheckCleanAsync();
        foreach (CommandResult result in (CommandResult[])[running, moved, twice, dumped, loaded])
        {
            Assert.DoesNotContain(Canary, result.Output + result.Error, StringComparison.Ordinal);
        }
    }

    /// <summary>Starts a service on a schema of the server; its password is one that nothing may show.</summary>
    internal static Task<Installation> StartAsync(PostgresServer server, string outageWait = "500ms") => Installation.StartAsync(settings =>
    {
        Directory.CreateDirectory(settings.StateFolder);
        return settings with { More = settings.More + Section(server, settings.StateFolder, outageWait) };
    });

    internal static string Section(PostgresServer server, string folder, string outageWait)
    {
        string password = Path.Combine(folder, "password");
        File.WriteAllText(password, Canary + "\n");
        return $"""
            metadata:
              kind: postgres
              postgres:
                hosts: [127.0.0.1:{server.Port}]
                database: postgres
                user: datalayer
                passwordFile: {password}
                schema: service
                outageWait: {outageWait}

            """;
    }
}
