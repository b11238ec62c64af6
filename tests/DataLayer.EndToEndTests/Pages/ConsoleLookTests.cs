using DataLayer.TestSupport;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace DataLayer.EndToEndTests.Pages;

/// <summary>The console for everybody: by keyboard alone, on a narrow screen, in the dark, read aloud.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class ConsoleLookTests(ConsoleSite site)
{
    private static readonly string[] _views = ["overview", "tree/data", "datasets", "policy", "plans", "jobs", "doctor"];
    private static readonly string _checks = File.ReadAllText(
        Path.Combine(RepositoryRoot.Path, "tests", "DataLayer.EndToEndTests", "Pages", "accessibility.js"));

    [Theory]
    [InlineData(1280, ColorScheme.Light)]
    [InlineData(1280, ColorScheme.Dark)]
    [InlineData(390, ColorScheme.Light)]
    [InlineData(390, ColorScheme.Dark)]
    public async Task Every_view_fits_its_width_and_can_be_read_by_everybody(int width, ColorScheme scheme)
    {
        await using var tab = await site.OpenAsync("overview", width, scheme);
        List<string> wrong = [];
        foreach (var view in _views)
        {
            await tab.GoToAsync(view);
            await Expect(tab.Find($".view-{view.Split('/')[0]}")).ToBeVisibleAsync();
            await Expect(tab.Page.GetByText("Asking …")).ToHaveCountAsync(0);
            await tab.KeepPictureAsync($"{view.Split('/')[0]}-{width}-{scheme.ToString().ToLowerInvariant()}");
            var beyond = await tab.Page.EvaluateAsync<int>("() => document.documentElement.scrollWidth - document.documentElement.clientWidth");
            if (beyond > 0)
            {
                wrong.Add($"{view}: {beyond} pixels wider than the window");
            }

            wrong.AddRange((await tab.Page.EvaluateAsync<string[]>(_checks)).Select(fault => $"{view}: {fault}"));
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task Every_control_is_reached_by_tab_is_seen_to_be_and_lets_go_again()
    {
        await using var tab = await site.OpenAsync("overview");
        List<string> wrong = [];
        foreach (var view in _views)
        {
            await tab.GoToAsync(view);
            await Expect(tab.Find($".view-{view.Split('/')[0]}")).ToBeVisibleAsync();
            await Expect(tab.Page.GetByText("Asking …")).ToHaveCountAsync(0);
            await tab.Find(".skip").FocusAsync();
            var wanted = await CountControlsAsync(tab);
            HashSet<string> reached = [];
            var (first, ended) = ("", false);
            for (var i = 0; i < wanted + 10; i++)
            {
                var (id, fault) = await FocusedAsync(tab);
                // Past the last one the browser goes to its own controls or back to the first.
                ended = id.Length == 0 || id == first;
                if (ended)
                {
                    break;
                }

                first = i == 0 ? id : first;
                reached.Add(id);
                if (fault.Length > 0)
                {
                    wrong.Add($"{view}: {fault}");
                }

                await tab.Page.Keyboard.PressAsync("Tab");
            }

            // What is asked for meanwhile may add a control or take one away.
            wanted = Math.Min(wanted, await CountControlsAsync(tab));
            if (reached.Count < wanted || !ended)
            {
                wrong.Add($"{view}: {reached.Count} of {wanted} controls were reached, and the end {(ended ? "too" : "was not")}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public async Task The_tree_and_a_dialog_are_worked_by_keyboard_alone()
    {
        await using var tab = await site.OpenAsync("overview");
        await tab.SeeAsync("Hit ratio");
        await tab.Page.Keyboard.PressAsync("Tab");
        await Expect(tab.Find(".skip")).ToBeFocusedAsync();
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Find("#main")).ToBeFocusedAsync();
        await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Tree" }).FocusAsync();
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Page.GetByRole(AriaRole.Heading, new() { Name = "Tree" })).ToBeFocusedAsync();

        var grid = tab.Page.GetByRole(AriaRole.Treegrid);
        await Expect(grid.GetByText("data/")).ToBeVisibleAsync();
        await grid.FocusAsync();
        await tab.Page.Keyboard.PressAsync("ArrowDown");
        await tab.Page.Keyboard.PressAsync("ArrowRight");
        await Expect(grid.GetByText("large/")).ToBeVisibleAsync();
        await Expect(grid.GetByRole(AriaRole.Row).First).ToHaveAttributeAsync("aria-expanded", "true");
        await tab.Page.Keyboard.PressAsync("ArrowDown");
        await Expect(tab.Find(".panel h2")).ToHaveTextAsync("large");
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Find(".crumbs [aria-current]")).ToHaveTextAsync("large");
        await Expect(grid.GetByText("part-0.bin")).ToBeVisibleAsync();
        await grid.FocusAsync();
        await tab.Page.Keyboard.PressAsync("ArrowDown");
        await Expect(tab.Find(".panel h2")).ToHaveTextAsync("part-0.bin");

        await tab.Button("Evict").FocusAsync();
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Dialog.GetByRole(AriaRole.Button, new() { Name = "Keep as it is" })).ToBeFocusedAsync();
        await tab.Page.Keyboard.PressAsync("Escape");
        await Expect(tab.Dialog).ToHaveCountAsync(0);
        await Expect(tab.Button("Evict")).ToBeFocusedAsync();
        tab.AssertNoComplaints();
    }

    [Fact]
    public async Task The_theme_follows_the_system_until_one_is_chosen()
    {
        await using var tab = await site.OpenAsync("datasets", scheme: ColorScheme.Dark);
        await tab.SeeAsync("/data");
        const string Background = "() => getComputedStyle(document.documentElement).backgroundColor";
        var dark = await tab.Page.EvaluateAsync<string>(Background);

        await tab.Page.GetByLabel("Theme").SelectOptionAsync("light");
        var light = await tab.Page.EvaluateAsync<string>(Background);
        await tab.Page.ReloadAsync();
        await tab.SeeAsync("/data");

        Assert.NotEqual(dark, light);
        Assert.Equal(light, await tab.Page.EvaluateAsync<string>(Background));
        await Expect(tab.Page.GetByLabel("Theme")).ToHaveValueAsync("light");
        tab.AssertNoComplaints();
    }

    private static Task<int> CountControlsAsync(ConsoleTab tab) => tab.Page.EvaluateAsync<int>("""
        () => [...document.querySelectorAll('a[href], button, select, input, textarea, summary, [tabindex="0"]')]
          .filter(e => !e.disabled && e.checkVisibility()).length
        """);

    /// <summary>What has the focus (empty at the page's end), and what is wrong with how that is shown (empty for nothing).</summary>
    private static async Task<(string Id, string Fault)> FocusedAsync(ConsoleTab tab)
    {
        var said = await tab.Page.EvaluateAsync<string[]>("""
            () => {
              const element = document.activeElement;
              if (element === null || element === document.body) {
                return ["", ""];
              }
              window.stops ??= new Map();
              if (!window.stops.has(element)) {
                window.stops.set(element, String(window.stops.size + 1));
              }
              const shown = [element, element.closest(".editor")].some(e => {
                const style = e && getComputedStyle(e);
                return style && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              });
              const box = element.getBoundingClientRect();
              const inView = box.bottom > 0 && box.top < innerHeight;
              const name = `${element.tagName} ${element.textContent.trim().slice(0, 30) || element.getAttribute("aria-label")}`;
              return [window.stops.get(element), shown ? inView ? "" : `${name} has the focus out of view` : `${name} does not show its focus`];
            }
            """);
        return (said[0], said[1]);
    }
}
