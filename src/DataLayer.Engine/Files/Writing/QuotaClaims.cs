using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata.Quotas;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Lengths of contents that change in place, claimed in their quotas before any byte is written, so that a write fails
/// when it is made and what was acknowledged can always be flushed. All methods want the content's write gate.
/// </summary>
internal sealed class QuotaClaims(QuotaBook book)
{
    /// <summary>Whether there is no quota at all.</summary>
    public bool IsEmpty => book.IsEmpty;

    /// <summary>Claims the length a content is about to get.</summary>
    /// <exception cref="DataLayerException">QuotaExceeded: nothing changed.</exception>
    public void ClaimLocked(ContentState content, long sizeBytes)
    {
        if (content.IsSuperseded || book.IsEmpty)
        {
            return;
        }

        InodeAttributes known = content.Content.Attributes;
        long full = book.Claim(content.Id, known.QuotaFolder, sizeBytes, known.SizeBytes, force: false);
        if (full != 0)
        {
            SettleLocked(content);
            throw Exceeded(full, sizeBytes - content.SizeBytes);
        }
    }

    /// <summary>Brings the claim to what the content's length is by now; gives it back where that is flushed.</summary>
    public void SettleLocked(ContentState content)
    {
        if (book.IsEmpty)
        {
            return;
        }

        InodeAttributes known = content.Content.Attributes;
        if (content.IsDirty && !content.IsSuperseded)
        {
            _ = book.Claim(content.Id, known.QuotaFolder, content.SizeBytes, known.SizeBytes, force: true);
        }
        else
        {
            book.Settle(content.Id);
        }
    }

    /// <summary>Refuses bytes that a file's quota has no room for, without claiming them.</summary>
    /// <exception cref="DataLayerException">QuotaExceeded.</exception>
    public void CheckRoom(long quotaFolder, long bytes)
    {
        if (book.Find(quotaFolder) is { } space && space.FreeBytes < bytes)
        {
            throw Exceeded(quotaFolder, bytes);
        }
    }

    private DataLayerException Exceeded(long folder, long bytes)
    {
        QuotaSpace space = book.Find(folder).GetValueOrDefault();
        return new DataLayerException(
            ErrorCode.QuotaExceeded,
            $"The quota of folder {folder} has no room for {bytes} bytes more: {space.UsedBytes} of {space.LimitBytes} "
                + "are used. Remove files, or raise it.")
        {
            QuotaFolder = folder,
        };
    }
}
