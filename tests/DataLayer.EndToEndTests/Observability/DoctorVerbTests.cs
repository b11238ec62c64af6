using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.EndToEndTests.Faults;
using DataLayer.TestSupport.Origins;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests.Observability;

/// <summary>The doctor as a person asks it, over a running service.</summary>
public sealed class DoctorVerbTests
{
    [Fact]
    public async Task It_names_a_throttled_store_to_people_to_programs_and_to_scripts()
    {
        await using var it = await Installation.StartWithOriginAsync();
        OriginFaultTests.Fill(it.Origin, 3);
        await it.AttachAsync();
        var requests = 0;
        it.Origin.Script = request => request.Verb == "GET" && Interlocked.Increment(ref requests) % 3 != 0
            ? OriginScript.SlowDown
            : OriginScript.Serve;

        var text = await AskAsync(it, "doctor", "--ahead", "--window", "2s");
        Assert.Equal(0, text.ExitCode);
        Assert.StartsWith("The object store asks for fewer requests", text.Output, StringComparison.Ordinal);
        Assert.Contains("1. origin-throttled: ", text.Output, StringComparison.Ordinal);
        Assert.Contains("change   objectStores[].requests (now 64)", text.Output, StringComparison.Ordinal);

        var json = await AskAsync(it, "doctor", "--ahead", "--window", "1s", "--check", "--json");
        Assert.Equal(1, json.ExitCode);
        using var report = JsonDocument.Parse(json.Output);
        Assert.Equal("origin-throttled", report.RootElement.GetProperty("causes")[0].GetProperty("cause").GetString());
        Assert.True(report.RootElement.GetProperty("waitSeconds").GetProperty("origin_throttled").GetDouble() > 0);

        // Nobody reads any more: the window of the last second is quiet.
        var quiet = await it.Service.RunVerbAsync("doctor", "--ahead", "--window", "1s", "--check");
        Assert.True(quiet.ExitCode == 0, quiet.Output);
        Assert.StartsWith("Nothing to change", quiet.Output, StringComparison.Ordinal);
    }

    /// <summary>Asks while a job reads.</summary>
    private static async Task<TestSupport.Processes.CommandResult> AskAsync(Installation it, params string[] verb)
    {
        var asked = DataLayerProgram.RunAsync(verb, it.Service.Endpoint);
        while (!asked.IsCompleted)
        {
            try
            {
                await it.ReadAsync("/data/f0");
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.OriginUnavailable)
            {
                // So many refusals use up the retries of a while.
            }

            await it.EvictAsync("/data", hot: true);
        }

        return await asked;
    }
}
