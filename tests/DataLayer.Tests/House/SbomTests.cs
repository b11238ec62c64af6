using System.Diagnostics;
using System.Text.Json.Nodes;
using DataLayer.TestSupport;

namespace DataLayer.Tests.House;

/// <summary>The list of parts (eng/sbom) names all that the lock files do, each with version, hash and licence, and nothing else.</summary>
public sealed class SbomTests
{
    [Fact]
    public async Task Every_package_of_the_lock_files_is_listed_with_its_licence_and_nothing_else_is()
    {
        using TempFolder folder = new("sbom");
        await MakeAsync(folder.Combine("one"));
        await MakeAsync(folder.Combine("two"));
        string text = await File.ReadAllTextAsync(folder.Combine("one/datalayer.cdx.json"));
        JsonNode document = JsonNode.Parse(text)!;
        JsonArray components = document["components"]!.AsArray();
        HashSet<string> listed = [.. components.Select(c => (string)c!["purl"]!)];

        Assert.Equal(text, await File.ReadAllTextAsync(folder.Combine("two/datalayer.cdx.json")));
        Assert.Equal(("CycloneDX", "1.5"), ((string)document["bomFormat"]!, (string)document["specVersion"]!));
        Assert.Equal(Locked().Order(StringComparer.OrdinalIgnoreCase), listed.Order(StringComparer.OrdinalIgnoreCase), StringComparer.OrdinalIgnoreCase);
        Assert.Equal(components.Count, listed.Count);
        string[] licences = await File.ReadAllLinesAsync(folder.Combine("one/licences.txt"));
        foreach (JsonNode? component in components)
        {
            string name = (string)component!["name"]!;
            Assert.NotEmpty(component["licenses"]!.AsArray());
            Assert.Equal(128, ((string)component["hashes"]![0]!["content"]!).Length);
            Assert.Equal((string)component["scope"]! == "required", licences.Any(l => l.StartsWith(name + " ", StringComparison.Ordinal)));
        }

        // Each dependency that is named is there.
        IEnumerable<string> refs = document["dependencies"]!.AsArray().SelectMany(d => d!["dependsOn"]!.AsArray().Select(r => (string)r!));
        Assert.Empty(refs.Except(listed, StringComparer.Ordinal));
    }

    private static HashSet<string> Locked()
    {
        HashSet<string> all = new(StringComparer.OrdinalIgnoreCase);
        foreach (string root in new[] { "src", "csi" })
        {
            foreach (string project in Directory.EnumerateFiles(Path.Combine(RepositoryRoot.Path, root), "*.csproj", SearchOption.AllDirectories))
            {
                string file = Path.Combine(Path.GetDirectoryName(project)!, "packages.lock.json");
                Assert.True(File.Exists(file), file);
                foreach ((string _, JsonNode? packages) in JsonNode.Parse(File.ReadAllText(file))!["dependencies"]!.AsObject())
                {
                    all.UnionWith(packages!.AsObject().Where(p => (string)p.Value!["type"]! != "Project")
                        .Select(p => $"pkg:nuget/{p.Key}@{(string)p.Value!["resolved"]!}"));
                }
            }
        }

        JsonObject npm = JsonNode.Parse(File.ReadAllText(Path.Combine(RepositoryRoot.Path, "src/DataLayer.Server/Console/package-lock.json")))!["packages"]!.AsObject();
        all.UnionWith(npm.Where(p => p.Key.Length > 0).Select(p => $"pkg:npm/{p.Key["node_modules/".Length..]}@{(string)p.Value!["version"]!}"));
        return all;
    }

    private static async Task MakeAsync(string folder)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        using Process process = Process.Start(new ProcessStartInfo(Path.Combine(RepositoryRoot.Path, "eng/sbom"), [folder]) { RedirectStandardError = true, UseShellExecute = false })!;
        string error = await process.StandardError.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        Assert.True(process.ExitCode == 0, error);
    }
}
