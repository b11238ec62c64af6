using System.Data.Common;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The error for a row that fails its checksum.</summary>
internal static class RowFault
{
    public static DataLayerException Damaged(string what) => new(
        ErrorCode.Corrupt,
        $"The metadata database is damaged: {what} fails its checksum. Run 'datalayer fsck'; if it names more rows, "
            + "restore a backup or attach the buckets again.");

    /// <summary>Reads all rows of a query and gives one message for each that its reader refuses.</summary>
    public static IEnumerable<string> FindAll(SqlStatement query, Action<DbDataReader> readRow)
    {
        using DbDataReader reader = query.Query();
        while (reader.Read())
        {
            string? fault = null;
            try
            {
                readRow(reader);
            }
            catch (Exception error) when (
                error is DataLayerException or InvalidCastException or InvalidOperationException)
            {
                fault = error.Message;
            }

            if (fault is not null)
            {
                yield return fault;
            }
        }
    }
}
