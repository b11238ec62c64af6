using DataLayer.TestSupport;
using DataLayer.TestSupport.Service;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DataLayer.EndToEndTests.Pages;

/// <summary>Who may see what in the console, where a token is kept, and what is shown while the service is away.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class ConsoleAccessTests(ConsoleSite site)
{
    [Fact]
    public async Task A_token_is_asked_for_checked_and_kept_in_the_tab_only()
    {
        using var folder = new TempFolder("console-token");
        await using var service = await StartGuardedAsync(folder);
        var admin = await MakeTokenAsync(service, "admin");
        await using var tab = await site.OpenAsync("overview", server: service.Endpoint);
        var input = tab.Page.GetByLabel("Token");
        await Expect(input).ToBeFocusedAsync();

        await input.FillAsync("dl_000000000000_wrong");
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("token");
        Assert.Null(await tab.Page.EvaluateAsync<string?>("() => sessionStorage.getItem('datalayer-token')"));
        await tab.Page.GetByLabel("Token").FillAsync(admin);
        await tab.Page.Keyboard.PressAsync("Enter");
        await tab.SeeAsync("Hit ratio");

        Assert.Equal(admin, await tab.Page.EvaluateAsync<string>("() => sessionStorage.getItem('datalayer-token')"));
        Assert.Equal("[]", await tab.Page.EvaluateAsync<string>("() => JSON.stringify(Object.values(localStorage))"));
        Assert.Empty(await tab.Page.Context.CookiesAsync());
        Assert.DoesNotContain(admin, tab.Page.Url, StringComparison.Ordinal);
        await tab.Button("Sign out").ClickAsync();
        await Expect(tab.Page.GetByLabel("Token")).ToBeFocusedAsync();
        Assert.Null(await tab.Page.EvaluateAsync<string?>("() => sessionStorage.getItem('datalayer-token')"));
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task What_a_role_may_not_do_is_not_offered()
    {
        using var folder = new TempFolder("console-roles");
        await using var service = await StartGuardedAsync(folder);
        var reader = await MakeTokenAsync(service, "reader");
        var tenant = await MakeTokenAsync(service, "tenant", "--scope", "/teams/a");

        await using var first = await SignInAsync(service, reader, "jobs");
        await first.SeeAsync("No job yet.");
        await Expect(first.Button("New warm-up …")).ToHaveCountAsync(0);
        await first.GoToAsync("policy");
        await Expect(first.Button("Save as new version …")).ToHaveCountAsync(0);
        await first.GoToAsync("datasets");
        await first.SeeAsync("Somebody with the role admin attaches buckets.");
        await Expect(first.Button("Attach …")).ToHaveCountAsync(0);

        await using var second = await SignInAsync(service, tenant, "tree");
        await Expect(second.Page.GetByRole(AriaRole.Link, new() { Name = "Overview" })).ToHaveCountAsync(0);
        await Expect(second.Find(".who")).ToContainTextAsync("tenant of /teams/a");
        await Expect(second.Find(".failure")).ToContainTextAsync("/teams/a");
        await second.GoToAsync("tree/teams/b");
        await Expect(second.Find(".failure")).ToContainTextAsync("outside of what the caller");
        first.AssertNoComplaints();
        second.AssertNoComplaints();
    }

    [Fact]
    public async Task A_token_that_is_revoked_while_the_page_is_open_leads_back_to_the_sign_in()
    {
        using var folder = new TempFolder("console-revoked");
        await using var service = await StartGuardedAsync(folder);
        var reader = await MakeTokenAsync(service, "reader");
        await using var tab = await SignInAsync(service, reader, "overview");
        await tab.SeeAsync("Hit ratio");

        var revoked = await service.RunVerbAsync("token", "revoke", reader.Split('_')[1], "--config", ConfigurationOf(service));

        Assert.Equal(0, revoked.ExitCode);
        await Expect(tab.Page.GetByLabel("Token")).ToBeVisibleAsync();
        Assert.Null(await tab.Page.EvaluateAsync<string?>("() => sessionStorage.getItem('datalayer-token')"));
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task While_the_service_is_away_a_banner_says_so_and_what_was_seen_stays()
    {
        using var folder = new TempFolder("console-away");
        await using var service = await ServiceProcess.StartAsync(
            new ServiceSettings { StateFolder = folder.MakeFolder("state"), Port = FreePort.Next() });
        await using var tab = await site.OpenAsync("overview", server: service.Endpoint);
        await tab.SeeAsync("Service up");
        await Expect(tab.Find(".tile")).ToHaveCountAsync(7);

        await service.KillAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("The service does not answer.");
        await Expect(tab.Find(".tile")).ToHaveCountAsync(7);
        await tab.Button("Try now").ClickAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("Next try in 2 s.");
        await service.RestartAsync();

        await Expect(tab.Page.GetByRole(AriaRole.Alert)).ToHaveCountAsync(0, new() { Timeout = 30_000 });
        await Expect(tab.Find(".tile", "Service up")).ToContainTextAsync(" s");
        tab.AssertNoComplaints();
    }

    private static async Task<ServiceProcess> StartGuardedAsync(TempFolder folder) => await ServiceProcess.StartAsync(
        new ServiceSettings
        {
            StateFolder = folder.MakeFolder("state"),
            UnixSocketPath = folder.Combine("api.sock"),
            More = "auth:\n  anonymousLoopback: false\n",
        });

    private static string ConfigurationOf(ServiceProcess service) => Path.Combine(service.Settings.StateFolder, "datalayer.yaml");

    private static async Task<string> MakeTokenAsync(ServiceProcess service, string role, params string[] more)
    {
        var made = await service.RunVerbAsync(["token", "create", "--config", ConfigurationOf(service), "--role", role, .. more]);
        Assert.True(made.ExitCode == 0, made.Error);
        return made.Output.Trim();
    }

    private async Task<ConsoleTab> SignInAsync(ServiceProcess service, string token, string view)
    {
        var tab = await site.OpenAsync(view, server: service.Endpoint);
        await tab.Page.GetByLabel("Token").FillAsync(token);
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Find(".who")).ToBeVisibleAsync();
        return tab;
    }
}
