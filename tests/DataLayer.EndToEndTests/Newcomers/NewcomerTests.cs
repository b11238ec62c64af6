using DataLayer.EndToEndTests.Load;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Relay;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests.Newcomers;

/// <summary>What a person meets who does not know the program yet: each mistake is answered with what is wrong and what to do.</summary>
public sealed class NewcomerTests
{
    [Fact]
    public async Task A_bad_configuration_is_refused_with_every_mistake_and_its_line()
    {
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder.Combine("bad.yaml"), """
            stateDirectory: /tmp/x
            lisen:
              address: 127.0.0.1:0
            cache:
              capacity: lots
            pools:
              - name: default
                width: 3
                directories: [/tmp/t0]
            """);
        var result = await DataLayerProgram.RunAsync(["serve", "--config", folder.Combine("bad.yaml")]);
        Assert.NotEqual(0, result.ExitCode);
        var said = result.Error + result.Output;
        Assert.Contains("lisen", said, StringComparison.Ordinal);
        Assert.Contains("listen", said, StringComparison.Ordinal);
        Assert.Contains("lots", said, StringComparison.Ordinal);
        Assert.Matches("(:2|line 2)", said);
        Assert.Matches("(:5|line 5)", said);
        Assert.Contains("width", said, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("   at ", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_verb_is_an_error_that_helps()
    {
        var result = await DataLayerProgram.RunAsync(["lst", "/"]);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("lst", result.Error + result.Output, StringComparison.Ordinal);
        Assert.Contains("ls", result.Error + result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error + result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_lists_the_verbs()
    {
        var result = await DataLayerProgram.RunAsync(["--help"]);
        Assert.Equal(0, result.ExitCode);
        string[] verbs = ["serve", "attach", "detach", "ls", "stat", "cat", "put", "rm", "mv", "du", "warm", "evict", "stats", "fsck", "scrub", "cache", "config", "version"];
        Assert.All(verbs, verb => Assert.Contains(verb, result.Output, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_service_a_verb_says_where_it_looked_and_what_to_do()
    {
        var address = new Uri($"http://127.0.0.1:{FreePort.Next()}");
        var result = await DataLayerProgram.RunAsync(["ls", "/"], address);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains(address.Authority, result.Error, StringComparison.Ordinal);
        Assert.Contains("serve", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_service_over_the_same_state_is_refused()
    {
        await using var it = await Installation.StartAsync();
        var result = await DataLayerProgram.RunAsync(["serve", "--config", it.Service.Settings.StateFolder + "/datalayer.yaml"]);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains(it.Service.Settings.StateFolder, result.Error + result.Output, StringComparison.Ordinal);
        await it.Client.WriteFileAsync("/still-fine", "x"u8.ToArray());
    }

    [Fact]
    public async Task A_graceful_stop_ends_with_zero_and_keeps_everything()
    {
        await using var it = await Installation.StartAsync();
        await it.Client.WriteFileAsync("/f", new Content(1, 100_000).ToBytes());
        Assert.Equal(0, await it.Service.StopAsync());
        await it.Service.RestartAsync();
        Assert.Equal(new Content(1, 100_000).ToBytes(), await it.ReadAsync("/f"));
        Assert.Equal(0, await it.Service.StopAsync(Signals.Interrupt));
    }

    [Fact]
    public async Task Control_C_during_an_attach_leaves_a_listing_that_goes_on_where_it_stopped()
    {
        const int Objects = 8000;
        var origin = await TestSupport.Origins.ScriptedS3.StartAsync();
        await using var originEnd = origin;
        for (var i = 0; i < Objects; i++)
        {
            origin.Put(Installation.Bucket, $"data/{i:D5}", [1]);
        }

        // The third page waits until the interrupted program is gone.
        var interrupted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var relay = LatencyRelay.StartWithoutLatency(new(System.Net.IPAddress.Loopback, origin.Endpoint.Port));
        relay.Fault = request =>
        {
            if (request.Ordinal >= 3 && reached.TrySetResult())
            {
                return RelayFaultKind.HangBefore;
            }

            return interrupted.Task.IsCompleted || request.Ordinal < 3 ? RelayFault.None : RelayFaultKind.HangBefore;
        };
        await using var it = await Installation.StartAsync(s => s with { Stores = [new StoreSettings(relay.Endpoint)] });
        string[] verb = ["attach", $"s3://{Installation.Bucket}/data", "/data"];
        using var program = Command.Start("dotnet", [BuiltProgram.DataLayer, .. verb], DataLayerProgram.Environment(it.Service.Endpoint));
        OrphanWatch.Add(program.Id);
        await reached.Task;
        Signals.Send(program.Id, Signals.Interrupt);
        await program.WaitForExitAsync();
        Assert.NotEqual(0, program.ExitCode);
        interrupted.SetResult();

        var again = await it.Service.RunVerbAsync(verb);
        Assert.True(again.ExitCode == 0, again.Error + again.Output);
        var listed = 0;
        await foreach (var entry in it.Client.ListAsync("/data"))
        {
            listed++;
        }

        Assert.Equal(Objects, listed);
        await it.CheckCleanAsync();
    }
}
