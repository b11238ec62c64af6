using System.CommandLine;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.Server.Interop;

namespace DataLayer.Server.Cli;

/// <summary>Verb serve: runs the service until SIGTERM or Ctrl-C.</summary>
internal static class ServeCommand
{
    private const int MinThreadCount = 32;

    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Option<string?> config = ConfigCommands.FileOption();
        Option<string?> urlFile = new("--url-file")
        {
            Description = "Write the URL here once requests are served.",
            HelpName = "FILE",
        };
        return factory.Make(
            "serve",
            "Runs the service.",
            [config, urlFile],
            async (run, cancellationToken) =>
            {
                ServerConfiguration configuration = ConfigCommands.Load(
                    run.Arguments.GetValue(config), run.Environment);

                // Reads and flushes of targets block a pool thread each. The pool starts with one thread a core and
                // adds
                // one or two a second, so a burst of cold reads would wait for threads, not for disks.
                ThreadPool.SetMinThreads(MinThreadCount, MinThreadCount);
                ProcessMemory.Bound(configuration.MemoryBudgetBytes);
                await using DataLayerService service = DataLayerService.Build(configuration);
                try
                {
                    await service.StartAsync(cancellationToken);
                    string address =
                        service.Url?.ToString().TrimEnd('/') ?? $"unix:{configuration.Listen.UnixSocketPath}";
                    if (run.Arguments.GetValue(urlFile) is { } file)
                    {
                        await File.WriteAllTextAsync(file, address + "\n", CancellationToken.None);
                    }

                    run.Environment.Out.WriteLine($"listening on {address}");
                    if (service.Url is not null && configuration.Listen.UnixSocketPath is { } socket)
                    {
                        run.Environment.Out.WriteLine($"listening on unix:{socket}");
                    }

                    run.Environment.Out.Flush();
                    await Task.Delay(Timeout.InfiniteTimeSpan, run.Environment.Time, cancellationToken)
                        .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
                finally
                {
                    await service.StopAsync(CancellationToken.None);
                }

                return ExitCode.Success;
            }
        );
    }
}
