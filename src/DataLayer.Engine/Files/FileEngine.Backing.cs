using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Engine.Files;

/// <content>Files that the kernel may read by itself.</content>
public sealed partial class FileEngine
{
    /// <summary>
    /// The file below a content that is hot as a whole, flushed, and of width 1: whoever reads it sees the content's
    /// bytes, without our checksums. Null where it is not so. The caller disposes it.
    /// </summary>
    public async ValueTask<SafeFileHandle?> TryOpenBackingAsync(InodeId inode, CancellationToken cancellationToken)
    {
        ContentState? content = await Context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return null;
        }

        try
        {
            FileContent known = content.Content;
            bool isHot = known.Attributes.State == TierState.Hot
                || (known.Residency.BlockCount > 0 && known.Residency.ResidentCount == known.Residency.BlockCount);
            return content.IsDirty || !isHot || known.Placement is null || known.Attributes.SizeBytes == 0
                ? null
                : await Context.Hot.TryOpenBackingAsync(content.Id, known.Placement, cancellationToken)
                    .ConfigureAwait(false);
        }
        finally
        {
            await Context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>Whether an attachment is encrypted in the hot tier.</summary>
    public bool HasEncrypted
    {
        get
        {
            foreach (Attachment attachment in Context.Attachments.List())
            {
                if (attachment.IsEncrypted)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Whether what lies below an attachment is never changed through the tree.</summary>
    public bool IsReadOnly(long attachmentId) =>
        attachmentId != 0 && Context.Attachments.Find(attachmentId) is { Mode: AttachmentMode.ReadOnly };
}
