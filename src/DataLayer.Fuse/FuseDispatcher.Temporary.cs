using DataLayer.Fuse.Interop;
using DataLayer.Fuse.Vfs;

namespace DataLayer.Fuse;

/// <content>FUSE_TMPFILE (7.37 and later).</content>
internal sealed partial class FuseDispatcher
{
    private async ValueTask TemporaryFileAsync(FuseRequest request)
    {
        // The name that follows is the kernel's own for an inode without one.
        Abi.CreateIn create = request.Take<Abi.CreateIn>();
        NodeEntry entry = await _files.CreateTemporaryAsync(
            request.Node, (int)create.Mode, CallerOf(request), CancellationToken.None).ConfigureAwait(false);
        OpenedFile opened = new(0, KeepCache: true);
        if (!request.Reply(new Abi.CreateOut { Entry = AttributeFormat.ToEntry(entry), Open = ToOpen(opened) }))
        {
            await _files.ReleaseAsync(entry.Node, opened.Handle).ConfigureAwait(false);
            await _files.ForgetAsync(entry.Node, 1).ConfigureAwait(false);
        }
    }
}
