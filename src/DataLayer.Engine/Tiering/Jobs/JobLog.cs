using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>What is logged about jobs.</summary>
internal static partial class JobLog
{
    [LoggerMessage(40, LogLevel.Information, "Job {Id} ({Kind}) runs")]
    internal static partial void Started(ILogger log, long id, string kind);

    [LoggerMessage(41, LogLevel.Information, "Job {Id} ({Kind}) is {State} {Failure}")]
    internal static partial void Ended(ILogger log, long id, string kind, string state, string failure);

    [LoggerMessage(42, LogLevel.Error, "Job {Id} ({Kind}) ended by a fault")]
    internal static partial void Faulted(ILogger log, long id, string kind, Exception fault);

    [LoggerMessage(
        43, LogLevel.Error, "Job {Id}: its state cannot be stored; it may run again after a restart: {Cause}")]
    internal static partial void NotSaved(ILogger log, long id, string cause);

    [LoggerMessage(44, LogLevel.Warning, "Schedule {Id} made no job: {Cause}")]
    internal static partial void NotScheduled(ILogger log, long id, string cause);

    [LoggerMessage(45, LogLevel.Warning, "A learned warm-up was not made: {Cause}")]
    internal static partial void NotLearned(ILogger log, string cause);
}
