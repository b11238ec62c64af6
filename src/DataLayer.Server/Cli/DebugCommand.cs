using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Diagnosis;
using DataLayer.Server.Hosting;
using DataLayer.Server.Telemetry;

namespace DataLayer.Server.Cli;

/// <summary>
/// Verb debug: what is known of service and machine in one file, without secrets, to be sent to whoever helps. It
/// works without a service too; what is missing then is said in the file.
/// </summary>
internal static class DebugCommand
{
    private static readonly (string Name, string Target)[] _reports =
    [
        ("service-version.json", ApiRoutes.Version),
        ("ready.json", ApiRoutes.Ready),
        ("log.txt", ApiRoutes.Log),
        ("metrics.txt", ApiRoutes.Metrics),
        ("stats.json", ApiRoutes.Statistics),
        ("doctor.json", ApiRoutes.Doctor + "?seconds=900"),
        ("targets.json", ApiRoutes.Targets),
        ("tiers.json", ApiRoutes.Tiers),
        ("attachments.json", ApiRoutes.Attachments),
        ("mounts.json", ApiRoutes.Mounts),
        ("jobs.json", ApiRoutes.Jobs),
        ("schedules.json", ApiRoutes.Schedules),
        ("tenants.json", ApiRoutes.Tenants),
        ("feeds.json", ApiRoutes.Feeds),
        ("budgets.json", ApiRoutes.Budgets),
        ("tiering.json", ApiRoutes.AutoTiering),
    ];

    private static readonly string[] _kernelFiles =
    [
        "/proc/version", "/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/pressure/io",
        "/proc/pressure/memory", "/proc/pressure/cpu", "/proc/sys/fs/file-nr", "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/cpu.max", "/sys/module/fuse/parameters/max_user_bgreq",
        "/sys/module/fuse/parameters/max_user_congthresh", "/sys/module/fuse/parameters/enable_uring",
        "/proc/self/limits", "/etc/os-release",
    ];

    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Argument<string?> file = new("file")
        {
            Description = "The file to write. Default: datalayer-debug-TIME.tar.gz in this folder.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string?> config = ConfigCommands.FileOption();
        return factory.Make(
            "debug", "Gathers what helps to find a fault in a tar.gz, without secrets.", [file, config],
            async (run, cancellationToken) =>
            {
                DateTimeOffset now = run.Environment.Time.GetUtcNow();
                string path = run.Arguments.GetValue(file) ?? string.Create(
                    CultureInfo.InvariantCulture, $"datalayer-debug-{now:yyyyMMdd'T'HHmmss'Z'}.tar.gz");
                using FileStream to = Create(path);
                try
                {
                    string? source = ConfigCommands.FileOf(run.Arguments.GetValue(config), run.Environment);
                    using DebugBundle bundle = await GatherAsync(run, source, now, cancellationToken);
                    ReadOnlyMemory<byte> bytes = bundle.Finish(Head(run, now));
                    await to.WriteAsync(bytes, cancellationToken);
                    Tell(run, path, bytes.Length, bundle.MissingCount);
                    return ExitCode.Success;
                }
                catch
                {
                    File.Delete(path);
                    throw;
                }
            });
    }

    private static void Tell(CommandRun run, string path, int bytes, int missing) =>
        run.Environment.Out.WriteLine(
            run.Json ? new JsonObject { ["file"] = path, ["bytes"] = bytes, ["missing"] = missing }.ToJsonString()
            : missing == 0 ? $"{path}: {Show.Size(bytes)}."
            : $"{path}: {Show.Size(bytes)}; {missing} parts are missing, see its README.txt.");

    private static FileStream Create(string path)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new DataLayerException(
                ErrorCode.AlreadyExists, $"The file '{path}' is there already. Remove it, or give another name.", e);
        }
    }

    private static async Task<DebugBundle> GatherAsync(
        CommandRun run, string? source, DateTimeOffset now, CancellationToken cancellationToken)
    {
        ConfigurationResult configuration = ConfigCommands.Read(source, run.Environment);
        string? text = source is not null && File.Exists(source)
            ? await File.ReadAllTextAsync(source, cancellationToken) : null;
        DebugBundle bundle = new(
            SecretScrubber.Of(configuration.Reading.Effective, text, run.Environment.Variables), now);
        AddConfiguration(bundle, configuration, source);
        bundle.Add("version.json", JsonSerializer.Serialize(
            ProgramVersion.Report(), ProtocolJson.Default.VersionReport));
        AddMachine(bundle);
        if (configuration.Reading.Effective.Find(s => s.Path == "stateDirectory") is { } state)
        {
            AddFile(bundle, "keeper-log.txt", Path.Combine(state.Value, "keeper.log"));
        }

        string? unreachable = null;
        foreach ((string name, string target) in _reports)
        {
            if (unreachable is not null)
            {
                bundle.Miss(name, unreachable);
                continue;
            }

            try
            {
                bundle.Add(name, await run.Client.Admin.GetTextAsync(target, cancellationToken));
            }
            catch (DataLayerException e)
            {
                bundle.Miss(name, e.Message);
                unreachable = ExitCode.IsServiceUnreachable(e) ? e.Message : null;
            }
        }

        return bundle;
    }

    private static void AddConfiguration(DebugBundle bundle, ConfigurationResult configuration, string? source)
    {
        StringBuilder text = new();
        text.Append("# ").Append(source ?? "built-in defaults").Append('\n');
        foreach (EffectiveSetting setting in configuration.Reading.Effective)
        {
            text.Append(setting.Path).Append(" = ").Append(setting.Value).Append("    # ").Append(setting.Origin)
                .Append('\n');
        }

        foreach (ConfigurationProblem problem in configuration.Reading.Problems)
        {
            text.Append("# wrong: ").Append(problem).Append('\n');
        }

        bundle.Add("config.txt", text.ToString());
    }

    private static void AddMachine(DebugBundle bundle)
    {
        StringBuilder kernel = new();
        kernel.Append(CultureInfo.InvariantCulture, $"processors {Environment.ProcessorCount}\n");
        kernel.Append("/dev/fuse is ").Append(File.Exists("/dev/fuse") ? "there\n" : "missing\n");
        foreach (string file in _kernelFiles)
        {
            kernel.Append("== ").Append(file).Append('\n').Append(ReadOr(file, "not there")).Append('\n');
        }

        bundle.Add("kernel.txt", kernel.ToString());
        StringBuilder mounts = new();
        foreach (MountEntry entry in MountTable.Read())
        {
            // Sources and super options of other file systems may carry names and passwords: only ours have any.
            bool isOurs = entry.FileSystemType == "fuse.datalayer";
            mounts.Append(entry.MountPoint).Append(' ').Append(entry.FileSystemType).Append(' ').Append(entry.Options)
                .Append(isOurs ? " " + entry.Source : string.Empty).Append('\n');
        }

        bundle.Add("mount-table.txt", mounts.ToString());
    }

    private static void AddFile(DebugBundle bundle, string name, string path)
    {
        if (File.Exists(path))
        {
            bundle.Add(name, ReadOr(path, "not there"));
        }
    }

    private static string ReadOr(string path, string otherwise)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return otherwise;
        }
    }

    private static string Head(CommandRun run, DateTimeOffset now) => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        Made by 'datalayer debug' at {now:yyyy-MM-dd'T'HH:mm:ss'Z'}; the service was asked at {run.Server}.
        Secrets are taken out: what the configuration's key, password and token settings lead to, and what looks like
        one. Names of files, buckets and tenants are in it: look through it before you give it away.
        The log holds the last {RecentLog.LineLimit} lines since the service started.
        """);
}
