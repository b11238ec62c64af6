using DataLayer.TestSupport.Processes;

namespace DataLayer.TestSupport.Service;

/// <summary>Runs verbs of the <c>datalayer</c> program as a person would.</summary>
public static class DataLayerProgram
{
    /// <summary>Runs a verb against a service (null for none) and waits for its end; killed where the token fires.</summary>
    public static Task<CommandResult> RunAsync(
        IReadOnlyList<string> arguments, Uri? server = null, CancellationToken cancellationToken = default) =>
        Command.TryRunAsync("dotnet", [BuiltProgram.DataLayer, .. arguments], Environment(server), cancellationToken);

    /// <summary>The environment a verb runs in.</summary>
    public static IReadOnlyDictionary<string, string> Environment(Uri? server) => new Dictionary<string, string>
    {
        ["DATALAYER_SERVER"] = server?.ToString().TrimEnd('/') ?? "http://127.0.0.1:1",
        ["NO_COLOR"] = "1",
    };
}
