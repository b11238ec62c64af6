using DataLayer.TestSupport;
using Microsoft.Playwright;

namespace DataLayer.EndToEndTests.Pages;

/// <summary>
/// One open console. Whatever the browser complains about is kept: faults of scripts, and everything that the security
/// policy had to stop.
/// </summary>
internal sealed class ConsoleTab : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly Uri _server;
    private readonly List<string> _complaints = [];

    internal ConsoleTab(IBrowserContext context, IPage page, Uri server)
    {
        (_context, Page, _server) = (context, page, server);
        page.Console += (_, message) =>
        {
            // That a request was refused stands in the log too; tests of refusals look at the page instead.
            if (message.Type is "error" or "warning" && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal))
            {
                _complaints.Add(message.Text);
            }
        };
        page.PageError += (_, error) => _complaints.Add(error);
    }

    internal IPage Page { get; }

    internal Task GoToAsync(string view) => Page.GotoAsync($"{_server.ToString().TrimEnd('/')}/console/#/{view}");

    internal ILocator Find(string selector) => Page.Locator(selector);

    internal ILocator Button(string name) => Page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = name });

    internal ILocator Dialog => Page.GetByRole(AriaRole.Dialog);

    /// <summary>Waits until a text is seen.</summary>
    internal Task SeeAsync(string text) => Assertions.Expect(Page.GetByText(text).First).ToBeVisibleAsync();

    /// <summary>Writes what one would see to the results.</summary>
    internal Task KeepPictureAsync(string name) => Page.ScreenshotAsync(new PageScreenshotOptions
    {
        Path = Path.Combine(RepositoryRoot.Path, "artifacts", "test-results", "console", name + ".png"),
    });

    internal void AssertNoComplaints() => Assert.Empty(_complaints);

    public async ValueTask DisposeAsync() => await _context.DisposeAsync();
}
