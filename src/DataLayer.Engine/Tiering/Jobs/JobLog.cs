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

    [LoggerMessage(46, LogLevel.Warning, "Automatic tiering ({Kind}): {Message}")]
    internal static partial void TieringAlert(ILogger log, string kind, string message);

    [LoggerMessage(45, LogLevel.Warning, "A learned warm-up was not made: {Cause}")]
    internal static partial void NotLearned(ILogger log, string cause);

    [LoggerMessage(47, LogLevel.Warning, "Headroom '{Name}': its window has begun and it is {Phase}: {Cause}")]
    internal static partial void HeadroomLate(ILogger log, string name, string phase, string cause);

    [LoggerMessage(48, LogLevel.Error, "Headrooms are not kept up: {Cause}")]
    internal static partial void HeadroomFailed(ILogger log, string cause);
}
