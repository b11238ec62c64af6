using System.CommandLine;
using DataLayer.Core.Errors;
using DataLayer.Csi;

namespace DataLayer.Server.Cli;

/// <summary>Verb csi: runs the CSI driver until SIGTERM or Ctrl-C.</summary>
internal static class CsiCommand
{
    private const string EndpointVariable = "CSI_ENDPOINT";
    private const string NodeVariable = "NODE_NAME";
    private const string UnixPrefix = "unix:";

    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Symbols s = new();
        return factory.Make(
            "csi",
            "Runs the CSI driver: serves Kubernetes (or another orchestrator) on a Unix socket.",
            s.All,
            async (run, cancellationToken) =>
            {
                CsiDriverOptions options = s.Read(run);
                using ILoggerFactory logs = LoggerFactory.Create(builder => builder
                    .SetMinimumLevel(run.Arguments.GetValue(s.Verbose) ? LogLevel.Debug : LogLevel.Information)
                    .AddFilter("Microsoft", LogLevel.Warning)
                    .AddSimpleConsole(console =>
                    {
                        console.SingleLine = true;
                        console.UseUtcTimestamp = true;
                        console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
                    }));
                await using CsiDriver driver =
                    await CsiDriver.StartAsync(options, run.Environment.Time, logs, cancellationToken);
                run.Environment.Out.WriteLine($"serving {options.Name} on {UnixPrefix}{options.SocketPath}");
                run.Environment.Out.Flush();
                await Task.Delay(Timeout.InfiniteTimeSpan, run.Environment.Time, cancellationToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return ExitCode.Success;
            });
    }

    /// <summary>A socket as flags of CSI drivers have it: unix:///path, unix:/path or /path.</summary>
    private static string SocketPath(string text, string option)
    {
        string path =
            text.StartsWith(UnixPrefix, StringComparison.OrdinalIgnoreCase) ? text[UnixPrefix.Length..] : text;
        path = path.StartsWith("///", StringComparison.Ordinal) ? path[2..] : path;
        return path.StartsWith('/') && !path.StartsWith("//", StringComparison.Ordinal)
            ? path
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"{option} is '{text}': give unix:///path/to/socket.");
    }

    private sealed class Symbols
    {
        public Option<string?> Endpoint { get; } = Text(
            "--endpoint", $"The socket to serve: unix:///path. Default: ${EndpointVariable}.", "SOCKET");

        public Option<string> Role { get; } = new("--role")
        {
            Description = "What to serve: controller, node or all. Default: all.",
            DefaultValueFactory = _ => "all",
            HelpName = "ROLE",
        };

        public Option<string> Name { get; } = new("--driver-name")
        {
            Description = $"The driver's name. Default: {CsiDriverOptions.DefaultName}.",
            DefaultValueFactory = _ => CsiDriverOptions.DefaultName,
            HelpName = "NAME",
        };

        public Option<string?> NodeId { get; } = Text(
            "--node-id", $"This node's name. Default: ${NodeVariable}, else the machine's.", "NAME");

        public Option<string?> Zone { get; } = Text("--zone", "This node's zone, for the scheduler.", "ZONE");

        public Option<string?> TargetRoot { get; } = Text(
            "--target-root", "Refuse paths that are not below this folder, the kubelet's.", "DIR");

        public Option<string?> Registration { get; } = Text(
            "--registration-socket", "Tell the kubelet of the driver on this socket in its plugins_registry.",
            "SOCKET");

        public Option<string?> KubeletSocket { get; } = Text(
            "--kubelet-socket", "The endpoint as the kubelet sees it, where that is another path.", "SOCKET");

        public Option<long> MaxVolumes { get; } = new("--max-volumes-per-node")
        {
            Description = "How many volumes this node takes. Default: no limit.",
            HelpName = "N",
        };

        public Option<string[]> InlineStores { get; } = new("--inline-store")
        {
            Description = "A store of the service that inline volumes may use without keys of their own; repeatable.",
            HelpName = "NAME",
            DefaultValueFactory = _ => [],
        };

        public Option<double> Takeover { get; } = new("--takeover-timeout")
        {
            Description = "How many seconds pods wait for a service that died, before errors. Default: 60.",
            DefaultValueFactory = _ => 60,
            HelpName = "SECONDS",
        };

        public Option<bool> Verbose { get; } =
            CommandFactory.Flag("--verbose", "Log every call, not only failed ones.");

        public Symbol[] All =>
        [
            Endpoint, Role, Name, NodeId, Zone, TargetRoot, Registration, KubeletSocket, MaxVolumes, InlineStores,
            Takeover, Verbose,
        ];

        public CsiDriverOptions Read(CommandRun run)
        {
            ParseResult given = run.Arguments;
            string? endpoint = given.GetValue(Endpoint) ?? run.Environment.Variables[EndpointVariable] as string;
            if (string.IsNullOrEmpty(endpoint))
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"No socket is given: use --endpoint or set {EndpointVariable}.");
            }

            CsiDriverOptions options = new()
            {
                SocketPath = SocketPath(endpoint, "--endpoint"),
                Server = run.Server,
                Roles = given.GetValue(Role) switch
                {
                    "controller" => CsiRoles.Controller,
                    "node" => CsiRoles.Node,
                    "all" => CsiRoles.All,
                    string other => throw new DataLayerException(
                        ErrorCode.InvalidArgument, $"--role is '{other}': give controller, node or all."),
                    null => CsiRoles.All,
                },
                Name = given.GetValue(Name)!,
                Zone = given.GetValue(Zone) is { Length: > 0 } zone ? zone : null,
                TargetRoot = given.GetValue(TargetRoot),
                RegistrationSocketPath = given.GetValue(Registration) is { } registration
                    ? SocketPath(registration, "--registration-socket") : null,
                KubeletSocketPath = given.GetValue(KubeletSocket) is { } kubelet
                    ? SocketPath(kubelet, "--kubelet-socket") : null,
                MaxVolumesPerNode = given.GetValue(MaxVolumes),
                InlineStores = given.GetValue(InlineStores)!,
                TakeoverTimeout = TimeSpan.FromSeconds(given.GetValue(Takeover)),
            };
            string? node = given.GetValue(NodeId) ?? run.Environment.Variables[NodeVariable] as string;
            return string.IsNullOrEmpty(node) ? options : options with { NodeId = node };
        }

        private static Option<string?> Text(string name, string description, string helpName) =>
            new(name) { Description = description, HelpName = helpName };
    }
}
