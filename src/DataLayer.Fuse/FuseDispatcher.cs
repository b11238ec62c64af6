using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Fuse.Interop;
using DataLayer.Fuse.Vfs;

namespace DataLayer.Fuse;

/// <summary>
/// Takes the kernel's requests apart, asks the <see cref="FileSystem"/> and answers. Thin: what an operation means is
/// decided there.
/// </summary>
internal sealed partial class FuseDispatcher
{
    private const int PerfectlyNormal = 0;
    private readonly FileSystem _files;
    private readonly VirtualFolder _virtual;
    private readonly FuseCounters _counters;
    private readonly AccessLog? _accessLog;
    private readonly bool _noOpen;

    internal FuseDispatcher(
        FileSystem files, VirtualFolder @virtual, FuseCounters counters, AccessLog? accessLog, bool noOpen)
    {
        _files = files;
        _virtual = @virtual;
        _counters = counters;
        _accessLog = accessLog;
        _noOpen = noOpen;
    }

    /// <summary>What was agreed with the kernel; set before the first request.</summary>
    internal Negotiation? Negotiation { get; set; }

    /// <summary>Answers INIT.</summary>
    internal required Func<FuseRequest, ValueTask> OnInit { get; init; }

    /// <summary>Told of interruptions.</summary>
    internal required Action<ulong> OnInterrupt { get; init; }

    /// <summary>Answers one request. Completes at once where the engine does.</summary>
    internal ValueTask DispatchAsync(FuseRequest request)
    {
        _counters.Count(request.Opcode);
        if (_accessLog is not null && !VirtualFolder.IsVirtual(request.Node))
        {
            // Reads of the log are not logged: they would feed it, and never end.
            return LoggedAsync(request);
        }

        return DispatchAnyAsync(request);
    }

    private ValueTask DispatchAnyAsync(FuseRequest request) =>
        VirtualFolder.IsVirtual(request.Node) ? DispatchVirtualAsync(request) : DispatchRealAsync(request);

    private async ValueTask LoggedAsync(FuseRequest request)
    {
        AccessLog.Line line = _accessLog!.Begin(request);
        try
        {
            await DispatchAnyAsync(request).ConfigureAwait(false);
            _accessLog.End(line, PerfectlyNormal);
        }
        catch (Exception error)
        {
            _accessLog.End(line, FuseSession.ErrnoOf(error));
            throw;
        }
    }

    private ValueTask DispatchRealAsync(FuseRequest request) => request.Opcode switch
    {
        Opcode.Read => ReadAsync(request),
        Opcode.Write => WriteAsync(request),
        Opcode.Lookup => LookupAsync(request),
        Opcode.GetAttributes => GetAttributesAsync(request),
        Opcode.Open => OpenAsync(request),
        Opcode.Release => ReleaseAsync(request),
        Opcode.Flush => FlushAsync(request),
        Opcode.Forget => ForgetAsync(request),
        Opcode.BatchForget => BatchForgetAsync(request),
        Opcode.OpenDirectory => OpenDirectory(request),
        Opcode.ReadDirectory => ReadDirectoryAsync(request, plus: false),
        Opcode.ReadDirectoryPlus => ReadDirectoryAsync(request, plus: true),
        Opcode.ReleaseDirectory => ReleaseDirectory(request),
        Opcode.Fsync => FsyncAsync(request),
        Opcode.FsyncDirectory => FsyncDirectoryAsync(request),
        Opcode.SyncFileSystem => SyncAsync(request),
        Opcode.StatFs => StatFsAsync(request),
        Opcode.Seek => SeekAsync(request),
        Opcode.Fallocate => FallocateAsync(request),
        Opcode.CopyFileRange => CopyFileRangeAsync(request, is64: false),
        Opcode.CopyFileRange64 => CopyFileRangeAsync(request, is64: true),
        Opcode.SetXattr => SetXattrAsync(request),
        Opcode.GetXattr => GetXattrAsync(request),
        Opcode.ListXattr => ListXattrAsync(request),
        Opcode.RemoveXattr => RemoveXattrAsync(request),
        Opcode.Init => OnInit(request),
        Opcode.Interrupt => Interrupt(request),
        Opcode.NotifyReply => NoReply(request),
        Opcode.Destroy => Answer(request, 0),
        _ => DispatchNamesAsync(request),
    };

