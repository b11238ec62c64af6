using DataLayer.Protocol.Http;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Service;
using Microsoft.Playwright;

namespace DataLayer.EndToEndTests.Pages;

/// <summary>Tests of the console share one browser and one service with real data, and run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class ConsoleCollection : ICollectionFixture<ConsoleSite>
{
    public const string Name = "console";
}

/// <summary>
/// Debian's chromium, and a service whose tree has a folder of many files (one page of a listing is not enough) and one
/// of a few larger ones, all in a bucket.
/// </summary>
public sealed class ConsoleSite : IAsyncLifetime
{
    public const int ManyFiles = 1700;
    private readonly TempFolder _folder = new("console");
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>The service.</summary>
    public ServiceProcess Service { get; private set; } = null!;

    /// <summary>The bucket's folder.</summary>
    public string Bucket => _folder.Combine("bucket");

    public async Task InitializeAsync()
    {
        Directory.CreateDirectory(Path.Combine(Bucket, "many"));
        Directory.CreateDirectory(Path.Combine(Bucket, "large"));
        var random = new Random(11);
        for (var i = 0; i < ManyFiles; i++)
        {
            await File.WriteAllTextAsync(Path.Combine(Bucket, "many", $"{i:D6}.txt"), $"sample {i}");
        }

        for (var i = 0; i < 6; i++)
        {
            var content = new byte[3 << 20];
            random.NextBytes(content);
            await File.WriteAllBytesAsync(Path.Combine(Bucket, "large", $"part-{i}.bin"), content);
        }

        Service = await ServiceProcess.StartAsync(new ServiceSettings
        {
            StateFolder = _folder.MakeFolder("state"),
            More = "costs:\n  budgets:\n    - {name: imagery, amount: 5, per: day, dataset: /data}\n",
        });
        await Service.Client.Admin.AttachAsync(
            new AttachCommand { Source = "file://" + Bucket, Path = "/data", Store = "files", Mode = Core.Tree.AttachmentMode.ReadWrite });
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = "/usr/bin/chromium",
            Args = ["--no-sandbox", "--disable-dev-shm-usage"],
        });
    }

    public async Task DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.DisposeAsync();
        }

        _playwright?.Dispose();
        if (Service is not null)
        {
            await Service.DisposeAsync();
        }

        _folder.Dispose();
    }

    /// <summary>Opens a view in a browser context of its own: no storage of another test is seen.</summary>
    /// <param name="view">What stands behind "#/".</param>
    /// <param name="width">The window's width, pixels.</param>
    /// <param name="scheme">What the system prefers.</param>
    /// <param name="server">Another service; null for the shared one.</param>
    internal async Task<ConsoleTab> OpenAsync(
        string view, int width = 1280, ColorScheme scheme = ColorScheme.Light, Uri? server = null)
    {
        var context = await _browser!.NewContextAsync(new BrowserNewContextOptions
        {
            ViewportSize = new ViewportSize { Width = width, Height = width < 500 ? 844 : 860 },
            ColorScheme = scheme,
            ReducedMotion = ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout(15_000);
        var tab = new ConsoleTab(context, await context.NewPageAsync(), server ?? Service.Endpoint);
        await tab.GoToAsync(view);
        return tab;
    }
}
