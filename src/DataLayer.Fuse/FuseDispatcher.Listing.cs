using System.Runtime.CompilerServices;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Fuse.Interop;
using DataLayer.Fuse.Vfs;
using DataLayer.Metadata;

namespace DataLayer.Fuse;

/// <content>Listings and extended attributes.</content>
internal sealed partial class FuseDispatcher
{
    private ValueTask OpenDirectory(FuseRequest request)
    {
        request.Reply(new Abi.OpenOut
        {
            Handle = _files.OpenDirectory(),
            Flags = Abi.OpenKeepCache | Abi.OpenCacheDirectory,
        });
        return ValueTask.CompletedTask;
    }

    private ValueTask ReleaseDirectory(FuseRequest request)
    {
        _files.ReleaseDirectory(request.Take<Abi.ReleaseIn>().Handle);
        request.ReplyDone();
        return ValueTask.CompletedTask;
    }

    private async ValueTask ReadDirectoryAsync(FuseRequest request, bool plus)
    {
        Abi.ReadIn read = request.Take<Abi.ReadIn>();
        ListingWriter writer = new(request, (int)Math.Min(read.SizeBytes, Abi.MaxTransferBytes), plus);
        ulong cookie = (ulong)read.OffsetBytes;
        bool full = false;
        if (cookie < DirectoryCursor.SelfCookie)
        {
            full = !writer.AddDots(".", _files.InodeOf(request.Node), DirectoryCursor.SelfCookie);
        }

        if (!full && cookie < DirectoryCursor.ParentCookie)
        {
            InodeId parent = await _files.ParentOfAsync(request.Node, request.Cancelled).ConfigureAwait(false);
            full = !writer.AddDots("..", parent, DirectoryCursor.ParentCookie);
        }

        if (!full)
        {
            int wanted = (writer.LimitBytes / (plus ? 168 : 40)) + 1;
            await _files.ListAsync(
                request.Node, read.Handle, cookie, wanted, writer.Add, request.Cancelled).ConfigureAwait(false);
        }

        writer.CountLookups(_files);
        if (!request.ReplyOutput(writer.LengthBytes))
        {
            await writer.UncountLookupsAsync(_files).ConfigureAwait(false);
        }
    }

    private async ValueTask GetXattrAsync(FuseRequest request)
    {
        int limit = (int)request.Take<Abi.GetXattrIn>().SizeBytes;
        if (request.TakeName() is not { } name)
        {
            request.ReplyError(Errno.NoData);
            return;
        }

        byte[]? value = await _files.GetXattrAsync(request.Node, name, request.Cancelled).ConfigureAwait(false);
        if (value is null)
        {
            request.ReplyError(Errno.NoData);
        }
        else
        {
            ReplySized(request, value, limit);
        }
    }

    private async ValueTask ListXattrAsync(FuseRequest request)
    {
        int limit = (int)request.Take<Abi.GetXattrIn>().SizeBytes;
        StringBuilder names = new();
        foreach (string name in await _files.ListXattrsAsync(request.Node, request.Cancelled).ConfigureAwait(false))
        {
            names.Append(name).Append('\0');
        }

        ReplySized(request, Encoding.UTF8.GetBytes(names.ToString()), limit);
    }

    private async ValueTask SetXattrAsync(FuseRequest request)
    {
        (int size, uint flags) = TakeSetXattr(request);
        string name = NameOf(request);
        ReadOnlyMemory<byte> value = TakeValue(request, size);
        const uint Create = 1;
        const uint Replace = 2;
        XattrCondition condition = flags switch
        {
            Create => XattrCondition.Create,
            Replace => XattrCondition.Replace,
            _ => XattrCondition.None,
        };
        try
        {
            await _files.SetXattrAsync(
                request.Node, name, value, condition, CallerOf(request), CancellationToken.None).ConfigureAwait(false);
            request.ReplyDone();
        }
        catch (DataLayerException error)
            when (error.Code == ErrorCode.NotFound && condition == XattrCondition.Replace)
        {
            request.ReplyError(Errno.NoData);
        }
    }

