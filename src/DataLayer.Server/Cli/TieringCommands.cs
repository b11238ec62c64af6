using System.CommandLine;
using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verbs tiering auto: on, off, status.</summary>
internal static class TieringCommands
{
    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory) =>
        CommandFactory.Group(
            "tiering", "Automatic tiering.",
            [
                CommandFactory.Group(
                    "auto", "Files go where the active policy wants them, by themselves: on, off, status.",
                    [
                        Switch(factory, "on", "Turns it on; it stays so over restarts.", isOn: true),
                        Switch(factory, "off", "Turns it off; a job of it that runs goes on.", isOn: false),
                        factory.Make(
                            "status", "What it is at: its last pass, its job, what is unusual.", [],
                            async (run, cancellationToken) =>
                            {
                                Show(run, await run.Client.Admin.GetAutoTieringAsync(cancellationToken));
                                return ExitCode.Success;
                            }),
                    ]),
            ]);

    private static Command Switch(CommandFactory factory, string name, string summary, bool isOn) =>
        factory.Make(
            name, summary, [],
            async (run, cancellationToken) =>
            {
                Show(run, await run.Client.Admin.SwitchAutoTieringAsync(isOn, cancellationToken));
                return ExitCode.Success;
            });

    private static void Show(CommandRun run, AutoTieringReport report) => run.Write(
        report, ProtocolJson.Default.AutoTieringReport,
        r =>
        {
            run.Out.WriteLine(r.Enabled ? "Automatic tiering is on." : "Automatic tiering is off.");
            if (r.Obstacle is { } obstacle)
            {
                run.Out.WriteLine($"It moves nothing: {obstacle}");
            }

            if (r.LastPassTimeNanoseconds > 0)
            {
                run.Out.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"Last pass {Cli.Show.Time(r.LastPassTimeNanoseconds)}, policy version {r.PolicyVersion}: "
                    + $"{r.Files} files, {r.Moves} to move, {r.CoolingDown} cooling down, {r.PutOff} put off, "
                    + $"{r.Reserved} reserved."));
            }

            if (r.LastJob > 0)
            {
                run.Out.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"Last job {r.LastJob} (datalayer job show {r.LastJob}); cost of 24 h {r.CostOfDay:F2}."));
            }

            if (r.DeadPacks > 0 || r.RepackJob > 0 || r.Gathering > 0)
            {
                string job = r.RepackJob == 0 ? string.Empty : string.Create(
                    CultureInfo.InvariantCulture, $"; last repacked by job {r.RepackJob}");
                run.Out.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"Packs mostly dead: {r.DeadPacks}{job}; {r.Gathering} files wait for more to be packed with."));
            }

            foreach (string rule in r.PassedMarks)
            {
                run.Out.WriteLine($"The high mark of rule '{rule}' is passed.");
            }

            foreach (TieringAlertReport alert in r.Alerts)
            {
                run.Out.WriteLine($"{Cli.Show.Time(alert.TimeNanoseconds)} {alert.Kind}: {alert.Message}");
            }
        });
}