    private ValueTask DispatchNamesAsync(FuseRequest request) => request.Opcode switch
    {
        Opcode.Create => CreateAsync(request),
        Opcode.TemporaryFile => TemporaryFileAsync(request),
        Opcode.MakeDirectory => MakeDirectoryAsync(request),
        Opcode.MakeNode => MakeNodeAsync(request),
        Opcode.SymbolicLink => SymbolicLinkAsync(request),
        Opcode.ReadLink => ReadLinkAsync(request),
        Opcode.Link => LinkAsync(request),
        Opcode.Unlink => UnlinkAsync(request, folder: false),
        Opcode.RemoveDirectory => UnlinkAsync(request, folder: true),
        Opcode.Rename => RenameAsync(request, withFlags: false),
        Opcode.Rename2 => RenameAsync(request, withFlags: true),
        Opcode.SetAttributes => SetAttributesAsync(request),
        Opcode.Statx => StatxAsync(request),
        Opcode.Ioctl => Answer(request, Errno.NotATerminal),
        _ => Answer(request, Errno.NotImplemented), // The kernel asks once and then does without.
    };

    private static ValueTask Answer(FuseRequest request, int errno)
    {
        request.ReplyError(errno);
        return ValueTask.CompletedTask;
    }

    private static ValueTask NoReply(FuseRequest request)
    {
        request.NoReply();
        return ValueTask.CompletedTask;
    }

    private ValueTask Interrupt(FuseRequest request)
    {
        OnInterrupt(request.Take<Abi.InterruptIn>().Unique);
        request.NoReply();
        return ValueTask.CompletedTask;
    }

    private ValueTask ForgetAsync(FuseRequest request)
    {
        ulong lookups = request.Take<Abi.ForgetIn>().LookupCount;
        request.NoReply();
        return _files.ForgetAsync(request.Node, lookups);
    }

    private ValueTask BatchForgetAsync(FuseRequest request)
    {
        request.NoReply();
        int count = (int)Math.Min(request.Take<Abi.BatchForgetIn>().Count, (uint)request.LengthBytes / 16);
        Abi.ForgetOne[]? slow = null;
        for (int i = 0; i < count; i++)
        {
            Abi.ForgetOne one = request.Take<Abi.ForgetOne>();
            if (VirtualFolder.IsVirtual(one.Node))
            {
                continue;
            }

            ValueTask forgetting = _files.ForgetAsync(one.Node, one.LookupCount);
            if (!forgetting.IsCompletedSuccessfully)
            {
                slow = new Abi.ForgetOne[count - i - 1];
                for (int left = 0; left < slow.Length; left++)
                {
                    slow[left] = request.Take<Abi.ForgetOne>();
                }

                return ForgetRestAsync(forgetting, slow);
            }
        }

        return ValueTask.CompletedTask;
    }

    private async ValueTask ForgetRestAsync(ValueTask first, Abi.ForgetOne[] rest)
    {
        await first.ConfigureAwait(false);
        foreach (Abi.ForgetOne one in rest)
        {
            if (!VirtualFolder.IsVirtual(one.Node))
            {
                await _files.ForgetAsync(one.Node, one.LookupCount).ConfigureAwait(false);
            }
        }
    }

    private static Caller CallerOf(FuseRequest request) =>
        new(request.UserId, request.GroupId, request.IsResent, request.Unique & ~Abi.UniqueResend);

    /// <summary>A name to be made or removed.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: not UTF-8.</exception>
    private static string NameOf(FuseRequest request) => request.TakeName()
        ?? throw new DataLayerException(ErrorCode.InvalidArgument, "Names must be UTF-8.");

    private static FileKind? KindOf(int mode) => (mode & 0xF000) switch
    {
        0x8000 or 0 => FileKind.Regular,
        0x4000 => FileKind.Directory,
        0xA000 => FileKind.SymbolicLink,
        0x1000 => FileKind.Fifo,
        0xC000 => FileKind.Socket,
        0x2000 => FileKind.CharacterDevice,
        0x6000 => FileKind.BlockDevice,
        _ => null,
    };
}
