using System.CommandLine;

namespace DataLayer.Server.Cli;

/// <summary>Verb cache: stats.</summary>
internal static class CacheCommands
{
    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory) =>
        CommandFactory.Group("cache", "The memory tier.", [StatisticsCommands.MakeCache(factory)]);
}
