using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Server.Demo;
using Spectre.Console;

namespace DataLayer.Tests.Server;

/// <summary>The main job as <c>eng/run</c> shows it, against a service in this process.</summary>
[Collection(ServiceCollection.Name)]
public sealed class DemoTests(RunningService service)
{
    [Fact]
    public async Task A_second_run_on_what_is_attached_already_reads_its_passes_again_and_each_ends_with_a_feed()
    {
        string bucket = service.MakeBucket(("a/1", "one"), ("a/2", "two"), ("b/3", "three"));
        try
        {
            JsonElement first = await RunAsync(bucket);
            JsonElement second = await RunAsync(bucket);
            Assert.Equal((4, 4), (first.GetArrayLength(), second.GetArrayLength()));
            Assert.All(first.EnumerateArray().Concat(second.EnumerateArray()), pass => Assert.Equal(3, pass.GetProperty("files").GetInt64()));
            Assert.Equal(0, second[1].GetProperty("originRequests").GetInt64());

            Assert.Equal(["api", "api", "feed", "feed"], second.EnumerateArray().Select(pass => pass.GetProperty("through").GetString()));
            Assert.All(second.EnumerateArray().Skip(2), pass => Assert.Equal((11, 11), (pass.GetProperty("bytes").GetInt32(), pass.GetProperty("memoryHits").GetInt32())));

            // Other data at the same place is refused, and the message says what to do.
            DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => RunAsync(service.MakeBucket(("other", "x"))));
            Assert.Equal(ErrorCode.AlreadyExists, error.Code);
            Assert.Contains("Detach it first", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            await service.Client.Datasets.DeleteAsync("demo");
            await service.Client.Admin.DetachAsync("/demo", force: true);
        }
    }

    private async Task<JsonElement> RunAsync(string bucket)
    {
        using StringWriter text = new();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.No });
        console.Profile.Width = 10_000;
        DemoOptions options = new() { Server = service.Url.ToString(), BucketFolder = bucket, DataFolder = bucket, PassCount = 2, Json = true };
        Assert.Equal(0, await new DemoJob(options, service.Client, console).RunAsync(CancellationToken.None));
        return JsonDocument.Parse(text.ToString()).RootElement.GetProperty("passes");
    }
}
