using System.CommandLine;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Keeper;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Http;
using DataLayer.Protocol.Keeper;

namespace DataLayer.Server.Cli;

/// <summary>What <c>datalayer mount</c> takes.</summary>
internal sealed class MountArguments
{
    private readonly Argument<string?> _path = new("path")
    {
        Description = "The folder of the tree, from '/'.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _at = new("--at")
    {
        Description = "The empty folder to mount on.",
        HelpName = "DIR",
    };

    private readonly Option<bool> _readOnly = CommandFactory.Flag("--read-only", "Refuse changes.", "-r");

    private readonly Option<string> _profile = new("--profile")
    {
        Description = "auto, large, or small: many small files, only read, opened without the service.",
        DefaultValueFactory = _ => "auto",
    };

    private readonly Option<string> _takeover = new("--takeover-timeout")
    {
        Description = "How long users wait for a service that died before they get ENOTCONN.",
        DefaultValueFactory = _ => "60s",
        HelpName = "TIME",
    };

    private readonly Option<bool> _foreground = CommandFactory.Flag(
        "--foreground", "Keep the mount in this process until it ends. The default.");

    private readonly Option<bool> _daemon = CommandFactory.Flag(
        "--daemon", "Return when it is mounted; a process of its own keeps it.", "-d");

    private readonly Option<string[]> _options = new("-o")
    {
        Description = "Options: ro, suid, dev, noexec, noatime, noallow_other; entry_timeout=, attr_timeout=, …",
        HelpName = "LIST",
    };

    private readonly Option<string?> _log = new("--log")
    {
        Description = "Append events to this file; with --daemon by default keeper.log in the state folder.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _detached = new("--detached")
    {
        Description = "Started by --daemon.",
        Hidden = true,
    };

    /// <summary>Makes the arguments.</summary>
    public MountArguments() => _profile.AcceptOnlyFromAmong("auto", "large", "small");

    /// <summary>All of them, in order.</summary>
    public IEnumerable<Symbol> Symbols =>
        [_path, _at, _readOnly, _profile, _takeover, _foreground, _daemon, _options, _log, _detached];

    /// <summary>Whether another process shall keep the mount.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: both were asked for.</exception>
    public bool IsDaemon(CommandRun run)
    {
        bool daemon = run.Arguments.GetValue(_daemon);
        return daemon && run.Arguments.GetValue(_foreground)
            ? throw new DataLayerException(ErrorCode.InvalidArgument, "Give --foreground or --daemon, not both.")
            : daemon;
    }

    /// <summary>Whether this process was started by --daemon.</summary>
    public bool IsDetached(CommandRun run) => run.Arguments.GetValue(_detached);

    /// <summary>The file for events, or empty for standard error.</summary>
    public string LogFile(CommandRun run) => run.Arguments.GetValue(_log) ?? string.Empty;

    /// <summary>The options of the keeper; the state folder is not known yet.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, and what is wrong.</exception>
    public MountKeeperOptions ToOptions(CommandRun run)
    {
        string? path = run.Arguments.GetValue(_path);
        string? at = run.Arguments.GetValue(_at);
        if (path is null || string.IsNullOrEmpty(at))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                "Give what to mount and where: datalayer mount PATH --at DIR. 'datalayer mount status' lists mounts.");
        }

        TreePath.Check(path);
        string timeout = run.Arguments.GetValue(_takeover)!;
        MountKeeperOptions options = new()
        {
            StateFolder = "/",
            TreePath = path,
            MountPoint = Path.GetFullPath(at),
            Profile = Enum.Parse<MountProfile>(run.Arguments.GetValue(_profile)!, ignoreCase: true),
            Flags = MountFlags.Parse(run.Arguments.GetValue(_options) ?? [])
                .WithReadOnly(run.Arguments.GetValue(_readOnly)),
            TakeoverTimeout = UnitText.TryParseDuration(timeout, out TimeSpan wait)
                ? wait
                : throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"--takeover-timeout '{timeout}' is not a duration, as 30s or 5m."),
        };
        options.Validate();
        if (options is { Profile: MountProfile.Small, Flags.ReadOnly: false })
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "The profile 'small' opens files without the service: add --read-only.");
        }

        return options;
    }
}
