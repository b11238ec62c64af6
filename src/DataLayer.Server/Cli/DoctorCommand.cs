using System.CommandLine;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb doctor.</summary>
internal static class DoctorCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Option<string> window = new("--window")
        {
            Description = "How far to look back, 1s to 15m.",
            DefaultValueFactory = _ => "60s",
            HelpName = "DURATION",
        };
        Option<bool> ahead = CommandFactory.Flag(
            "--ahead", "Look at the time to come instead: start the job meanwhile.");
        Option<bool> check = CommandFactory.Flag("--check", "Exit with 1 where there is something to change.");
        return factory.Make(
            "doctor", "Says why readers wait, and the one setting to change.", [window, ahead, check],
            async (run, cancellationToken) =>
            {
                string text = run.Arguments.GetValue(window)!;
                if (!UnitText.TryParseDuration(text, out TimeSpan length) || length < TimeSpan.FromSeconds(1)
                    || length > TimeSpan.FromMinutes(15))
                {
                    throw new DataLayerException(
                        ErrorCode.InvalidArgument, $"--window '{text}' is not a duration of 1s to 15m.");
                }

                DoctorReport report = await run.Client.Admin.DiagnoseAsync(
                    (int)length.TotalSeconds, run.Arguments.GetValue(ahead), cancellationToken);
                run.Write(report, ProtocolJson.Default.DoctorReport, r => Show(run.Out, r));
                return run.Arguments.GetValue(check) && !report.Healthy ? ExitCode.Failure : ExitCode.Success;
            });
    }

    private static void Show(IAnsiConsole console, DoctorReport report)
    {
        console.WriteLine(report.Verdict);
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"In {report.WindowSeconds:0} s, {report.WaitingReaders:0.00} readers waited on average."));
        int number = 0;
        foreach (DoctorCause cause in report.Causes)
        {
            console.WriteLine();
            console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{++number}. {cause.Cause}: {cause.Share:P0} of the loss, {cause.LostSeconds:0.0} s"));
            console.WriteLine($"   {cause.Summary}.");
            foreach (string figure in cause.Evidence)
            {
                console.WriteLine($"   - {figure}");
            }

            string now = cause.Now is null ? string.Empty : $" (now {cause.Now})";
            console.WriteLine($"   change   {cause.Setting}{now}");
            console.WriteLine($"   to       {cause.Change}");
            console.WriteLine($"   effect   {cause.Effect}");
        }
    }
}
