using DataLayer.Core.Errors;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Fuse.Interop;
using DataLayer.Fuse.Vfs;

namespace DataLayer.Fuse;

/// <content>Requests about contents.</content>
internal sealed partial class FuseDispatcher
{
    private const uint SeekData = 3;
    private const uint SeekHole = 4;

    private ValueTask ReadAsync(FuseRequest request)
    {
        ref readonly Abi.ReadIn read = ref request.Take<Abi.ReadIn>();
        int wanted = (int)Math.Min(read.SizeBytes, Abi.MaxTransferBytes);
        Memory<byte> output = request.OutputFor(wanted);
        ValueTask<int> reading = _files.ReadAsync(request.Node, read.OffsetBytes, output, request.Cancelled);
        if (!reading.IsCompletedSuccessfully)
        {
            return AnswerReadAsync(request, reading);
        }

        int length = reading.Result;
        _counters.AddRead(length);
        request.ReplyOutput(length);
        return ValueTask.CompletedTask;
    }

    private async ValueTask AnswerReadAsync(FuseRequest request, ValueTask<int> reading)
    {
        int length = await reading.ConfigureAwait(false);
        _counters.AddRead(length);
        request.ReplyOutput(length);
    }

    private ValueTask WriteAsync(FuseRequest request)
    {
        ref readonly Abi.WriteIn write = ref request.Take<Abi.WriteIn>();
        int length = (int)write.SizeBytes;
        bool kill = (write.WriteFlags & Abi.WriteKillSetId) != 0;
        bool fromCache = (write.WriteFlags & Abi.WriteFromCache) != 0;
        ValueTask writing = _files.WriteAsync(
            request.Node, write.OffsetBytes, request.Payload(length), kill, fromCache, CancellationToken.None);
        if (!writing.IsCompletedSuccessfully)
        {
            return AnswerWriteAsync(request, writing, length);
        }

        _counters.AddWritten(length);
        request.Reply(new Abi.WriteOut { SizeBytes = (uint)length });
        return ValueTask.CompletedTask;
    }

    private async ValueTask AnswerWriteAsync(FuseRequest request, ValueTask writing, int length)
    {
        await writing.ConfigureAwait(false);
        _counters.AddWritten(length);
        request.Reply(new Abi.WriteOut { SizeBytes = (uint)length });
    }

    private async ValueTask OpenAsync(FuseRequest request)
    {
        if (_noOpen)
        {
            request.ReplyError(Errno.NotImplemented); // From now on the kernel opens by itself and keeps its cache.
            return;
        }

        Abi.OpenIn open = request.Take<Abi.OpenIn>();
        OpenedFile opened = await _files.OpenAsync(
            request.Node, (int)open.Flags, (open.OpenFlags & Abi.OpenKillSetId) != 0, request.Cancelled)
            .ConfigureAwait(false);
        Abi.OpenOut answer = ToOpen(opened);
        if ((open.Flags & 3) == 0)
        {
            answer.Flags |= Abi.OpenNoFlush; // Nothing is written by it, so its close need not ask.
        }

        if (!request.Reply(answer))
        {
            // The caller was interrupted: there is no handle.
            await _files.ReleaseAsync(request.Node, opened.Handle).ConfigureAwait(false);
        }
    }

    private static Abi.OpenOut ToOpen(OpenedFile opened) => new()
    {
        Handle = opened.Handle,
        Flags = opened.Mode switch
        {
            HandleMode.Passthrough => Abi.OpenPassthrough,
            HandleMode.Direct => Abi.OpenPassthrough | Abi.OpenDirectIo,
            _ => (opened.KeepCache ? Abi.OpenKeepCache : 0) | Abi.OpenParallelDirectWrites,
        },
        BackingId = opened.BackingId,
    };

    private async ValueTask ReleaseAsync(FuseRequest request)
    {
        ulong handle = request.Take<Abi.ReleaseIn>().Handle;
        request.ReplyDone(); // Nobody waits for it, and errors have nowhere to go.
        await _files.ReleaseAsync(request.Node, handle).ConfigureAwait(false);
    }

