using DataLayer.Core.Identity;
using Microsoft.Extensions.Logging;

namespace DataLayer.Storage.Stripes;

/// <summary>What the hot tier says.</summary>
internal static partial class HotTierLog
{
    [LoggerMessage(1, LogLevel.Warning, "Target {Target} ({Location}) went from {Before} to {After}: {Reason}")]
    internal static partial void TargetChanged(
        ILogger logger, int target, string location, TargetState before, TargetState after, string reason);

    [LoggerMessage(2, LogLevel.Warning, "Content {Content}: a bad copy on target {Target} was replaced from another "
        + "copy")]
    internal static partial void Repaired(ILogger logger, ContentId content, int target);

    [LoggerMessage(3, LogLevel.Warning, "Content {Content}: a bad copy on target {Target} could not be replaced: "
        + "{Reason}")]
    internal static partial void RepairFailed(ILogger logger, ContentId content, int target, string reason);

    [LoggerMessage(4, LogLevel.Information, "Content {Content}, column {Column}: recovered after an unclean stop, "
        + "{Taken} chunks taken as they were")]
    internal static partial void Recovered(ILogger logger, ContentId content, int column, int taken);

    [LoggerMessage(5, LogLevel.Warning, "Segment {Segment} on target {Target}: {Reason}")]
    internal static partial void SegmentFailed(ILogger logger, long segment, int target, string reason);
}
