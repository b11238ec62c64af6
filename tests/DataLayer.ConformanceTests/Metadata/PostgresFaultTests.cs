using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Postgres;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>
/// A server that restarts, is killed, or cuts connections at any moment: callers wait and get the right answer; nothing acknowledged is lost,
/// nothing happens twice. A worker's model is exact: it is the only one in its folder, and each change must succeed.
/// </summary>
public sealed class PostgresFaultTests : IAsyncLifetime
{
    private const int WorkerCount = 6;
    private PostgresServer _server = null!;

    /// <inheritdoc/>
    public async Task InitializeAsync() => _server = await PostgresServer.StartAsync();

    /// <inheritdoc/>
    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Connections_terminated_at_any_moment_lose_nothing_and_repeat_nothing()
    {
        int ended = 0;
        await LoadAsync(100, async (random, stop) =>
        {
            while (!stop.IsCancellationRequested)
            {
                string? count = await _server.QueryAsync(
                    "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'datalayer %'");
                ended += int.Parse(count!, CultureInfo.InvariantCulture);
                await Task.Delay(random.Next(1, 60), CancellationToken.None);
            }
        });
        Assert.True(ended > 20, $"{ended} terminated connections say little");
    }

    [Fact]
    public async Task Restarts_of_the_server_in_the_middle_of_the_load_lose_nothing()
    {
        int restarts = 0;
        await LoadAsync(80, async (random, _) =>
        {
            for (; restarts < 3; restarts++)
            {
                await Task.Delay(random.Next(50, 300), CancellationToken.None);
                await _server.StopAsync();
                await _server.StartAgainAsync();
            }
        });
        Assert.Equal(3, restarts);
    }

    [Fact]
    public async Task Kills_of_the_server_in_the_middle_of_the_load_lose_nothing()
    {
        int kills = 0;
        await LoadAsync(80, async (random, _) =>
        {
            for (; kills < 3; kills++)
            {
                await Task.Delay(random.Next(50, 300), CancellationToken.None);
                await _server.KillAsync();
                await _server.StartAgainAsync();
            }
        });
        Assert.Equal(3, kills);
    }

