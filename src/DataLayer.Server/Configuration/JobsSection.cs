using DataLayer.Engine.Tiering.Jobs;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>jobs</c>.</summary>
internal static class JobsSection
{
    /// <summary>Reads the section.</summary>
    public static JobsConfiguration Read(SettingReader section)
    {
        JobServiceOptions d = new();
        JobsConfiguration jobs = new()
        {
            Service = new JobServiceOptions
            {
                MaxRunning = section.Count("running", d.MaxRunning, 1, 64, "Jobs that run at once; others wait."),
                MaxOpen = section.Count(
                    "open", d.MaxOpen, 1, 100_000, "Jobs that may be queued, running or paused; more get 503."),
                KeepEnded = section.Count("keep", d.KeepEnded, 0, 100_000, "Ended jobs that are kept, the newest."),
                KeepEndedFor = section.Duration(
                    "keepFor", d.KeepEndedFor, TimeSpan.FromMinutes(1), TimeSpan.FromDays(3650),
                    "How long ended jobs are kept."),
                MaxSchedules = section.Count("schedules", d.MaxSchedules, 1, 10_000, "Schedules there may be."),
            },
            MaxListBytes = section.Size(
                "maxList", 64L << 20, 1 << 10, 16L << 30, "The longest list of files that a job may be given."),
        };
        section.Done();
        return jobs;
    }
}
