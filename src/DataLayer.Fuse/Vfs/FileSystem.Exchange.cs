using System.Globalization;
using System.Text;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;

namespace DataLayer.Fuse.Vfs;

/// <content>
/// An exchange of two names done once, also where the service dies between doing and answering it. It is the one
/// request that undoes itself when it is done again, and nothing in the tree tells whether it was done. So before it is
/// done, the folder is told (in <c>trusted.datalayer.exchange</c>, shown to nobody) which request is to exchange which
/// inodes; that is committed first, and survives the service. Exchanges of one folder come one after the other: the
/// kernel locks it.
/// </content>
internal sealed partial class FileSystem
{
    private const string ExchangeMark = "trusted.datalayer.exchange";

    /// <summary>
    /// Whether a request that was sent again was done before; else notes what it is about to do.
    /// </summary>
    private async ValueTask<bool> IsExchangedAsync(
        (InodeId Folder, string Name) one, (InodeId Folder, string Name) other, Caller caller,
        CancellationToken cancellationToken)
    {
        InodeAttributes? first = await _nodes.LookupAsync(one.Folder, one.Name, cancellationToken)
            .ConfigureAwait(false);
        InodeAttributes? second = await _nodes.LookupAsync(other.Folder, other.Name, cancellationToken)
            .ConfigureAwait(false);
        if (first is null || second is null || first.Inode == second.Inode)
        {
            return false; // The rename says what is wrong.
        }

        if (caller.IsResent && await _nodes.GetXattrAsync(one.Folder, ExchangeMark, cancellationToken)
            .ConfigureAwait(false) is { } noted)
        {
            string text = Encoding.UTF8.GetString(noted);
            if (text == MarkOf(caller, second.Inode, first.Inode))
            {
                return true;
            }

            if (text == MarkOf(caller, first.Inode, second.Inode))
            {
                return false;
            }
        }

        byte[] mark = Encoding.UTF8.GetBytes(MarkOf(caller, first.Inode, second.Inode));
        Table.SetHasNoXattrs(one.Folder, false);
        await _nodes.SetXattrAsync(one.Folder, ExchangeMark, mark, XattrCondition.None, cancellationToken)
            .ConfigureAwait(false);
        return false;
    }

    private string MarkOf(Caller caller, InodeId first, InodeId second) => string.Create(
        CultureInfo.InvariantCulture, $"{_options.MountId} {caller.Request} {first.Value} {second.Value}");
}
