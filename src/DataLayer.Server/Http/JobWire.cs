using System.Globalization;
using System.Text.Json;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Http;

/// <summary>Jobs as the API writes them.</summary>
internal static class JobWire
{
    /// <summary>The entity tag of a job as it is.</summary>
    public static string TagOf(JobRecord job) =>
        string.Create(CultureInfo.InvariantCulture, $"\"{job.Id}-{job.Sequence}\"");

    /// <summary>A job.</summary>
    public static JobStatus ToStatus(JobRecord job, TimeProvider time) => new()
    {
        Id = job.Id,
        Kind = job.Kind,
        State = WireWord.Of(job.State),
        Owner = job.Owner,
        Spec = ToJson(job.Spec),
        DoneObjects = job.Progress.DoneObjects,
        TotalObjects = job.Progress.TotalObjects,
        DoneBytes = job.Progress.DoneBytes,
        TotalBytes = job.Progress.TotalBytes,
        FailedObjects = job.Progress.FailedObjects,
        EtaSeconds = EtaOf(job, time),
        Detail = job.Detail is { } detail ? ToJson(detail) : null,
        Result = job.Result is { } result ? ToJson(result) : null,
        Failure = job.Failure,
        Sequence = job.Sequence,
        CreatedTimeNanoseconds = job.CreatedTime,
        StartedTimeNanoseconds = job.StartedTime,
        EndedTimeNanoseconds = job.EndedTime,
    };

    /// <summary>A schedule.</summary>
    public static ScheduleStatus ToStatus(JobSchedule schedule, DateTimeOffset? next) => new()
    {
        Id = schedule.Id,
        Cron = schedule.Cron,
        Zone = schedule.Zone,
        Kind = schedule.Kind,
        Spec = ToJson(schedule.Spec),
        Owner = schedule.Owner,
        NextTimeNanoseconds = next is { } due ? UnixTime.ToNanoseconds(due) : 0,
        LastTimeNanoseconds = schedule.LastTime,
        LastJob = schedule.LastJob,
    };

    /// <summary>By bytes where their sum is known, else by files, at the mean pace since the start.</summary>
    private static double? EtaOf(JobRecord job, TimeProvider time)
    {
        JobProgress p = job.Progress;
        (long done, long total) = p.TotalBytes > 0 ? (p.DoneBytes, p.TotalBytes) : (p.DoneObjects, p.TotalObjects);
        long now = UnixTime.ToNanoseconds(time.GetUtcNow());
        double seconds = (now - job.StartedTime) / 1e9;
        return job.State == JobState.Running && done > 0 && total >= done && seconds > 0
            ? Math.Round((total - done) * seconds / done, 1)
            : null;
    }

    private static JsonElement ToJson(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
