using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Fuse.Interop;
using DataLayer.Fuse.Vfs;

namespace DataLayer.Fuse;

/// <content>Requests about names and attributes.</content>
internal sealed partial class FuseDispatcher
{
    private const long Second = 1_000_000_000;
    private const uint OpenExclusive = 0x80;
    private const uint OpenTruncate = 0x200;

    private ValueTask LookupAsync(FuseRequest request)
    {
        if (request.TakeName() is not { } name)
        {
            request.ReplyError(Errno.NoEntry); // Names are UTF-8, so there is none like it.
            return ValueTask.CompletedTask;
        }

        if (request.Node == Abi.RootNode && name == VirtualFolder.Name)
        {
            request.Reply(AttributeFormat.ToEntry(_virtual.FolderEntry()));
            return ValueTask.CompletedTask;
        }

        return LookupAsync(request, name);
    }

    private async ValueTask LookupAsync(FuseRequest request, string name)
    {
        NodeEntry? found = await _files.LookupAsync(request.Node, name, request.Cancelled).ConfigureAwait(false);
        if (found is { } entry)
        {
            await ReplyEntryAsync(request, entry).ConfigureAwait(false);
            return;
        }

        TimeSpan absent = await _files.AbsenceTimeoutAsync(request.Node, request.Cancelled).ConfigureAwait(false);
        if (absent == TimeSpan.Zero)
        {
            request.ReplyError(Errno.NoEntry);
            return;
        }

        // Node 0: there is no such name, and the kernel may remember that.
        (ulong seconds, uint rest) = AttributeFormat.Split(absent);
        request.Reply(new Abi.EntryOut { EntrySeconds = seconds, EntryNanoseconds = rest });
    }

    /// <summary>Tells of an inode; takes the count back where the kernel does not want it any more.</summary>
    private async ValueTask ReplyEntryAsync(FuseRequest request, NodeEntry entry)
    {
        if (!request.Reply(AttributeFormat.ToEntry(entry)))
        {
            await _files.ForgetAsync(entry.Node, 1).ConfigureAwait(false);
        }
    }

    private async ValueTask GetAttributesAsync(FuseRequest request)
    {
        InodeAttributes found = await _files.GetAsync(request.Node, request.Cancelled).ConfigureAwait(false);
        request.Reply(AttributeFormat.ToAttributesOut(found, _files.TimeoutsOf(found).Attribute));
    }

    private async ValueTask SetAttributesAsync(FuseRequest request)
    {
        Abi.SetAttributesIn set = request.Take<Abi.SetAttributesIn>();
        uint valid = set.Valid;
        NodeChanges changes = new()
        {
            Mode = (valid & Abi.AttributeMode) != 0 ? (int)(set.Mode & 0xFFF) : null,
            UserId = (valid & Abi.AttributeUser) != 0 ? (int)set.UserId : null,
            GroupId = (valid & Abi.AttributeGroup) != 0 ? (int)set.GroupId : null,
            SizeBytes = (valid & Abi.AttributeSize) != 0 ? set.SizeBytes : null,
            AccessTime = TimeOf(
                valid, Abi.AttributeAccessTime, Abi.AttributeAccessTimeNow, set.AccessSeconds, set.AccessNanoseconds),
            ModifyTime = TimeOf(
                valid, Abi.AttributeModifyTime, Abi.AttributeModifyTimeNow, set.ModifySeconds, set.ModifyNanoseconds),
        };
        InodeAttributes changed = await _files.SetAttributesAsync(
            request.Node, changes, (valid & Abi.AttributeKillSetId) != 0, CancellationToken.None)
            .ConfigureAwait(false);
        request.Reply(AttributeFormat.ToAttributesOut(changed, _files.TimeoutsOf(changed).Attribute));
    }

    private static NodeTime? TimeOf(uint valid, uint isSet, uint isNow, long seconds, uint nanoseconds)
    {
        if ((valid & isNow) != 0)
        {
            return NodeTime.Now;
        }

        const long Last = (long.MaxValue / Second) - 1;
        return (valid & isSet) == 0
            ? null
            : new NodeTime((Math.Clamp(seconds, -Last, Last) * Second) + nanoseconds);
    }

