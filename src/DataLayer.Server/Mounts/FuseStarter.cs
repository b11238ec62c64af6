using System.Buffers.Binary;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Text;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Fuse;
using DataLayer.Keeper.Channel;
using DataLayer.Metadata.Nodes;
using DataLayer.Protocol.Http;
using DataLayer.Protocol.Keeper;
using DataLayer.Server.Hosting;
using Microsoft.Win32.SafeHandles;
using MountProfile = DataLayer.Protocol.Keeper.MountProfile;

namespace DataLayer.Server.Mounts;

/// <summary>Serves mounts with <see cref="FuseMount"/> over the node's engine.</summary>
internal sealed class FuseStarter(NodeHost node, TimeProvider time, ILoggerFactory logs)
{
    private const int InodeBytes = sizeof(long);

    /// <summary>Begins to serve a mount.</summary>
    /// <exception cref="DataLayerException">NotFound or NotADirectory: the path in the tree. InvalidArgument: an option
    /// that is not known or out of range. As <see cref="FuseMount.StartAsync"/>.</exception>
    public async Task<IRunningMount> StartAsync(MountStart start, CancellationToken cancellationToken)
    {
        FileEngine engine = node.Engine;
        FuseMountOptions options = await ReadAsync(start, engine, cancellationToken);
        FuseMount mount = await FuseMount.StartAsync(start.Device, engine, options, time, logs, cancellationToken);
        return new RunningMount(mount);
    }

    /// <summary>
    /// The root is found by its path once. It travels with what was negotiated, so a mount whose folder was renamed
    /// since is still a mount of that folder after a takeover.
    /// </summary>
    private static async Task<FuseMountOptions> ReadAsync(
        MountStart start, FileEngine engine, CancellationToken cancellationToken)
    {
        KeeperHello hello = start.Hello;
        FuseMountOptions options = new()
        {
            MountId = hello.MountId,
            Profile = Enum.Parse<Fuse.MountProfile>(hello.Profile.ToString()),
            ReadOnly = hello.ReadOnly,
            Backing = new KeeperBacking(start.Backing),
        };
        options = WithNamed(options, hello);
        if (engine.IsReader)
        {
            // What another node changes is told to the kernel soon, not at once.
            options = options with
            {
                ReadOnly = true,
                EntryTimeout = Shorter(options.EntryTimeout),
                AttributeTimeout = Shorter(options.AttributeTimeout),
            };
        }

        if (hello.Negotiated.Length > 0)
        {
            return hello.Negotiated.Length < InodeBytes
                ? throw new DataLayerException(
                    ErrorCode.Corrupt,
                    $"The keeper of '{hello.MountPoint}' kept {hello.Negotiated.Length} bytes, which are too few.")
                : options with
                {
                    Root = new InodeId(BinaryPrimitives.ReadInt64LittleEndian(hello.Negotiated)),
                    IsTakeover = true,
                    Negotiated = hello.Negotiated.AsMemory(InodeBytes),
                };
        }

        InodeAttributes root = await engine.StatAsync(hello.TreePath, followLast: true, cancellationToken);
        if (root.Kind != FileKind.Directory)
        {
            throw new DataLayerException(
                ErrorCode.NotADirectory, $"'{hello.TreePath}' is not a folder of the tree: only folders are mounted.");
        }

        return options with
        {
            Root = root.Inode,
            OnNegotiated = (agreed, token) =>
            {
                byte[] kept = new byte[InodeBytes + agreed.Length];
                BinaryPrimitives.WriteInt64LittleEndian(kept, root.Inode.Value);
                agreed.CopyTo(kept.AsMemory(InodeBytes));
                return start.OnNegotiated(kept, token);
            },
        };
    }

    private static FuseMountOptions WithNamed(FuseMountOptions options, KeeperHello hello)
    {
        foreach ((string name, string value) in hello.Options)
        {
            options = name switch
            {
                "entry_timeout" => options with { EntryTimeout = Duration(name, value) },
                "attr_timeout" => options with { AttributeTimeout = Duration(name, value) },
                "max_background" => options with { MaxBackground = Count(name, value) },
                "reader_threads" => options with { ReaderThreads = Count(name, value) },
                "accesslog" => options with { AccessLog = Flag(name, value) },
                _ => throw Bad(name, "is not known", "entry_timeout, attr_timeout, max_background, reader_threads, "
                    + "accesslog"),
            };
        }

        return options;
    }

    private static TimeSpan Shorter(TimeSpan timeout) =>
        timeout < TreeFollower.Interval ? timeout : TreeFollower.Interval;

    private static TimeSpan Duration(string name, string value) =>
        UnitText.TryParseDuration(value, out TimeSpan duration) ? duration : throw Bad(name, $"is '{value}'", "as 30s");

    private static int Count(string name, string value) =>
        int.TryParse(value, System.Globalization.CultureInfo.InvariantCulture, out int count)
            ? count
            : throw Bad(name, $"is '{value}'", "a number");

    private static bool Flag(string name, string value) =>
        bool.TryParse(value, out bool flag) ? flag : throw Bad(name, $"is '{value}'", "true or false");

    private static DataLayerException Bad(string name, string what, string wanted) =>
        new(ErrorCode.InvalidArgument, $"The mount option '{name}' {what}; wanted: {wanted}.");

    /// <summary>The keeper registers files with the kernel.</summary>
    private sealed class KeeperBacking(BackingClient client) : IBackingFiles
    {
        public ValueTask<int> OpenAsync(string key, SafeFileHandle file, CancellationToken cancellationToken) =>
            client.OpenAsync(key, file, cancellationToken);

        public ValueTask CloseAsync(string key, CancellationToken cancellationToken) =>
            client.CloseAsync(key, cancellationToken);
    }

    /// <summary>A <see cref="FuseMount"/> as the session knows it.</summary>
    private sealed class RunningMount(FuseMount mount) : IRunningMount
    {
        public Task Ended => mount.Ended;

        public MountReport Describe()
        {
            FuseMountStatus status = mount.Status;
            return new MountReport
            {
                MountId = status.MountId,
                TreePath = string.Empty,
                MountPoint = string.Empty,
                Profile = Enum.Parse<MountProfile>(status.Profile.ToString()),
                Protocol = status.Protocol,
                Paths = [.. status.Paths.Select(p => new MountPathReport(p.Access, p.Path, p.Why))],
                Requests = status.Requests,
                ReadBytes = status.ReadBytes,
                WrittenBytes = status.WrittenBytes,
                InFlight = status.InFlight,
                KnownInodes = status.KnownInodes,
                Invalidations = status.Invalidations,
                BufferBytes = status.BufferBytes,
            };
        }

        public ValueTask StopAsync() => mount.StopAsync();
    }
}
