using DataLayer.Core.Errors;

namespace DataLayer.Metadata.Rows;

/// <summary>The error for a row that fails its checksum.</summary>
internal static class RowFault
{
    public static DataLayerException Damaged(string what) => new(
        ErrorCode.Corrupt,
        $"The metadata database is damaged: {what} fails its checksum. Run 'datalayer fsck'; if it names more rows, "
            + "restore a backup or attach the buckets again.");
}
