using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Fuse.Interop;
using DataLayer.Fuse.Vfs;

namespace DataLayer.Fuse;

/// <content>Requests about <c>.datalayer/</c>: it is read only.</content>
internal sealed partial class FuseDispatcher
{
    private ValueTask DispatchVirtualAsync(FuseRequest request)
    {
        switch (request.Opcode)
        {
            case Opcode.Forget:
                request.NoReply();
                break;
            case Opcode.GetAttributes:
                request.Reply(AttributeFormat.ToAttributesOut(
                    _virtual.Attributes(request.Node), TimeSpan.FromHours(1)));
                break;
            case Opcode.Statx:
                StatxVirtual(request);
                break;
            case Opcode.Lookup:
                LookupVirtual(request);
                break;
            case Opcode.OpenDirectory:
                request.Reply(new Abi.OpenOut());
                break;
            case Opcode.ReadDirectory or Opcode.ReadDirectoryPlus:
                ListVirtual(request);
                break;
            case Opcode.Open:
                OpenVirtual(request);
                break;
            case Opcode.Read:
                return ReadVirtualAsync(request);
            case Opcode.Release:
                _virtual.Release(request.Take<Abi.ReleaseIn>().Handle);
                request.ReplyDone();
                break;
            case Opcode.ReleaseDirectory or Opcode.Flush:
                request.ReplyDone();
                break;
            case Opcode.StatFs:
                return StatFsAsync(request);
            case Opcode.GetXattr or Opcode.ListXattr:
                request.ReplyError(Errno.NoData);
                break;
            default:
                request.ReplyError(Errno.NotPermitted);
                break;
        }

        return ValueTask.CompletedTask;
    }

    private void LookupVirtual(FuseRequest request)
    {
        if (request.TakeName() is { } name && _virtual.Lookup(name) is { } entry)
        {
            request.Reply(AttributeFormat.ToEntry(entry));
        }
        else
        {
            request.ReplyError(Errno.NoEntry);
        }
    }

    private void OpenVirtual(FuseRequest request)
    {
        if (((int)request.Take<Abi.OpenIn>().Flags & 3) != 0)
        {
            request.ReplyError(Errno.Denied);
            return;
        }

        Abi.OpenOut opened = new() { Handle = _virtual.Open(request.Node), Flags = Abi.OpenDirectIo };
        if (!request.Reply(opened))
        {
            _virtual.Release(opened.Handle);
        }
    }

    private async ValueTask ReadVirtualAsync(FuseRequest request)
    {
        Abi.ReadIn read = request.Take<Abi.ReadIn>();
        ReadOnlyMemory<byte> bytes = await _virtual.ReadAsync(
            request.Node, read.Handle, read.OffsetBytes, (int)read.SizeBytes, request.Cancelled).ConfigureAwait(false);
        request.Reply(bytes.Span);
    }

    private void ListVirtual(FuseRequest request)
    {
        Abi.ReadIn read = request.Take<Abi.ReadIn>();
        bool plus = request.Opcode == Opcode.ReadDirectoryPlus;
        ListingWriter writer = new(request, (int)Math.Min(read.SizeBytes, Abi.MaxTransferBytes), plus);
        ulong cookie = 0;
        bool full = read.OffsetBytes == 0
            && (!writer.AddDots(".", new InodeId((long)request.Node), ++cookie)
                || !writer.AddDots("..", _files.Root, ++cookie));
        cookie = DirectoryCursor.ParentCookie;
        foreach ((ulong node, string name) in _virtual.Entries())
        {
            cookie++;
            if (!full && cookie > (ulong)read.OffsetBytes)
            {
                NodeEntry entry = new(node, _virtual.Attributes(node), TimeSpan.FromHours(1), TimeSpan.FromHours(1));
                full = !writer.Add(entry, name, cookie);
            }
        }

        request.ReplyOutput(writer.LengthBytes);
    }
}
