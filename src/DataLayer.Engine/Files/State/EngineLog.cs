using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Files.State;

/// <summary>What the engine logs: events of files, attachments and the journal, never of single blocks.</summary>
internal static partial class EngineLog
{
    [LoggerMessage(
        1, LogLevel.Warning, "The hot copy of content {Content} is bad and is read from its object instead: {Reason}")]
    public static partial void HotCopyBad(ILogger log, string content, string reason);

    [LoggerMessage(2, LogLevel.Warning, "Cold content is not kept in the hot tier for now: {Reason}")]
    public static partial void RecallFailed(ILogger log, string reason);

    [LoggerMessage(
        3, LogLevel.Information, "Object '{Key}' changed in the bucket; '{Path}' shows the new one from now on")]
    public static partial void ObjectChanged(ILogger log, string key, string path);

    [LoggerMessage(
        4, LogLevel.Warning,
        "Journal entry {Entry} ({Kind} of '{Key}') failed {Failures} times, next try in {Wait}: {Reason}")]
    public static partial void JournalFailed(
        ILogger log, long entry, string kind, string key, int failures, TimeSpan wait, string reason);

    [LoggerMessage(
        5, LogLevel.Error,
        "Upload conflict: object '{Key}' was changed by somebody else; the local content is kept: {Reason}")]
    public static partial void UploadConflict(ILogger log, string key, string reason);

    [LoggerMessage(6, LogLevel.Warning, "Object '{Key}' was not deleted: it was changed by somebody else since")]
    public static partial void DeleteSkipped(ILogger log, string key);

    [LoggerMessage(7, LogLevel.Error, "Background work '{Name}' failed and goes on later")]
    public static partial void BackgroundFailed(ILogger log, string name, Exception error);

    [LoggerMessage(
        8, LogLevel.Information, "Journal replayed: {Pending} unfinished writes dropped, {Orphans} orphans released")]
    public static partial void Replayed(ILogger log, int pending, int orphans);

    [LoggerMessage(9, LogLevel.Warning, "Flush of content {Content} failed: {Reason}")]
    public static partial void FlushFailed(ILogger log, string content, string reason);

    [LoggerMessage(
        21, LogLevel.Information,
        "Pack '{Key}' was found in the bucket: {Files} files lie in it, of {Superseded} there is something newer")]
    public static partial void PackImported(ILogger log, string key, long files, long superseded);

    [LoggerMessage(
        22, LogLevel.Warning, "The index of pack '{Key}' is of no use and is made again from the tar: {Reason}")]
    public static partial void PackIndexBad(ILogger log, string key, string reason);

    [LoggerMessage(
        25, LogLevel.Warning,
        "What lies beside pack '{Key}' does not say which of its files were removed or renamed: all are shown as "
            + "packed")]
    public static partial void PackNamesBad(ILogger log, string key);

    [LoggerMessage(
        26, LogLevel.Warning,
        "Node '{Name}' ({Endpoint}) fails or is too slow: its share of the objects is read elsewhere for a while")]
    public static partial void PeerLeftAlone(ILogger log, string name, string endpoint);

    [LoggerMessage(23, LogLevel.Error, "The files in pack '{Key}' cannot be shown: {Reason}")]
    public static partial void PackRefused(ILogger log, string key, string reason);

    [LoggerMessage(
        20, LogLevel.Information, "{Contents} contents that mounts wrote and nobody flushed were brought in")]
    public static partial void ReplayedUnflushed(ILogger log, int contents);
}
