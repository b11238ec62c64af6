using System.Net;
using System.Text.RegularExpressions;
using DataLayer.Protocol.Http;
using DataLayer.Tests.House;

namespace DataLayer.Tests.Server;

/// <summary>How the console's files are served: to anybody, from memory, cached by their hash, under a strict policy.</summary>
[Collection(ServiceCollection.Name)]
public sealed partial class ConsolePagesTests(RunningService service)
{
    [Fact]
    public async Task The_page_is_served_with_a_policy_that_allows_nothing_but_this_service()
    {
        using HttpResponseMessage answer = await GetAsync("/console/");

        string policy = answer.Headers.GetValues("Content-Security-Policy").Single();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.True(answer.Headers.CacheControl!.NoCache);
        string page = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotMatch(@"<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|<style", page);
        Assert.DoesNotContain("{{", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_page_needs_is_there_and_may_be_kept_for_good()
    {
        string page = await service.Http.GetStringAsync(new Uri("/console/", UriKind.Relative));
        string[] files = [.. Reference().Matches(page).Select(m => m.Groups["file"].Value)];
        Assert.True(files.Length >= 4, page);
        foreach (string file in files)
        {
            using HttpResponseMessage answer = await GetAsync("/console/" + file);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("public, max-age=31536000, immutable", answer.Headers.CacheControl!.ToString());
        }
    }

    [Fact]
    public async Task What_the_browser_has_already_is_not_sent_again()
    {
        using HttpResponseMessage first = await GetAsync("/console/");
        using HttpRequestMessage again = new(HttpMethod.Get, "/console/");
        again.Headers.IfNoneMatch.Add(first.Headers.ETag!);
        using HttpResponseMessage second = await service.Http.SendAsync(again);
        using HttpResponseMessage head = await service.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/console/"));

        Assert.Equal(HttpStatusCode.NotModified, second.StatusCode);
        Assert.Equal(first.Headers.ETag, head.Headers.ETag);
        Assert.Equal(first.Content.Headers.ContentLength, head.Content.Headers.ContentLength);
    }

    [Fact]
    public async Task Compressed_and_plain_hold_the_same()
    {
        using HttpRequestMessage request = new(HttpMethod.Get, "/console/");
        request.Headers.AcceptEncoding.ParseAdd("gzip");
        using HttpResponseMessage answer = await service.Http.SendAsync(request);
        await using System.IO.Compression.GZipStream unpacked = new(
            await answer.Content.ReadAsStreamAsync(), System.IO.Compression.CompressionMode.Decompress);
        using StreamReader reader = new(unpacked);

        Assert.Equal(await service.Http.GetStringAsync(new Uri("/console/", UriKind.Relative)), await reader.ReadToEndAsync());
    }

    [Theory]
    [InlineData("/console/assets/0000000000000000/app.js")]
    [InlineData("/console/assets/VERSION/none.js")]
    [InlineData("/console/assets/VERSION/index.html")]
    [InlineData("/console/assets/VERSION/..%2f..%2fdatalayer.dll")]
    [InlineData("/console/app.js")]
    public async Task Nothing_else_is_served(string target)
    {
        string page = await service.Http.GetStringAsync(new Uri("/console/", UriKind.Relative));
        string version = Reference().Match(page).Groups["version"].Value;

        using HttpResponseMessage answer = await GetAsync(target.Replace("VERSION", version, StringComparison.Ordinal));

        Assert.Contains(answer.StatusCode, new[] { HttpStatusCode.NotFound, HttpStatusCode.BadRequest });
        Assert.Equal(ApiRoutes.ProblemMediaType, answer.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task Without_the_slash_it_leads_to_the_page_also_below_a_path_of_a_proxy()
    {
        using HttpClient still = new(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = service.Url };

        using HttpResponseMessage answer = await still.GetAsync(new Uri("/console", UriKind.Relative));

        Assert.Equal(HttpStatusCode.PermanentRedirect, answer.StatusCode);
        Assert.Equal("console/", answer.Headers.Location!.ToString());
    }

    [Fact]
    public void Modules_of_the_console_know_those_below_them_only()
    {
        string root = Path.Combine(Repository.Root, "src", "DataLayer.Server", "Console");
        List<string> wrong = [];
        foreach (string file in Directory.EnumerateFiles(root, "*.js", SearchOption.AllDirectories))
        {
            string from = Path.GetRelativePath(root, file);
            foreach (Match match in Import().Matches(File.ReadAllText(file)))
            {
                string to = Path.GetRelativePath(root, Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, match.Groups["module"].Value)));
                bool allowed = File.Exists(Path.Combine(root, to)) && LayerOf(to) <= LayerOf(from) && LayerOf(to) < 2;
                if (!allowed)
                {
                    wrong.Add($"{from} imports {to}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void No_file_of_the_console_is_too_long_or_makes_markup_of_text()
    {
        string root = Path.Combine(Repository.Root, "src", "DataLayer.Server", "Console");
        string[] files = [.. Directory.EnumerateFiles(root, "*.js", SearchOption.AllDirectories)];
        Assert.All(files, file => Assert.InRange(File.ReadLines(file).Count(), 1, 400));
        Assert.All(files, file => Assert.DoesNotMatch(@"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", File.ReadAllText(file)));
    }

    private static int LayerOf(string module) => module.Split('/')[0] switch { "lib" => 0, "views" => 1, _ => 2 };

    private Task<HttpResponseMessage> GetAsync(string target) => service.Http.GetAsync(new Uri(target, UriKind.Relative));

    [GeneratedRegex("(?:href|src)=\"(?<file>assets/(?<version>[0-9a-f]{16})/[^\"]+)\"")]
    private static partial Regex Reference();

    [GeneratedRegex("^import [^;]*from \"(?<module>\\.[^\"]+)\";", RegexOptions.Multiline)]
    private static partial Regex Import();
}
