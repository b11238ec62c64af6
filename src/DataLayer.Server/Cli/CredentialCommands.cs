using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Server.Configuration;
using DataLayer.Storage.Objects;

namespace DataLayer.Server.Cli;

/// <summary>Verb credentials: rekey. On the service's machine, as its user; the service may run.</summary>
internal static class CredentialCommands
{
    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory)
    {
        Option<string?> config = ConfigCommands.FileOption();
        Command rekey = factory.Make(
            "rekey", "Seals the keys of stores that were added by the API under a new key, and forgets the old one.",
            [config],
            (run, _) =>
            {
                string? file = run.Arguments.GetValue(config);
                DefinedStores stores = new(
                    Path.Combine(Setting(file, run, "stateDirectory"), DefinedStores.FolderName),
                    new CredentialSeal(Setting(file, run, AuthSection.CredentialKeySetting)));
                (int count, int left) = stores.Rekey();
                run.Environment.Out.WriteLine(run.Json
                    ? new JsonObject { ["stores"] = count, ["restartNeeded"] = left > 0 }.ToJsonString()
                    : string.Create(CultureInfo.InvariantCulture, $"{count} stores are sealed under a new key")
                        + (left > 0
                            ? "; keys of encrypted attachments follow when the service is started again, and the old "
                                + "key goes then"
                            : string.Empty));
                return Task.FromResult(ExitCode.Success);
            });
        return CommandFactory.Group(
            "credentials", "Keys of stores that were added by the API, as they are kept: rekey.", [rekey]);
    }

    private static string Setting(string? file, CommandRun run, string path) =>
        ConfigCommands.Find(file, run.Environment, path)
        ?? throw new DataLayerException(
            ErrorCode.InvalidArgument, $"The configuration says no {path}: see 'datalayer config check'.");
}
