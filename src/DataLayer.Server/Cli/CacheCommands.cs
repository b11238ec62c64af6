using System.CommandLine;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Storage.Cache.Simulation;

namespace DataLayer.Server.Cli;

/// <summary>Verb cache: stats, simulate.</summary>
internal static class CacheCommands
{
    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory) => CommandFactory.Group(
        "cache", "The memory tier.", [StatisticsCommands.MakeCache(factory), Simulate(factory)]);

    private static Command Simulate(CommandFactory factory)
    {
        Option<string> trace = new("--trace")
        {
            Description = "The trace, 'time key size' a line; - for standard input.",
            Required = true,
            HelpName = "FILE",
        };
        Option<string[]> policy = new("--policy")
        {
            Description = $"Policies: {string.Join(", ", CacheSimulator.PolicyNames)}; lru and belady always.",
            DefaultValueFactory = _ => ["guard"],
            AllowMultipleArgumentsPerToken = true,
            HelpName = "NAME",
        };
        Option<string> size = new("--size") { Description = "The cache's size, as 1GiB.", Required = true };
        return factory.Make(
            "simulate", "Replays a trace against eviction policies; prints one JSON row a policy.",
            [trace, policy, size],
            async (run, cancellationToken) =>
            {
                string sizeText = run.Arguments.GetValue(size)!;
                if (!UnitText.TryParseSize(sizeText, out long sizeBytes) || sizeBytes <= 0)
                {
                    throw new DataLayerException(
                        ErrorCode.InvalidArgument, $"--size '{sizeText}' is not a size, as 1GiB.");
                }

                string file = run.Arguments.GetValue(trace)!;
                string[] policies = [.. run.Arguments.GetValue(policy)!.SelectMany(p => p.Split(','))];
                using StreamReader reader = new(file == "-" ? run.Environment.OpenInput() : File.OpenRead(file));
                IReadOnlyList<SimulationRow> rows = await Task.Run(
                    () => CacheSimulator.Run(reader, policies, sizeBytes), cancellationToken);
                foreach (SimulationRow row in rows)
                {
                    run.Environment.Out.WriteLine(row.ToJson());
                }

                return ExitCode.Success;
            });
    }
}
