using System.Runtime.InteropServices;
using DataLayer.Server.Cli;

namespace DataLayer.Server;

/// <summary>The <c>datalayer</c> program.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        using CancellationTokenSource stop = new();
        void Stop(PosixSignalContext context)
        {
            // The first signal ends the work cleanly; a second one finds no handler and ends the process.
            if (!stop.IsCancellationRequested)
            {
                context.Cancel = true;
                stop.Cancel();
            }
        }

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await CommandLine.RunAsync(arguments, CliEnvironment.OfProcess(), stop.Token);
    }
}