    private async ValueTask CreateAsync(FuseRequest request)
    {
        Abi.CreateIn create = request.Take<Abi.CreateIn>();
        string name = NameOf(request);
        NodeEntry entry;
        OpenedFile opened;
        try
        {
            entry = await _files.CreateAndOpenAsync(
                request.Node, name, (int)create.Mode, CallerOf(request), CancellationToken.None).ConfigureAwait(false);
            opened = new OpenedFile(0, KeepCache: true);
        }
        catch (DataLayerException error)
            when (error.Code == ErrorCode.AlreadyExists && (create.Flags & OpenExclusive) == 0)
        {
            // Somebody else made it meanwhile: then this is an open.
            entry = await _files.LookupAsync(request.Node, name, CancellationToken.None).ConfigureAwait(false)
                ?? throw new DataLayerException(ErrorCode.NotFound, $"'{name}' came and went.", error);
            opened = await _files.OpenAsync(
                entry.Node, (int)create.Flags, (create.OpenFlags & Abi.OpenKillSetId) != 0, CancellationToken.None)
                .ConfigureAwait(false);
            InodeAttributes now = await _files.GetAsync(entry.Node, CancellationToken.None).ConfigureAwait(false);
            entry = entry with { Attributes = now };
        }

        Abi.CreateOut answer = new() { Entry = AttributeFormat.ToEntry(entry), Open = ToOpen(opened) };
        if (!request.Reply(answer))
        {
            await _files.ReleaseAsync(entry.Node, opened.Handle).ConfigureAwait(false);
            await _files.ForgetAsync(entry.Node, 1).ConfigureAwait(false);
        }
    }

    private async ValueTask MakeDirectoryAsync(FuseRequest request)
    {
        Abi.MakeDirectoryIn make = request.Take<Abi.MakeDirectoryIn>();
        NodeEntry entry = await _files.MakeDirectoryAsync(
            request.Node, NameOf(request), (int)make.Mode, CallerOf(request), CancellationToken.None)
            .ConfigureAwait(false);
        await ReplyEntryAsync(request, entry).ConfigureAwait(false);
    }

    private async ValueTask MakeNodeAsync(FuseRequest request)
    {
        Abi.MakeNodeIn make = request.Take<Abi.MakeNodeIn>();
        if (KindOf((int)make.Mode) is not { } kind || kind is FileKind.Directory or FileKind.SymbolicLink)
        {
            request.ReplyError(Errno.Invalid);
            return;
        }

        NodeEntry entry = await _files.MakeNodeAsync(
            request.Node, NameOf(request), kind, (int)make.Mode, make.Device, CallerOf(request),
            CancellationToken.None).ConfigureAwait(false);
        await ReplyEntryAsync(request, entry).ConfigureAwait(false);
    }

    private async ValueTask SymbolicLinkAsync(FuseRequest request)
    {
        string name = NameOf(request);
        string target = NameOf(request);
        NodeEntry entry = await _files.MakeSymbolicLinkAsync(
            request.Node, name, target, CallerOf(request), CancellationToken.None).ConfigureAwait(false);
        await ReplyEntryAsync(request, entry).ConfigureAwait(false);
    }

    private async ValueTask ReadLinkAsync(FuseRequest request)
    {
        string target = await _files.ReadLinkAsync(request.Node, request.Cancelled).ConfigureAwait(false);
        request.Reply(Encoding.UTF8.GetBytes(target));
    }

    private async ValueTask LinkAsync(FuseRequest request)
    {
        ulong node = request.Take<Abi.LinkIn>().OldNode;
        NodeEntry entry = await _files.LinkAsync(
            node, request.Node, NameOf(request), CallerOf(request), CancellationToken.None).ConfigureAwait(false);
        await ReplyEntryAsync(request, entry).ConfigureAwait(false);
    }

    private async ValueTask UnlinkAsync(FuseRequest request, bool folder)
    {
        string name = NameOf(request);
        if (folder)
        {
            await _files.RemoveDirectoryAsync(request.Node, name, CallerOf(request), CancellationToken.None)
                .ConfigureAwait(false);
        }
        else
        {
            await _files.UnlinkAsync(request.Node, name, CallerOf(request), CancellationToken.None)
                .ConfigureAwait(false);
        }

        request.ReplyDone();
    }

    private async ValueTask RenameAsync(FuseRequest request, bool withFlags)
    {
        (ulong newParent, uint flags) = withFlags
            ? FlagsOf(request.Take<Abi.Rename2In>())
            : (request.Take<Abi.RenameIn>().NewParent, 0);
        if ((flags & ~(uint)(RenameFlags.NoReplace | RenameFlags.Exchange)) != 0)
        {
            request.ReplyError(Errno.Invalid);
            return;
        }

        string name = NameOf(request);
        string newName = NameOf(request);
        if (VirtualFolder.IsVirtual(newParent))
        {
            request.ReplyError(Errno.NotPermitted);
            return;
        }

        await _files.RenameAsync(
            request.Node, name, newParent, newName, (RenameFlags)flags, CallerOf(request), CancellationToken.None)
            .ConfigureAwait(false);
        request.ReplyDone();
    }

    private static (ulong NewParent, uint Flags) FlagsOf(Abi.Rename2In rename) => (rename.NewParent, rename.Flags);
}
