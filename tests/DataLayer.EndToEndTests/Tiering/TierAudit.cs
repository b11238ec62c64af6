using System.Security.Cryptography;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests.Tiering;

/// <summary>The outside auditor (<c>eng/audit-tiers</c>): it reads metadata, targets and bucket without any code of the service.</summary>
/// <param name="settings">The service's settings.</param>
/// <param name="folder">A folder of the test's own.</param>
/// <param name="endpoint">Where the buckets are.</param>
internal sealed class TierAudit(ServiceSettings settings, TempFolder folder, Uri endpoint)
{
    private readonly Dictionary<string, string> _expected = new(StringComparer.Ordinal);

    /// <summary>What the file has to hold from now on.</summary>
    internal void Expect(string path, ReadOnlySpan<byte> bytes) => _expected[path] = Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>Whether bytes are what was expected of a file.</summary>
    internal bool IsRight(string path, ReadOnlySpan<byte> bytes) => _expected[path] == Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>Runs it and fails where it finds a file without a whole copy. Returns its one line of counts.</summary>
    /// <param name="isLive">Whether the service runs.</param>
    internal async Task<string> RunAsync(bool isLive = false)
    {
        var list = folder.Combine("expected.tsv");
        await File.WriteAllLinesAsync(list, _expected.Select(file => $"{file.Value}\t{file.Key}"));
        string[] arguments =
        [
            Path.Combine(RepositoryRoot.Path, "eng", "audit-tiers"), "--state", settings.StateFolder, "--expect", list,
            "--s3", endpoint.ToString(), .. settings.Targets.SelectMany(target => (string[])["--target", target]),
            .. isLive ? ["--live"] : Array.Empty<string>(),
        ];
        var keys = new Dictionary<string, string> { ["AUDIT_ACCESS_KEY"] = settings.Stores[0].AccessKey, ["AUDIT_SECRET_KEY"] = settings.Stores[0].SecretKey };
        var result = await Command.TryRunAsync("python3", arguments, keys, CancellationToken.None);
        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        return result.Output.Trim();
    }
}
