using DataLayer.Core.Tree;

namespace DataLayer.Metadata.Rows;

/// <summary>One row of <c>journal</c>: the entry as callers see it, and what orders it.</summary>
/// <param name="Entry">The entry.</param>
/// <param name="Started">Whether a worker took it: its effect on the store may already be there.</param>
/// <param name="Replaces">
/// An upload that takes the place of an object that would be deleted else (the entry's ETag, where it is known):
/// cancelled, the upload leaves that deletion.
/// </param>
internal sealed record JournalRow(JournalEntry Entry, bool Started, bool Replaces)
{
    /// <summary>
    /// The row's checksum. The two columns that workers count in, failures and due time, are left out.
    /// </summary>
    public uint ComputeCrc()
    {
        RowChecksum sum = default;
        sum.Add(Entry.Id);
        sum.Add((long)Entry.Kind);
        sum.Add(Entry.Content.Inode.Value);
        sum.Add((long)Entry.Content.Generation);
        sum.Add(Entry.AttachmentId);
        sum.Add(Entry.Key);
        sum.Add(Entry.ETag);
        sum.Add(Entry.Placement);
        sum.Add(Replaces ? 1L : 0L);
        return sum.Value;
    }
}
