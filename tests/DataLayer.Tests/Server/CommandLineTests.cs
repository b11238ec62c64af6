using System.Text.Json.Nodes;
using DataLayer.Server.Cli;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class CommandLineTests(RunningService service)
{
    [Fact]
    public async Task Files_go_in_move_and_come_out()
    {
        using TempFolder local = new("cli");
        string folder = await service.MakeFolderAsync();
        await File.WriteAllTextAsync(local.Combine("in"), "content");

        Assert.Equal(0, (await RunAsync("put", local.Combine("in"), folder + "/a/b", "-p")).Status);
        Assert.Equal(0, (await RunAsync("mkdir", folder + "/d")).Status);
        Assert.Equal(0, (await RunAsync("mv", folder + "/a/b", folder + "/d")).Status);
        Assert.Equal("content", (await RunAsync("cat", folder + "/d/b")).Bytes);
        Assert.Equal("nte", (await RunAsync("cat", folder + "/d/b", "--offset", "2", "--length", "3")).Bytes);
        Assert.Equal(0, (await RunAsync("get", folder + "/d/b", local.Path)).Status);
        Assert.Equal("content", await File.ReadAllTextAsync(local.Combine("b")));
        Assert.Equal(0, (await RunAsync("rm", "-r", folder + "/d", folder + "/a")).Status);
        Assert.Equal(string.Empty, (await RunAsync("ls", folder)).Text);
    }

    [Fact]
    public async Task Standard_input_is_stored_and_a_taken_name_is_refused()
    {
        string path = await service.MakeFolderAsync() + "/f";

        Assert.Equal(0, (await RunAsync(["put", "-", path], input: "piped")).Status);
        CliRun taken = await RunAsync(["put", "-", path, "--no-replace"], input: "other");

        Assert.Equal(ExitCode.Conflict, taken.Status);
        Assert.Equal("piped", (await RunAsync("cat", path)).Bytes);
    }

    [Fact]
    public async Task Listings_are_names_long_lines_or_json()
    {
        string folder = await service.MakeFolderAsync();
        await RunAsync(["put", "-", folder + "/sub/file", "-p"], input: "abc");

        Assert.Equal("sub/\n", (await RunAsync("ls", folder)).Text);
        Assert.Equal($"{folder}/sub/\n{folder}/sub/file\n", (await RunAsync("ls", "-R", folder)).Text);
        Assert.Matches("^-rw-r--r-- +1 +0 +0 +3 hot .* file\n$", (await RunAsync("ls", "-l", folder + "/sub")).Text);
        JsonNode entry = JsonNode.Parse((await RunAsync("ls", "--json", folder + "/sub")).Text)!;
        Assert.Equal("file", (string)entry["name"]!);
        Assert.Equal(3, (long)entry["sizeBytes"]!);
    }

    [Fact]
    public async Task Stat_shows_tier_residency_object_and_heat()
    {
        string path = await service.MakeFolderAsync() + "/f";
        await RunAsync(["put", "-", path], input: "abc");

        string text = (await RunAsync("stat", path)).Text;
        JsonNode json = JsonNode.Parse((await RunAsync("stat", path, "--json")).Text)!;

        Assert.All(new[] { "tier", "residency", "object", "heat", "entity tag" }, word => Assert.Contains(word, text, StringComparison.Ordinal));
        Assert.Equal(path, (string)json["path"]!);
        Assert.Equal(1, (int)json["blockCount"]!);
    }

    [Fact]
    public async Task A_bucket_is_attached_warmed_evicted_refreshed_and_detached()
    {
        string bucket = service.MakeBucket(("a", "alpha"), ("b", "beta"));
        string folder = await service.MakeFolderAsync() + "/data";

        CliRun attached = await RunAsync("attach", "file://" + bucket, folder);
        Assert.Equal(0, attached.Status);
        Assert.Matches("2 objects, 9 B, [1-9][0-9]* requests", attached.Text);
        Assert.Contains(folder, (await RunAsync("attach")).Text, StringComparison.Ordinal);
        Assert.Contains("2 of 2 files", (await RunAsync("warm", folder)).Text, StringComparison.Ordinal);
        Assert.Equal(2, (int)JsonNode.Parse((await RunAsync("evict", folder, "--hot", "--json")).Text)!["releasedFiles"]!);
        Assert.Equal(0, (await RunAsync("refresh", folder)).Status);
        Assert.Equal(0, (await RunAsync("flush", folder)).Status);
        Assert.Contains("2 ", (await RunAsync("du", folder)).Text, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Denied, (await RunAsync(["put", "-", folder + "/x"], input: "x")).Status);
        Assert.Equal(0, (await RunAsync("detach", folder)).Status);
    }

    [Fact]
    public async Task Upkeep_verbs_report_in_text_and_json()
    {
        Assert.Contains("clean", (await RunAsync("fsck")).Text, StringComparison.Ordinal);
        Assert.True((bool)JsonNode.Parse((await RunAsync("fsck", "--json")).Text)!["clean"]!);
        Assert.Contains("stay bad", (await RunAsync("scrub")).Text, StringComparison.Ordinal);
        Assert.Contains("default", (await RunAsync("target", "list")).Text, StringComparison.Ordinal);
        Assert.Contains("memory", (await RunAsync("stats")).Text, StringComparison.Ordinal);
        Assert.NotNull(JsonNode.Parse((await RunAsync("stats", "--json")).Text)!["engine"]);
        Assert.Contains("cache", (await RunAsync("cache", "stats")).Text, StringComparison.Ordinal);
        Assert.Contains("API v1", (await RunAsync("version", "--service")).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refreshing_statistics_print_a_header_and_a_line_each_time()
    {
        CliRun outcome = await RunAsync("stats", "--interval", "10ms", "--count", "3");

        string[] lines = outcome.Text.TrimEnd('\n').Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.Contains("req/s", lines[0], StringComparison.Ordinal);
        Assert.All(lines[1..], line => Assert.Equal(lines[0].Length, line.Length));
    }

    [Theory]
    [InlineData(ExitCode.NotFound, "cat", "/no/such/file")]
    [InlineData(ExitCode.NotFound, "rm", "/no/such/file")]
    [InlineData(ExitCode.Success, "rm", "-f", "/no-such-file")]
    [InlineData(ExitCode.Conflict, "cat", "/")]
    [InlineData(ExitCode.Usage, "cat", "relative")]
    [InlineData(ExitCode.Usage, "cat", "/x", "--offset", "-1")]
    [InlineData(ExitCode.Usage, "cat")]
    [InlineData(ExitCode.Usage, "cat", "/x", "--unknown")]
    [InlineData(ExitCode.Usage, "frobnicate")]
    [InlineData(ExitCode.Usage)]
    [InlineData(ExitCode.Usage, "attach", "file:///x")]
    [InlineData(ExitCode.Usage, "attach", "file:///x", "/y", "--mode", "sideways")]
    [InlineData(ExitCode.Usage, "attach", "file:///x", "/y", "--max-age", "soon")]
    [InlineData(ExitCode.Usage, "stats", "--interval", "often")]
    [InlineData(ExitCode.Usage, "completion", "tcsh")]
    [InlineData(ExitCode.NotFound, "target", "drain", "4711")]
    [InlineData(ExitCode.Failure, "put", "/no/such/local/file", "/x")]
    public async Task Exit_codes_say_what_went_wrong(int status, params string[] arguments)
    {
        CliRun outcome = await RunAsync(arguments);

        Assert.Equal(status, outcome.Status);
        Assert.True(status == 0 || outcome.Error.Length > 0, "a failure says something");
    }

    [Fact]
    public async Task An_unreachable_service_has_its_own_exit_code_and_names_the_address()
    {
        CliRun outcome = await RunAsync("ls", "--server", "http://127.0.0.1:1");

        Assert.Equal(ExitCode.Unreachable, outcome.Status);
        Assert.Contains("http://127.0.0.1:1", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("--server", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Errors_are_json_where_json_is_asked_for()
    {
        CliRun outcome = await RunAsync("cat", "/no/such/file", "--json");

        Assert.Equal("notFound", (string)JsonNode.Parse(outcome.Error)!["code"]!);
    }

    [Fact]
    public async Task A_cancelled_command_ends_as_interrupted()
    {
        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();

        Assert.Equal(ExitCode.Interrupted, (await RunAsync(["ls"], cancellationToken: cancelled.Token)).Status);
    }

    [Theory]
    [InlineData("bash", "complete -o default -F _datalayer datalayer")]
    [InlineData("zsh", "#compdef datalayer")]
    [InlineData("fish", "complete -c datalayer")]
    public async Task Completion_scripts_are_printed_without_a_service(string shell, string says)
    {
        CliRun outcome = await RunAsync("completion", shell);

        Assert.Equal(0, outcome.Status);
        Assert.Contains(says, outcome.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trace_is_simulated_into_one_json_row_a_policy()
    {
        using TempFolder folder = new("cli");
        string trace = folder.Combine("trace.txt");
        await File.WriteAllLinesAsync(trace, Enumerable.Range(0, 400).Select(i => $"{i} key{i % 40} 1000"));

        CliRun outcome = await RunAsync("cache", "simulate", "--trace", trace, "--policy", "guard,s3fifo", "--size", "20kB");
        CliRun bad = await RunAsync("cache", "simulate", "--trace", trace, "--policy", "magic", "--size", "20kB");

        JsonNode[] rows = [.. outcome.Text.TrimEnd('\n').Split('\n').Select(l => JsonNode.Parse(l)!)];
        Assert.Equal(["guard", "s3fifo", "lru", "belady"], rows.Select(r => (string)r["policy"]!));
        Assert.All(rows, r => Assert.Equal(400, (long)r["requests"]!));
        Assert.All(rows, r => Assert.Equal(20_000, (long)r["size"]!));
        Assert.True((long)rows[3]["hits"]! >= rows.Max(r => (long)r["hits"]!));
        Assert.Equal(ExitCode.Usage, bad.Status);
    }

    [Fact]
    public async Task Warm_ups_are_jobs_that_can_be_checked_left_alone_and_looked_at()
    {
        using TempFolder local = new("cli");
        string folder = await service.MakeFolderAsync() + "/data";
        Assert.Equal(0, (await RunAsync("attach", "file://" + service.MakeBucket(("a", "alpha"), ("b", "beta")), folder)).Status);
        await File.WriteAllTextAsync(local.Combine("list"), $"{folder}/a\n{folder}/none\n");

        CliRun cold = await RunAsync("warm", folder, "--check", "--json");
        CliRun plain = await RunAsync("warm", folder);
        CliRun hot = await RunAsync("warm", folder, "--check", "--json");
        CliRun list = await RunAsync("warm", "--list", local.Combine("list"), "--json");
        CliRun left = await RunAsync("warm", folder + "/a", folder + "/b", "--detach", "--json");
        string id = JsonNode.Parse(left.Text)!["id"]!.ToJsonString();
        CliRun watched = await RunAsync("job", "watch", id, "--json");
        CliRun shown = await RunAsync("job", "show", id);
        CliRun listed = await RunAsync("job", "list", "--json", "--limit", "1");
        CliRun late = await RunAsync("job", "cancel", id);
        CliRun both = await RunAsync("warm", folder, "--check", "--evict");
        CliRun none = await RunAsync("warm");

        Assert.Equal((1, 0, 0, 1, 0), (cold.Status, plain.Status, hot.Status, list.Status, left.Status));
        Assert.Equal(2, (int)JsonNode.Parse(cold.Text)!["failedObjects"]!);
        Assert.Equal(2, (int)JsonNode.Parse(hot.Text)!["result"]!["resident"]!);
        Assert.Equal(folder + "/none", (string)JsonNode.Parse(list.Text)!["result"]!["gaps"]![0]!["path"]!);
        Assert.Equal((0, "done"), (watched.Status, (string)JsonNode.Parse(watched.Text)!["state"]!));
        Assert.Matches("state +done", shown.Text);
        Assert.Equal(id, JsonNode.Parse(listed.Text)!["id"]!.ToJsonString());
        Assert.Equal((ExitCode.Conflict, ExitCode.Usage, ExitCode.Usage), (late.Status, both.Status, none.Status));
    }

    [Fact]
    public async Task Schedules_are_added_listed_and_removed()
    {
        string folder = await service.MakeFolderAsync();

        CliRun added = await RunAsync("job", "schedule", "add", folder, "--cron", "30 6 * * mon-fri", "--zone", "Europe/Berlin", "--json");
        string id = JsonNode.Parse(added.Text)!["id"]!.ToJsonString();
        CliRun listed = await RunAsync("job", "schedule", "list");
        CliRun removed = await RunAsync("job", "schedule", "remove", id);
        CliRun again = await RunAsync("job", "schedule", "remove", id);
        CliRun bad = await RunAsync("job", "schedule", "add", folder, "--cron", "whenever");

        Assert.Equal((0, 0), (added.Status, removed.Status));
        Assert.Contains("30 6 * * mon-fri", listed.Text, StringComparison.Ordinal);
        Assert.Equal(ExitCode.NotFound, again.Status);
        Assert.Equal(ExitCode.Usage, bad.Status);
    }

    [Fact]
    public async Task The_program_itself_suggests_what_can_follow()
    {
        CliRun outcome = await RunAsync("[suggest:13]", "datalayer att");

        Assert.Contains("attach", outcome.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_configuration_is_shown_checked_and_described()
    {
        using TempFolder folder = new("cli");
        string good = folder.Combine("good.yaml");
        string bad = folder.Combine("bad.yaml");
        await File.WriteAllTextAsync(good, "cache: {capacity: 100MiB}\n");
        await File.WriteAllTextAsync(bad, "cache: {capacity: lots}\nlisten: {adress: x}\n");

        CliRun shown = await RunAsync("config", "show", "--config", good);
        CliRun check = await RunAsync("config", "check", "--config", bad);
        CliRun json = await RunAsync("config", "check", "--config", bad, "--json");
        CliRun schema = await RunAsync("config", "schema");
        CliRun serve = await RunAsync("serve", "--config", bad);

        Assert.Matches(@"cache\.capacity +100MiB +.*good\.yaml:1:19", shown.Text);
        Assert.Equal(ExitCode.Usage, check.Status);
        Assert.Contains("bad.yaml:1:19: cache.capacity", check.Error, StringComparison.Ordinal);
        Assert.Contains("bad.yaml:2:10: listen.adress", check.Error, StringComparison.Ordinal);
        Assert.Equal(2, (int)JsonNode.Parse(json.Error.Split('\n')[1])!["line"]!);
        Assert.NotNull(JsonNode.Parse(schema.Text)!["properties"]!["cache"]);
        Assert.Equal(ExitCode.Usage, serve.Status);
        Assert.Contains("listen.adress", serve.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_offline_check_needs_the_state_for_itself()
    {
        using TempFolder folder = new("cli");
        string config = folder.Combine("c.yaml");
        await File.WriteAllTextAsync(
            config,
            $"stateDirectory: {folder.Combine("state")}\npools: [{{name: p, reserve: 0, directories: [{folder.Combine("t")}]}}]\nmemory: {{budget: 64MiB}}\n");

        CliRun clean = await RunAsync("fsck", "--config", config, "--json");
        using DataLayer.Server.Hosting.StateLock held = DataLayer.Server.Hosting.StateLock.Acquire(folder.Combine("state"));
        CliRun busy = await RunAsync("fsck", "--config", config);

        Assert.True((bool)JsonNode.Parse(clean.Text)!["clean"]!, clean.Error);
        Assert.NotEqual(0, busy.Status);
        Assert.Contains("in use", busy.Error, StringComparison.Ordinal);
    }

    private Task<CliRun> RunAsync(params string[] arguments) => RunAsync(arguments, string.Empty);

    private Task<CliRun> RunAsync(string[] arguments, string input = "", CancellationToken cancellationToken = default) =>
        CliRun.RunAsync(arguments, service.Url, input: input, cancellationToken: cancellationToken);
}
