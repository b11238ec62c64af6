using System.Globalization;
using System.Text.RegularExpressions;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;

namespace DataLayer.EndToEndTests.Clients;

/// <summary>
/// The Python client against the service as users run it, by Debian's own pytest: its tests start and end the service themselves.
/// </summary>
public sealed partial class PythonClientTests
{
    private static readonly TimeSpan _limit = TimeSpan.FromMinutes(5);

    [Theory]
    [InlineData("test_order.py", 7)]
    [InlineData("test_batch.py", 18)]
    [InlineData("test_wire.py", 33)]
    [InlineData("test_files.py", 16)]
    [InlineData("test_checkpoint.py", 8)]
    [InlineData("test_feed.py", 27)]
    [InlineData("test_kills.py", 1)]
    [InlineData("test_torch.py", 9)]
    [InlineData("test_examples.py", 4)]
    [InlineData("test_package.py", 3)]
    [InlineData("test_docs.py", 1)]
    [InlineData("test_tls.py", 3)]
    public async Task The_Python_client_keeps_what_it_says(string file, int fewest)
    {
        string folder = Path.Combine(RepositoryRoot.Path, "tests", "python", "client");
        Dictionary<string, string> environment = new()
        {
            ["DATALAYER_PROGRAM"] = BuiltProgram.DataLayer,
            ["PYTHONDONTWRITEBYTECODE"] = "1",
            ["OMP_NUM_THREADS"] = "2",
        };

        // Debian's own interpreter: its packages are there and nowhere else.
        using CancellationTokenSource limit = new(_limit);
        CommandResult result = await Command.TryRunAsync(
            "/usr/bin/python3",
            ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=120", Path.Combine(folder, file)],
            environment,
            limit.Token);

        // "12 passed in 3.4s"; failures and skips would stand in front of, or behind, what passed.
        Match last = LastLine().Match(result.Output.TrimEnd().Split('\n')[^1]);
        Assert.True(result.ExitCode == 0 && last.Success, result.Output + result.Error);
        Assert.True(int.Parse(last.Groups["count"].ValueSpan, CultureInfo.InvariantCulture) >= fewest, last.Value);
    }

    [GeneratedRegex(@"^(?<count>\d+) passed(, \d+ warnings?)? in ", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex LastLine();
}
