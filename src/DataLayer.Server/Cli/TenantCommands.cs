using System.CommandLine;
using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb tenant: list, reload.</summary>
internal static class TenantCommands
{
    /// <summary>Makes the command and those below it.</summary>
    public static Command Make(CommandFactory factory) =>
        CommandFactory.Group(
            "tenant", "Teams' folders with their parts and limits; the configuration's 'tenants' makes them.",
            [List(factory), Reload(factory)]);

    private static Command List(CommandFactory factory) =>
        factory.Make(
            "list", "Lists the tenants, what each holds and what it got.", [],
            (run, cancellationToken) => ShowAsync(run, run.Client.Admin.ListTenantsAsync(cancellationToken)));

    private static Command Reload(CommandFactory factory) =>
        factory.Make(
            "reload",
            "Has the service read its configuration again and take the tenants from it; nothing else changes.", [],
            (run, cancellationToken) => ShowAsync(run, run.Client.Admin.ReloadTenantsAsync(cancellationToken)));

    private static async Task<int> ShowAsync(CommandRun run, ValueTask<IReadOnlyList<TenantReport>> tenants)
    {
        Table table = Show.Columns(
            "name", "folder", "class", "#weight", "#holds", "#of", "#inodes", "#of", "#transferred", "#active",
            "#waiting", "#waited");
        foreach (TenantReport tenant in await tenants)
        {
            run.Write(tenant, ProtocolJson.Default.TenantReport, t => AddRow(table, t));
        }

        run.Write(table);
        return ExitCode.Success;
    }

    private static void AddRow(Table table, TenantReport t) => table.Row(
        t.Name, t.Folder, t.Class, t.Weight.ToString(CultureInfo.InvariantCulture), Show.Size(t.UsedBytes),
        t.LimitBytes == 0 ? "-" : Show.Size(t.LimitBytes), Show.Count(t.UsedInodes),
        t.LimitInodes == 0 ? "-" : Show.Count(t.LimitInodes), Show.Size(t.TransferredBytes), Show.Count(t.Active),
        Show.Count(t.Waiting), t.WaitedSeconds.ToString("N1", CultureInfo.InvariantCulture) + " s");
}