    private async ValueTask FlushAsync(FuseRequest request)
    {
        if (_noOpen)
        {
            request.ReplyError(Errno.NotImplemented);
            return;
        }

        await _files.FlushAsync(request.Node, CancellationToken.None).ConfigureAwait(false);
        request.ReplyDone();
    }

    private async ValueTask FsyncAsync(FuseRequest request)
    {
        bool dataOnly = (request.Take<Abi.FsyncIn>().Flags & Abi.FsyncDataOnly) != 0;
        await _files.FsyncAsync(request.Node, dataOnly, CancellationToken.None).ConfigureAwait(false);
        request.ReplyDone();
    }

    private async ValueTask FsyncDirectoryAsync(FuseRequest request)
    {
        await _files.FsyncDirectoryAsync(request.Node, CancellationToken.None).ConfigureAwait(false);
        request.ReplyDone();
    }

    private async ValueTask SyncAsync(FuseRequest request)
    {
        await _files.SyncAsync(CancellationToken.None).ConfigureAwait(false);
        request.ReplyDone();
    }

    private async ValueTask SeekAsync(FuseRequest request)
    {
        Abi.SeekIn seek = request.Take<Abi.SeekIn>();
        if (seek.Whence is not (SeekData or SeekHole))
        {
            request.ReplyError(Errno.Invalid);
            return;
        }

        long? found = await _files.SeekAsync(
            request.Node, seek.OffsetBytes, seek.Whence == SeekHole, request.Cancelled).ConfigureAwait(false);
        if (found is { } offset)
        {
            request.Reply(new Abi.SeekOut { OffsetBytes = offset });
        }
        else
        {
            request.ReplyError(Errno.NoSuchDevice); // ENXIO: nothing at or after the offset.
        }
    }

    private async ValueTask FallocateAsync(FuseRequest request)
    {
        const uint KeepSize = 1;
        const uint PunchHole = 2;
        const uint ZeroRange = 16;
        Abi.FallocateIn allocate = request.Take<Abi.FallocateIn>();
        FallocateMode? mode = allocate.Mode switch
        {
            0 => FallocateMode.Extend,
            KeepSize => FallocateMode.KeepSize,
            PunchHole | KeepSize => FallocateMode.PunchHole,
            ZeroRange => FallocateMode.ZeroRange,
            ZeroRange | KeepSize => FallocateMode.ZeroRangeKeepSize,
            _ => null,
        };
        if (mode is not { } known)
        {
            request.ReplyError(Errno.NotSupported);
            return;
        }

        await _files.AllocateAsync(
            request.Node, allocate.OffsetBytes, allocate.LengthBytes, known, CancellationToken.None)
            .ConfigureAwait(false);
        request.ReplyDone();
    }

    private async ValueTask CopyFileRangeAsync(FuseRequest request, bool is64)
    {
        Abi.CopyFileRangeIn copy = request.Take<Abi.CopyFileRangeIn>();
        if (copy.Flags != 0)
        {
            request.ReplyError(Errno.Invalid);
            return;
        }

        // The old answer has 32 bits: copy less at a time, the caller asks again.
        long length = (long)Math.Min(copy.LengthBytes, is64 ? 1UL << 40 : 1UL << 30);
        long copied = await _files.CopyRangeAsync(
            request.Node, copy.OffsetIn, copy.NodeOut, copy.OffsetOut, length, CancellationToken.None)
            .ConfigureAwait(false);
        if (is64)
        {
            request.Reply((ulong)copied);
        }
        else
        {
            request.Reply(new Abi.WriteOut { SizeBytes = (uint)copied });
        }
    }

    private async ValueTask StatFsAsync(FuseRequest request)
    {
        NodeSpace space = await _files.GetSpaceAsync(request.Cancelled).ConfigureAwait(false);
        const uint Block = 4096;
        request.Reply(new Abi.StatFsOut
        {
            Blocks = (ulong)space.TotalBytes / Block,
            FreeBlocks = (ulong)space.FreeBytes / Block,
            AvailableBlocks = (ulong)space.AvailableBytes / Block,
            Files = (ulong)space.TotalInodes,
            FreeFiles = (ulong)space.FreeInodes,
            BlockBytes = Block,
            FragmentBytes = Block,
            MaxNameBytes = 255,
        });
    }
}
