using DataLayer.Core.Tree;
using DataLayer.Fuse.Interop;

namespace DataLayer.Fuse;

/// <content>FUSE_STATX: the kernel asks it where a program wants the birth time, else GETATTR.</content>
internal sealed partial class FuseDispatcher
{
    private async ValueTask StatxAsync(FuseRequest request)
    {
        InodeAttributes found = await _files.GetAsync(request.Node, request.Cancelled).ConfigureAwait(false);
        request.Reply(AttributeFormat.ToStatxOut(found, _files.TimeoutsOf(found).Attribute));
    }

    private void StatxVirtual(FuseRequest request) =>
        request.Reply(AttributeFormat.ToStatxOut(_virtual.Attributes(request.Node), TimeSpan.FromHours(1)));
}
