using System.CommandLine;
using DataLayer.Client;
using DataLayer.Server.Demo;

namespace DataLayer.Server.Cli;

/// <summary>Verb demo: the main job on real input, as <c>eng/run</c> shows it.</summary>
internal static class DemoCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Option<string> bucket = new("--bucket")
        {
            Description = "The folder that serves as bucket for the demo's dataset.",
            Required = true,
        };
        Option<string?> data = new("--data") { Description = "A folder with one's own files instead." };
        Option<string> store = new("--store")
        {
            Description = "The configured object store of kind directory.",
            DefaultValueFactory = _ => "default",
        };
        Option<int> passes = new("--passes")
        {
            Description = "How often everything is read.",
            DefaultValueFactory = _ => 3,
        };
        Option<int> readers = new("--readers")
        {
            Description = "How many readers at a time.",
            DefaultValueFactory = _ => 8,
        };
        Option<string?> mount = new("--mount")
        {
            Description = "Mount the dataset here, and read it once through the mount.",
            HelpName = "DIR",
        };
        Option<int> seed = new("--seed") { Description = "Seed of the order.", DefaultValueFactory = _ => 1 };
        return factory.Make(
            "demo", "Attaches a dataset, reads it several times in shuffled order, then through a feed.",
            [bucket, data, store, passes, readers, mount, seed],
            (run, cancellationToken) =>
            {
                DataLayerClientOptions client = run.ClientOptions();
                DemoOptions options = new()
                {
                    Server = run.Server,
                    BucketFolder = run.Arguments.GetValue(bucket)!,
                    DataFolder = run.Arguments.GetValue(data),
                    StoreName = run.Arguments.GetValue(store)!,
                    PassCount = run.Arguments.GetValue(passes),
                    ReaderCount = run.Arguments.GetValue(readers),
                    MountFolder = run.Arguments.GetValue(mount),
                    Seed = run.Arguments.GetValue(seed),
                    Token = client.Token,
                    TokenFile = client.TokenFile,
                    Json = run.Json,
                };
                return new DemoJob(options, run.Client, run.Out).RunAsync(cancellationToken);
            });
    }
}
