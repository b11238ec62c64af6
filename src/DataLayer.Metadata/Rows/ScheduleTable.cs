using System.Data.Common;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>job_schedules</c>.</summary>
internal sealed class ScheduleTable(SqlSession session)
{
    private const string SelectAll =
        """
        SELECT id, cron, zone, kind, spec, owner, scopes, created_time, last_time, last_job, crc FROM job_schedules
        ORDER BY id
        """;

    private const string Upsert =
        """
        INSERT INTO job_schedules (id, cron, zone, kind, spec, owner, scopes, created_time, last_time, last_job, crc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (id) DO UPDATE SET cron = excluded.cron, zone = excluded.zone, kind = excluded.kind,
            spec = excluded.spec, owner = excluded.owner, scopes = excluded.scopes,
            created_time = excluded.created_time, last_time = excluded.last_time, last_job = excluded.last_job,
            crc = excluded.crc
        """;

    /// <summary>All schedules by number.</summary>
    public List<JobSchedule> List()
    {
        List<JobSchedule> all = [];
        using DbDataReader reader = session.Get(SelectAll).Query();
        while (reader.Read())
        {
            all.Add(Read(reader));
        }

        return all;
    }

    /// <summary>Adds a schedule or writes it back.</summary>
    public void Save(JobSchedule s) => session.Get(Upsert)
        .Add(s.Id).Add(s.Cron).Add(s.Zone).Add(s.Kind).Add(s.Spec).Add(s.Owner).Add(string.Join('\n', s.Scopes))
        .Add(s.CreatedTime).Add(s.LastTime).Add(s.LastJob).Add((long)ComputeCrc(s)).Execute();

    /// <summary>Removes a schedule.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Remove(long id) =>
        session.Get("DELETE FROM job_schedules WHERE id = $1").Add(id).Execute() == 1;

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() =>
        RowFault.FindAll(session.Get(SelectAll), static reader => _ = Read(reader));

    private static JobSchedule Read(DbDataReader reader)
    {
        JobSchedule schedule = new()
        {
            Id = reader.GetInt64(0),
            Cron = reader.GetString(1),
            Zone = reader.GetString(2),
            Kind = reader.GetString(3),
            Spec = reader.GetString(4),
            Owner = reader.GetString(5),
            Scopes = reader.GetString(6).Split('\n', StringSplitOptions.RemoveEmptyEntries),
            CreatedTime = reader.GetInt64(7),
            LastTime = reader.GetInt64(8),
            LastJob = reader.GetInt64(9),
        };
        return ComputeCrc(schedule) == (uint)reader.GetInt64(10)
            ? schedule
            : throw RowFault.Damaged($"schedule {schedule.Id}");
    }

    private static uint ComputeCrc(JobSchedule s)
    {
        RowChecksum sum = default;
        sum.Add(s.Id);
        sum.Add(s.Cron);
        sum.Add(s.Zone);
        sum.Add(s.Kind);
        sum.Add(s.Spec);
        sum.Add(s.Owner);
        sum.Add(string.Join('\n', s.Scopes));
        sum.Add(s.CreatedTime);
        sum.Add(s.LastTime);
        sum.Add(s.LastJob);
        return sum.Value;
    }
}