    private async ValueTask RemoveXattrAsync(FuseRequest request)
    {
        string name = NameOf(request);
        bool removed = await _files.RemoveXattrAsync(
            request.Node, name, CallerOf(request), CancellationToken.None).ConfigureAwait(false);
        request.ReplyError(removed ? 0 : Errno.NoData);
    }

    private (int SizeBytes, uint Flags) TakeSetXattr(FuseRequest request)
    {
        if (Negotiation is { SetXattrHeaderBytes: 8 })
        {
            ref readonly Abi.GetXattrIn old = ref request.Take<Abi.GetXattrIn>(); // The first 8 bytes: size and flags.
            return ((int)old.SizeBytes, old.Padding);
        }

        ref readonly Abi.SetXattrIn set = ref request.Take<Abi.SetXattrIn>();
        return ((int)set.SizeBytes, set.Flags);
    }

    private static unsafe ReadOnlyMemory<byte> TakeValue(FuseRequest request, int size) =>
        new ReadOnlySpan<byte>(request.TakeBytes(size), size).ToArray();

    /// <summary>The convention of xattr calls: a limit of 0 asks for the length.</summary>
    private static void ReplySized(FuseRequest request, byte[] value, int limit)
    {
        if (limit == 0)
        {
            request.Reply(new Abi.GetXattrOut { SizeBytes = (uint)value.Length });
        }
        else if (value.Length > limit)
        {
            request.ReplyError(Errno.Range);
        }
        else
        {
            request.Reply(value);
        }
    }

    /// <summary>Lays names of a folder into an answer.</summary>
    private sealed class ListingWriter
    {
        private readonly FuseRequest _request;
        private readonly bool _plus;
        private readonly List<ulong> _told = [];

        internal ListingWriter(FuseRequest request, int limitBytes, bool plus)
        {
            _request = request;
            _plus = plus;
            LimitBytes = limitBytes;
            _ = request.OutputFor(limitBytes);
        }

        internal int LimitBytes { get; }

        internal int LengthBytes { get; private set; }

        internal bool AddDots(string name, InodeId inode, ulong cookie) =>
            // Node 0: the kernel takes no look-up of these two.
            Add(new Abi.EntryOut(), (ulong)inode.Value, 0x4000, name, cookie);

        internal bool Add(NodeEntry entry, string name, ulong cookie)
        {
            Abi.EntryOut told = _plus ? AttributeFormat.ToEntry(entry) : default;
            uint kind = AttributeFormat.TypeBits(entry.Attributes.Kind);
            if (!Add(told, (ulong)entry.Attributes.Inode.Value, kind, name, cookie))
            {
                return false;
            }

            if (_plus)
            {
                _told.Add(entry.Node);
            }

            return true;
        }

        /// <summary>Before the answer goes out: the kernel may forget as soon as it has it.</summary>
        internal void CountLookups(FileSystem files)
        {
            foreach (ulong node in _told)
            {
                files.Table.AddLookup(files.InodeOf(node));
            }
        }

        internal async ValueTask UncountLookupsAsync(FileSystem files)
        {
            foreach (ulong node in _told)
            {
                await files.ForgetAsync(node, 1).ConfigureAwait(false);
            }
        }

        private unsafe bool Add(Abi.EntryOut told, ulong inode, uint kind, string name, ulong cookie)
        {
            int head = (_plus ? sizeof(Abi.EntryOut) : 0) + sizeof(Abi.DirectoryEntryOut);
            int nameBytes = Encoding.UTF8.GetByteCount(name);
            int length = (head + nameBytes + 7) & ~7;
            if (LengthBytes + length > LimitBytes)
            {
                return false;
            }

            byte* at = _request.Output!.Payload + LengthBytes;
            if (_plus)
            {
                Unsafe.WriteUnaligned(at, told);
                at += sizeof(Abi.EntryOut);
            }

            Unsafe.WriteUnaligned(at, new Abi.DirectoryEntryOut
            {
                Inode = inode,
                Cookie = cookie,
                NameBytes = (uint)nameBytes,
                Kind = kind >> 12,
            });
            at += sizeof(Abi.DirectoryEntryOut);
            _ = Encoding.UTF8.GetBytes(name, new Span<byte>(at, nameBytes));
            new Span<byte>(at + nameBytes, length - head - nameBytes).Clear();
            LengthBytes += length;
            return true;
        }
    }
}
