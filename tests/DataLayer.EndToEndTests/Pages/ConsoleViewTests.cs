using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DataLayer.Protocol.Http;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DataLayer.EndToEndTests.Pages;

/// <summary>Each view of the console over a real service: what it shows is what the API says, what it does takes effect.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class ConsoleViewTests(ConsoleSite site)
{
    private const string GoodPolicy = "version: 1\nrules:\n  - name: release the large\n    match: {path: \"/data/large/**\"}\n    then: {place: release}\n";

    [Fact]
    public async Task The_overview_shows_what_the_service_counts()
    {
        for (var i = 0; i < 6; i++)
        {
            using var bytes = await site.Service.Client.ReadFileAsync($"/data/large/part-{i}.bin");
        }

        await using var tab = await site.OpenAsync("overview");

        await Expect(tab.Find(".tile", "Hit ratio")).ToContainTextAsync(" %");
        await Expect(tab.Find(".tile", "Reads")).ToContainTextAsync("B/s");
        await Expect(tab.Find("[aria-label='Fill of memory']")).ToHaveAttributeAsync("aria-valuetext", new Regex("MiB of 64"));
        await Expect(tab.Find(".plot canvas, .plot svg")).ToHaveCountAsync(3);
        var statistics = JsonNode.Parse(await site.Service.Http.GetStringAsync(new Uri(ApiRoutes.Statistics, UriKind.Relative)))!;
        var listed = statistics["origin"]!.AsArray().Single(o => (string)o!["dataset"]! == "/data" && (string)o!["verb"]! == "LIST")!;
        var row = tab.Page.GetByRole(AriaRole.Row).Filter(new LocatorFilterOptions { HasText = "LIST" });
        await Expect(row.Locator("td").Nth(1)).ToHaveTextAsync(((long)listed["requests"]!).ToString(CultureInfo.InvariantCulture));
        await tab.Button("1 h").ClickAsync();
        await Expect(tab.Button("1 h")).ToHaveAttributeAsync("aria-pressed", "true");
        await Expect(tab.Find(".plot canvas, .plot svg")).ToHaveCountAsync(3);
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task The_overview_shows_what_today_costs_and_how_far_budgets_are()
    {
        await using var tab = await site.OpenAsync("overview");

        await Expect(tab.Find(".tile", "Cost today").Locator("dd").First).ToHaveTextAsync(new Regex("USD$|≈ 0$"));
        await Expect(tab.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = "listing" }).Filter(new() { HasText = "/data" })).ToContainTextAsync("4");
        await Expect(tab.Find("[aria-label='Spent of imagery']")).ToHaveAttributeAsync("aria-valuenow", new Regex(@"^\d+\.\d$"));
        await Expect(tab.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = "imagery" })).ToContainTextAsync("within");
        var tiers = JsonNode.Parse(await site.Service.Http.GetStringAsync(new Uri("/api/v1/tiers", UriKind.Relative)))!;
        var stored = tiers["classes"]!.AsArray().Single()!;
        await Expect(tab.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = $"cold: {stored["class"]}" })).ToContainTextAsync("18.0 MiB");
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task Without_the_chart_library_the_console_draws_its_lines_itself()
    {
        await using var tab = await site.OpenAsync("datasets");
        await tab.Page.RouteAsync("**/console/", async route =>
        {
            var answer = await route.FetchAsync();
            var page = (await answer.TextAsync()).Replace("vendor/uPlot.js", "", StringComparison.Ordinal);
            await route.FulfillAsync(new() { Response = answer, Body = page });
        });
        await tab.Page.ReloadAsync();
        await tab.GoToAsync("overview");

        await Expect(tab.Find(".plot svg polyline")).ToHaveCountAsync(5);
        await Expect(tab.Find(".plot canvas")).ToHaveCountAsync(0);
        await Expect(tab.Find(".plot .axis").First).ToContainTextAsync("B/s");
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task Values_that_change_move_nothing_on_the_page()
    {
        await using var tab = await site.OpenAsync("overview");
        await Expect(tab.Find(".tile", "Reads")).ToContainTextAsync("reads/s");
        await tab.Page.EvaluateAsync(
            "() => { window.shift = 0; new PerformanceObserver(list => { for (const e of list.getEntries()) window.shift += e.value; }).observe({type: 'layout-shift'}); }");
        var before = await tab.Find(".tile", "Service up").Locator("dd").First.TextContentAsync();

        await site.Service.Client.ReadFileAsync("/data/many/000001.txt");
        await Expect(tab.Find(".tile", "Service up").Locator("dd").First).Not.ToHaveTextAsync(before!);
        await Expect(tab.Find(".tile", "Reads").Locator("dd").First).Not.ToHaveTextAsync("–");

        Assert.Equal(0, await tab.Page.EvaluateAsync<double>("() => window.shift"), 2);
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task The_tree_reads_a_large_folder_page_by_page_and_keeps_only_rows_in_view()
    {
        await using var tab = await site.OpenAsync("tree/data/many");
        var grid = tab.Page.GetByRole(AriaRole.Treegrid);
        await Expect(grid.GetByText("000000.txt")).ToBeVisibleAsync();
        await grid.FocusAsync();

        var last = grid.GetByText($"{ConsoleSite.ManyFiles - 1:D6}.txt");
        for (var page = 0; page < 8 && await last.CountAsync() == 0; page++)
        {
            var rows = await grid.GetAttributeAsync("aria-rowcount");
            await tab.Page.Keyboard.PressAsync("End");
            if (rows != ConsoleSite.ManyFiles.ToString(CultureInfo.InvariantCulture))
            {
                await Expect(grid).Not.ToHaveAttributeAsync("aria-rowcount", rows!);
            }
        }

        await Expect(grid).ToHaveAttributeAsync("aria-rowcount", ConsoleSite.ManyFiles.ToString(CultureInfo.InvariantCulture));
        await tab.Page.Keyboard.PressAsync("End");
        await Expect(last).ToBeVisibleAsync();
        Assert.InRange(await grid.GetByRole(AriaRole.Row).CountAsync(), 10, 80);
        await Expect(tab.Find(".panel h2")).ToHaveTextAsync($"{ConsoleSite.ManyFiles - 1:D6}.txt");
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task The_tree_tells_where_a_file_lies_and_warms_and_evicts_it()
    {
        await using var tab = await site.OpenAsync("tree/data/large/part-5.bin");
        await Expect(tab.Find(".panel h2")).ToHaveTextAsync("part-5.bin");

        await tab.Button("Evict").ClickAsync();
        await tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Drop them" }).ClickAsync();
        await JobEndsAsync(tab);
        await tab.GoToAsync("tree/data");
        await tab.GoToAsync("tree/data/large/part-5.bin");
        await Expect(tab.Find("[aria-label='Resident in hot']")).ToHaveAttributeAsync("aria-valuenow", "0.0");
        await tab.Button("Warm").ClickAsync();
        await JobEndsAsync(tab);
        await tab.GoToAsync("tree/data");
        await tab.GoToAsync("tree/data/large/part-5.bin");

        await Expect(tab.Find("[aria-label='Resident in hot']")).ToHaveAttributeAsync("aria-valuenow", "100.0");
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task A_fault_of_the_policy_is_shown_at_its_line_and_column()
    {
        await using var tab = await site.OpenAsync("policy");
        var text = tab.Page.GetByLabel("Policy document");
        await Expect(text).Not.ToHaveValueAsync("");

        await text.FillAsync("version: 1\nrules:\n  - name: a\n    match: {path: \"/**\", idel: \"> 30d\"}\n    then: {place: nowhere}\n");

        await Expect(tab.Find(".verdict")).ToContainTextAsync("2 errors");
        await Expect(tab.Find(".fault").First).ToContainTextAsync("4:26");
        await Expect(tab.Find(".fault").First).ToContainTextAsync("Did you mean 'idle'?");
        await Expect(text).ToHaveAttributeAsync("aria-invalid", "true");
        await Expect(tab.Button("Save as new version …")).ToBeDisabledAsync();
        var number = await tab.Find(".gutter .bad").First.BoundingBoxAsync();
        var mark = await tab.Find(".mark.bad").First.BoundingBoxAsync();
        var under = await tab.Find(".mark.bad i").First.BoundingBoxAsync();
        Assert.Equal("4", await tab.Find(".gutter .bad").First.TextContentAsync());
        Assert.Equal(number!.Y, mark!.Y, 1.0);
        var column = (under!.X - mark.X - 8) / under.Width;
        Assert.InRange(column, 24.5, 25.5);
        await tab.Find(".fault").Nth(1).ClickAsync();
        Assert.Equal(5, await text.EvaluateAsync<int>("area => area.value.slice(0, area.selectionStart).split('\\n').length"));
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task A_policy_is_previewed_saved_activated_and_planned()
    {
        await using var tab = await site.OpenAsync("policy");
        var text = tab.Page.GetByLabel("Policy document");
        await Expect(text).Not.ToHaveValueAsync("");
        await text.FillAsync(GoodPolicy);
        await Expect(tab.Find(".verdict")).ToContainTextAsync("valid 1 rule");

        await tab.Button("Preview plan").ClickAsync();
        await Expect(tab.Find(".preview h2")).ToContainTextAsync("Plan ");
        await tab.Page.GetByLabel("Path").Last.FillAsync("/data/large/part-0.bin");
        await tab.Button("Explain").ClickAsync();
        await Expect(tab.Find(".trace")).ToContainTextAsync("all conditions hold");
        await tab.Button("Save as new version …").ClickAsync();
        await tab.Dialog.GetByLabel("Why").FillAsync("first try");
        await tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Save" }).ClickAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = "first try" }).First).ToContainTextAsync("active");
        await tab.GoToAsync("plans");
        await tab.Button("Plan by the active policy").ClickAsync();
        await Expect(tab.Find(".panel h2")).ToContainTextAsync("Plan ");

        var active = await site.Service.Client.Admin.GetPolicyAsync();
        var plan = JsonNode.Parse(await site.Service.Http.GetStringAsync(new Uri(ApiRoutes.Plans, UriKind.Relative)))!["plans"]![0]!;
        Assert.Equal((GoodPolicy, "first try"), (active!.Text, active.Comment));
        await Expect(tab.Find(".panel h2")).ToContainTextAsync($"Plan {plan["id"]}");
        await Expect(tab.Find(".panel table")).ToContainTextAsync("release the large");
        Assert.Equal(6, (long)plan["rules"]![0]!["matchedFiles"]!);
        await site.Service.Client.Admin.ActivatePolicyAsync(0);
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task A_plan_is_applied_within_limits_followed_and_undone()
    {
        var client = site.Service.Client;
        await WarmAsync("/data/large");
        await client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = GoodPolicy });
        await using var tab = await site.OpenAsync("plans");
        await tab.Button("Plan by the active policy").ClickAsync();
        await Expect(tab.Find(".panel h2")).ToContainTextAsync("Plan ");

        await tab.Button("Apply …").ClickAsync();
        await tab.Dialog.GetByLabel("Only between").FillAsync("at night");
        await tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Apply" }).ClickAsync();
        await Expect(tab.Dialog).ToBeVisibleAsync();
        await tab.Dialog.GetByLabel("Only between").FillAsync("");
        await tab.Dialog.GetByLabel("At most, MiB/s").FillAsync("200");
        await tab.Dialog.GetByLabel("Before a hot copy goes").SelectOptionAsync("content");
        await tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Apply" }).ClickAsync();
        await Expect(tab.Find(".notice .tag").First).ToHaveTextAsync("done");
        await Expect(tab.Find(".notice")).ToContainTextAsync("6 of 6");
        var applied = (await client.Jobs.ListAsync(limit: 1)).Jobs[0];
        var released = await ResidentAsync();
        await tab.Find(".notice button", "Undo").ClickAsync();
        await tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Undo" }).ClickAsync();
        await Expect(tab.Find(".notice")).ToContainTextAsync("undo ");
        await Expect(tab.Find(".notice .tag").First).ToHaveTextAsync("done");

        Assert.Equal(("apply", "done", 200L << 20), (applied.Kind, applied.State, applied.Spec.GetProperty("limits").GetProperty("bytesPerSecond").GetInt64()));
        Assert.Equal((0, 18L << 20), (released, await ResidentAsync()));
        await tab.GoToAsync($"jobs/{applied.Id}");
        await Expect(tab.Page.GetByRole(AriaRole.Grid)).ToContainTextAsync("/data/large/part-0.bin");
        await client.Admin.ActivatePolicyAsync(0);
        tab.AssertNoComplaints();

        async Task<long> ResidentAsync() => (await client.Admin.GetUsageAsync("/data/large")).ResidentBytes;
    }

    [Fact]
    public async Task A_job_is_made_followed_paused_resumed_and_cancelled()
    {
        await using var tab = await site.OpenAsync("jobs");
        await tab.Button("New warm-up …").ClickAsync();
        await tab.Dialog.GetByLabel("Paths, one a line").FillAsync("/data/large");
        await tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Start" }).ClickAsync();
        await Expect(tab.Find(".panel h2 .tag")).ToHaveTextAsync("done");
        await Expect(tab.Find(".panel")).ToContainTextAsync("6 of 6 files");

        var job = await site.Service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = ["/data/many"] });
        await site.Service.Client.Jobs.PauseAsync(job.Id);
        await tab.GoToAsync($"jobs/{job.Id}");
        await Expect(tab.Find(".panel h2 .tag")).ToHaveTextAsync("paused");
        await tab.Button($"Resume job {job.Id}").ClickAsync();
        await Expect(tab.Find(".panel h2 .tag")).ToHaveTextAsync("done");
        await Expect(tab.Button($"Cancel job {job.Id}")).ToHaveCountAsync(0);
        var second = await site.Service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = ["/data/many"] });
        await site.Service.Client.Jobs.PauseAsync(second.Id);
        await tab.GoToAsync($"jobs/{second.Id}");
        await tab.Button($"Cancel job {second.Id}").ClickAsync();
        await Expect(tab.Find(".panel h2 .tag")).ToHaveTextAsync("cancelled");

        Assert.Equal("cancelled", (await site.Service.Client.Jobs.GetAsync(second.Id)).State);
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task A_bucket_is_attached_listed_again_and_detached()
    {
        await using var tab = await site.OpenAsync("datasets");
        await tab.Button("Attach …").ClickAsync();
        await tab.Dialog.GetByLabel("Bucket").FillAsync("file://" + site.Bucket + "/none-such");
        await tab.Dialog.GetByLabel("Folder").FillAsync("/twice");
        await tab.Dialog.GetByLabel("Store").FillAsync("nobody");
        await tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Attach" }).ClickAsync();
        await Expect(tab.Dialog.GetByRole(AriaRole.Alert)).ToContainTextAsync("nobody");

        await tab.Dialog.GetByLabel("Bucket").FillAsync("file://" + site.Bucket + "/large");
        await tab.Dialog.GetByLabel("Store").FillAsync("files");
        await tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Attach" }).ClickAsync();
        var row = tab.Page.GetByRole(AriaRole.Row).Filter(new() { HasText = "/twice" });
        await Expect(row).ToContainTextAsync("18.0 MiB");
        await tab.Button("List /twice again").ClickAsync();
        await Expect(row).ToContainTextAsync("6 objects");
        await tab.Button("Detach /twice").ClickAsync();
        await tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Detach" }).ClickAsync();
        await Expect(row).ToHaveCountAsync(0);

        Assert.DoesNotContain(await site.Service.Client.Admin.ListAttachmentsAsync(), a => a.Path == "/twice");
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task The_doctor_says_whether_the_node_is_ready_and_its_tree_sound()
    {
        await using var tab = await site.OpenAsync("doctor");
        await tab.SeeAsync("Requests are served.");
        await Expect(tab.Find(".view-doctor section").First).ToContainTextAsync("readers waited on average");
        await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Check", Exact = true }).ClickAsync();

        await Expect(tab.Find(".view-doctor")).ToContainTextAsync("clean");
        tab.AssertNoComplaints();
    }

    private async Task WarmAsync(string path)
    {
        var job = await site.Service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = [path] });
        await foreach (var _ in site.Service.Client.Jobs.WatchAsync(job.Id))
        {
            // It ends with the job.
        }
    }

    private static async Task JobEndsAsync(ConsoleTab tab)
    {
        await tab.Find(".result a").ClickAsync();
        await Expect(tab.Find(".panel h2 .tag")).ToHaveTextAsync("done");
    }
}

/// <summary>Finds elements of the console.</summary>
internal static class ConsoleTabFinding
{
    /// <summary>Elements that hold a text.</summary>
    internal static ILocator Find(this ConsoleTab tab, string selector, string text) =>
        tab.Find(selector).Filter(new LocatorFilterOptions { HasText = text });
}