    [Theory]
    [InlineData("COMMIT")]
    [InlineData("RELEASE")]
    [InlineData("UPDATE 1")]
    [InlineData("BEGIN")]
    public async Task A_connection_cut_at_a_point_of_a_transaction_leaves_it_done_once(string tag)
    {
        await using CommitCutter cutter = new(_server.Port);
        await using TreeFixture t = await OpenAsync("cut", $"127.0.0.1:{cutter.Port}");
        for (int i = 0; i < 8; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"/{tag}-{i}");
            cutter.Arm(tag);
            InodeAttributes made = await t.MakeFileAsync(name);
            Assert.Equal((2 * i) + 1, cutter.CutCount);
            Assert.Equal(made, await t.FindAsync(name));

            // A refusal is as good an answer, and must not turn into another one.
            cutter.Arm(tag);
            await Assert.ThrowsAsync<DataLayerException>(() => t.MakeFileAsync(name));
            Assert.Equal((2 * i) + 2, cutter.CutCount);
        }
    }

    [Fact]
    public async Task While_the_server_is_away_callers_wait_their_time_and_hear_where_it_was_looked_for()
    {
        await using TreeFixture t = await OpenAsync("away", outageWait: TimeSpan.FromMilliseconds(300));
        await t.MakeFileAsync("/a");
        await _server.StopAsync();
        DataLayerException[] errors =
        [
            await Assert.ThrowsAsync<DataLayerException>(() => t.MakeFileAsync("/b")),
            await Assert.ThrowsAsync<DataLayerException>(async () => await t.Tree.CreateFileAsync(InodeId.Root, "b", default, default)),
            await Assert.ThrowsAsync<DataLayerException>(async () => await t.Tree.Relaxed.CreateAsync(
                InodeId.Root, "b", FileKind.Regular, default, default)),
            await Assert.ThrowsAsync<DataLayerException>(() => t.FindAsync("/a")),
        ];
        foreach (DataLayerException error in errors)
        {
            Assert.Equal(ErrorCode.Overloaded, error.Code);
            Assert.Contains("Start the server", error.Message, StringComparison.Ordinal);
            Assert.Contains(_server.Port.ToString(CultureInfo.InvariantCulture), error.Message, StringComparison.Ordinal);
            Assert.NotNull(error.RetryAfter);
        }

        await _server.StartAgainAsync();
        Assert.NotNull(await t.FindAsync("/a"));
        Assert.Null(await t.FindAsync("/b"));
        await t.MakeFileAsync("/b");
    }

    [Fact]
    public async Task A_store_closes_while_the_server_is_away()
    {
        TreeFixture t = await OpenAsync("closing");
        await t.MakeFileAsync("/a");
        await _server.StopAsync();
        Task change = t.Tree.CreateFileAsync(InodeId.Root, "b", default, default).AsTask();
        await t.AbandonAsync();
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => change);
        Assert.Contains("not made", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_service_is_refused_and_told_who_has_the_tree()
    {
        await using TreeFixture t = await OpenAsync("owned", ownerWait: TimeSpan.FromMilliseconds(50));
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(
            () => OpenAsync("owned", ownerWait: TimeSpan.FromMilliseconds(50)));
        Assert.Equal(ErrorCode.Overloaded, error.Code);
        Assert.Contains($"process {Environment.ProcessId}", error.Message, StringComparison.Ordinal);
        Assert.Contains("epoch 1", error.Message, StringComparison.Ordinal);
        await t.MakeFileAsync("/a");
    }

    [Fact]
    public async Task A_service_that_another_one_followed_is_fenced_by_the_database()
    {
        TreeFixture t = await OpenAsync("fenced");
        await t.MakeFileAsync("/a");
        await _server.QueryAsync("UPDATE fenced.tree_owner SET epoch = epoch + 1, owner = 'the other one'");
        for (int i = 0; i < 2; i++)
        {
            DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => t.MakeFileAsync("/b"));
            Assert.Equal(ErrorCode.TargetFailed, error.Code);
            Assert.Contains("the other one", error.Message, StringComparison.Ordinal);
        }

        Assert.Null(await t.FindAsync("/b"));
        await t.AbandonAsync();
    }

    [Fact]
    public async Task A_server_that_forgot_what_it_acknowledged_is_not_written_to_until_the_service_restarts()
    {
        TreeFixture t = await OpenAsync("forgot");
        await t.MakeFileAsync("/a");
        await _server.QueryAsync("UPDATE forgot.tree_owner SET commits = commits - 1");
        await _server.StopAsync();
        await _server.StartAgainAsync();
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => t.MakeFileAsync("/b"));
        Assert.Equal(ErrorCode.TargetFailed, error.Code);
        Assert.Contains("without the last 1 transactions", error.Message, StringComparison.Ordinal);
        await t.ReopenAsync();
        await t.MakeFileAsync("/b");
        await t.DisposeAsync();
    }

    [Fact]
    public async Task A_change_that_waits_for_another_ones_lock_is_made_when_that_one_is_done()
    {
        await using TreeFixture t = await OpenAsync("locked", lockTimeout: TimeSpan.FromMilliseconds(100));
        await t.MakeFileAsync("/a");
        Task<string?> holder = _server.QueryAsync(
            "BEGIN; LOCK TABLE locked.dentries IN EXCLUSIVE MODE; SELECT pg_sleep(0.5)::text; COMMIT");
        await Task.WhenAll(holder, t.MakeFileAsync("/b"));
        Assert.Equal(["a", "b"], await t.NamesAsync("/"));
    }

    [Fact]
    public async Task What_keeps_a_tree_from_opening_is_said_with_its_remedy()
    {
        await _server.QueryAsync("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
        await _server.QueryAsync("CREATE ROLE guest LOGIN");
        await (await OpenAsync("collated")).DisposeAsync();
        await _server.QueryAsync("ALTER TABLE collated.settings ALTER COLUMN value TYPE TEXT COLLATE \"default\"");
        string password = Path.GetTempFileName();
        await RefusesAsync(ErrorCode.NotSupported, "ENCODING 'UTF8'", database: "latin");
        await RefusesAsync(ErrorCode.NotFound, "CREATE DATABASE", database: "missing");
        await RefusesAsync(ErrorCode.PermissionDenied, "CREATE SCHEMA", user: "guest");
        await RefusesAsync(ErrorCode.PermissionDenied, "passwordFile", user: "nobody");
        await RefusesAsync(ErrorCode.NotSupported, "settings.value", schema: "collated");
        await RefusesAsync(ErrorCode.TargetFailed, "127.0.0.1:1", host: "127.0.0.1:1");
        await RefusesAsync(ErrorCode.InvalidArgument, password, password: "file:" + password);
        await RefusesAsync(ErrorCode.InvalidArgument, "neither", password: "a-secret");
        File.Delete(password);
    }

    private async Task RefusesAsync(
        ErrorCode code, string part, string schema = "refused", string? database = null, string? user = null, string? host = null,
        string? password = null)
    {
        PostgresOptions good = _server.OptionsFor(schema);
        PostgresOptions options = new()
        {
            Hosts = host is null ? good.Hosts : [host],
            Database = database ?? good.Database,
            User = user ?? good.User,
            Password = password,
            Schema = schema,
            Tls = good.Tls,
        };
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => TreeFixture.OpenAsync(options));
        Assert.True(error.Code == code, error.ToString());
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("a-secret", error.Message, StringComparison.Ordinal);
    }

    private Task<TreeFixture> OpenAsync(
        string schema, string? host = null, TimeSpan? outageWait = null, TimeSpan? ownerWait = null, TimeSpan? lockTimeout = null)
    {
        PostgresOptions good = _server.OptionsFor(schema, outageWait, ownerWait);
        return TreeFixture.OpenAsync(new PostgresOptions
        {
            Hosts = host is null ? good.Hosts : [host],
            Database = good.Database,
            User = good.User,
            Schema = schema,
            Tls = good.Tls,
            OutageWait = good.OutageWait,
            OwnerWait = good.OwnerWait,
            LockTimeout = lockTimeout ?? good.LockTimeout,
        });
    }

    private async Task LoadAsync(int changes, Func<Random, CancellationToken, Task> disturb)
    {
        const int Seed = 230;
        await using TreeFixture t = await OpenAsync("load");
        using CancellationTokenSource done = new();
        Worker[] workers = new Worker[WorkerCount];
        for (int i = 0; i < workers.Length; i++)
        {
            InodeAttributes folder = await t.MakeFolderAsync("/w" + i.ToString(CultureInfo.InvariantCulture));
            workers[i] = new Worker(t, folder.Inode, new Random(Seed + i));
        }

        Task disturbing = disturb(new Random(Seed), done.Token);
        try
        {
            await Task.WhenAll(workers.Select(worker => worker.RunAsync(changes)));
        }
        finally
        {
            await done.CancelAsync();
            await disturbing;
        }

        await t.ReopenAsync();
        for (int i = 0; i < workers.Length; i++)
        {
            await workers[i].CompareAsync("/w" + i.ToString(CultureInfo.InvariantCulture));
        }
    }

    private sealed class Worker(TreeFixture t, InodeId folder, Random random)
    {
        private readonly SortedDictionary<string, (InodeId Inode, long Version)> _names = new(StringComparer.Ordinal);
        private int _made;

        public async Task RunAsync(int changes)
        {
            for (int i = 0; i < changes; i++)
            {
                await ChangeAsync();
            }
        }

        public async Task CompareAsync(string path)
        {
            Assert.Equal(_names.Keys, await t.NamesAsync(path));
            foreach ((string name, (InodeId inode, long version)) in _names)
            {
                InodeAttributes found = (await t.FindAsync(path + "/" + name))!;
                Assert.Equal((inode, version), (found.Inode, found.Version));
            }
        }

        private async Task ChangeAsync()
        {
            string? some = _names.Count == 0 ? null : _names.Keys.ElementAt(random.Next(_names.Count));
            switch (some is null ? 0 : random.Next(6))
            {
                case 1:
                    await t.Tree.UnlinkAsync(folder, some!, default);
                    _names.Remove(some!);
                    break;
                case 2:
                    string to = NewName();
                    await t.Tree.RenameAsync(folder, some!, folder, to, RenameFlags.NoReplace, default);
                    _names[to] = _names[some!];
                    _names.Remove(some!);
                    break;
                case 3:
                    PendingContent pending = await t.Tree.BeginReplaceAsync(folder, some!, TreeFixture.Place, default);
                    InodeAttributes published = await t.Tree.PublishAsync(TreeFixture.Request(pending), default);
                    _names[some!] = (published.Inode, published.Version);
                    break;
                case 4:
                    // What was acknowledged is what a reader sees, at once.
                    Assert.Equal(_names[some!].Inode, (await t.Tree.LookupAsync(folder, some!, default))!.Inode);
                    break;
                default:
                    string name = NewName();
                    InodeAttributes made = await t.Tree.CreateFileAsync(folder, name, new NewInode(0x1A4), default);
                    Assert.DoesNotContain(made.Inode, _names.Values.Select(value => value.Inode));
                    _names.Add(name, (made.Inode, made.Version));
                    break;
            }
        }

        private string NewName() => "n" + (++_made).ToString(CultureInfo.InvariantCulture);
    }
}
