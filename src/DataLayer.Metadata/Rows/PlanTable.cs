using System.Data.Common;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>plans</c>.</summary>
internal sealed class PlanTable(SqlSession session)
{
    private const string Columns = "id, created_time, spool_bytes, summary, crc";

    private const string SelectOne = $"SELECT {Columns} FROM plans WHERE id = $1";

    private const string SelectPage = $"SELECT {Columns} FROM plans WHERE id < $1 ORDER BY id DESC LIMIT $2";

    private const string SelectAll = $"SELECT {Columns} FROM plans";

    private const string Insert =
        "INSERT INTO plans (id, created_time, spool_bytes, summary, crc) VALUES ($1, $2, $3, $4, $5)";

    private const string Delete = "DELETE FROM plans WHERE id = $1";

    /// <summary>One plan, or null.</summary>
    public StoredPlan? Find(long id)
    {
        using DbDataReader reader = session.Get(SelectOne).Add(id).Query();
        return reader.Read() ? Read(reader) : null;
    }

    /// <summary>Plans with a smaller number, newest first.</summary>
    public List<StoredPlan> ListPage(long before, int limit)
    {
        List<StoredPlan> plans = [];
        using DbDataReader reader = session.Get(SelectPage).Add(before).Add((long)limit).Query();
        while (reader.Read())
        {
            plans.Add(Read(reader));
        }

        return plans;
    }

    /// <summary>Adds a plan; its number must be set.</summary>
    public void Add(StoredPlan plan) => session.Get(Insert)
        .Add(plan.Id).Add(plan.CreatedTimeNanoseconds).Add(plan.SpoolBytes).Add(plan.Summary)
        .Add((long)ComputeCrc(plan)).Execute();

    /// <summary>Removes a plan.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Remove(long id) => session.Get(Delete).Add(id).Execute() == 1;

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() => RowFault.FindAll(session.Get(SelectAll), static reader => Read(reader));

    private static StoredPlan Read(DbDataReader reader)
    {
        StoredPlan plan = new(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetString(3));
        return ComputeCrc(plan) == (uint)reader.GetInt64(4) ? plan : throw RowFault.Damaged($"plan {plan.Id}");
    }

    private static uint ComputeCrc(StoredPlan plan)
    {
        RowChecksum sum = default;
        sum.Add(plan.Id);
        sum.Add(plan.CreatedTimeNanoseconds);
        sum.Add(plan.SpoolBytes);
        sum.Add(plan.Summary);
        return sum.Value;
    }
}
