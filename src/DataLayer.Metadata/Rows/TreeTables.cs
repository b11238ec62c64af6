using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The tables over one connection.</summary>
internal sealed class TreeTables : IDisposable
{
    private const string SelectSetting = "SELECT value FROM settings WHERE name = $1";

    private const string UpsertSetting =
        "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

    private const string TakeNumbers = "UPDATE counters SET next = next + $1 WHERE name = $2 RETURNING next";

    /// <summary>The tables over a session, which is disposed with them.</summary>
    public TreeTables(SqlSession session)
    {
        Session = session;
        Inodes = new InodeTable(session);
        Dentries = new DentryTable(session);
        Journal = new JournalTable(session);
        Attachments = new AttachmentTable(session);
        Xattrs = new XattrTable(session);
        Policies = new PolicyTable(session);
        Jobs = new JobTable(session);
        Schedules = new ScheduleTable(session);
        Heat = new HeatTable(session);
        History = new HistoryTable(session);
        Plans = new PlanTable(session);
        Moves = new MoveTable(session);
        Costs = new CostTable(session);
        Capacity = new CapacityTable(session);
        Quotas = new QuotaTable(session);
        Packs = new PackTable(session);
        Headrooms = new HeadroomTable(session);
    }

    public SqlSession Session { get; }

    /// <summary>Has the tables say what they write.</summary>
    public void LogTo(ChangeLog log)
    {
        Inodes.Changes = log;
        Dentries.Changes = log;
        Xattrs.Changes = log;
        Attachments.Changes = log;
    }

    public InodeTable Inodes { get; }

    public DentryTable Dentries { get; }

    public JournalTable Journal { get; }

    public AttachmentTable Attachments { get; }

    public XattrTable Xattrs { get; }

    public PolicyTable Policies { get; }

    public JobTable Jobs { get; }

    public ScheduleTable Schedules { get; }

    public HeatTable Heat { get; }

    public HistoryTable History { get; }

    public PlanTable Plans { get; }

    public MoveTable Moves { get; }

    public CostTable Costs { get; }

    public CapacityTable Capacity { get; }

    public QuotaTable Quotas { get; }

    public PackTable Packs { get; }

    /// <summary>What is reserved for whom, and when.</summary>
    public HeadroomTable Headrooms { get; }

    /// <summary>One setting, or null.</summary>
    public string? FindSetting(string name)
    {
        using System.Data.Common.DbDataReader reader = Session.Get(SelectSetting).Add(name).Query();
        return reader.Read() ? reader.GetString(0) : null;
    }

    /// <summary>Sets one setting.</summary>
    public void SetSetting(string name, string value) => Session.Get(UpsertSetting).Add(name).Add(value).Execute();

    /// <summary>
    /// Takes <paramref name="count"/> numbers from a counter, never to be given out again once committed.
    /// </summary>
    /// <returns>The first of them.</returns>
    public long Reserve(string counter, int count)
    {
        using System.Data.Common.DbDataReader reader = Session.Get(TakeNumbers).Add((long)count).Add(counter).Query();
        return reader.Read()
            ? reader.GetInt64(0) - count
            : throw RowFault.Damaged($"counter '{counter}' is missing; the row");
    }

    /// <inheritdoc/>
    public void Dispose() => Session.Dispose();
}
