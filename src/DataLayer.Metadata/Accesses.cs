using DataLayer.Core.Identity;
using DataLayer.Core.Tree;

namespace DataLayer.Metadata;

/// <summary>How much one inode is read: a decayed score and sums since it was first seen.</summary>
/// <param name="Inode">The file; or an attachment's folder, for all below it.</param>
/// <param name="Score">Reads of the whole content, each halved with every half-life until the score's time.</param>
/// <param name="ScoreTimeNanoseconds">When the score was that, nanoseconds since 1970 UTC.</param>
/// <param name="AccessTimeNanoseconds">The last open or read known, nanoseconds since 1970 UTC.</param>
/// <param name="ReadCount">Reads, a count.</param>
/// <param name="ReadBytes">Bytes they brought.</param>
public readonly record struct HeatRecord(
    InodeId Inode, double Score, long ScoreTimeNanoseconds, long AccessTimeNanoseconds, long ReadCount, long ReadBytes);

/// <summary>What an access series is of. The values are stored.</summary>
public enum AccessSeriesKind
{
    /// <summary>The whole tree.</summary>
    Tree = 1,

    /// <summary>One attachment.</summary>
    Attachment = 2,

    /// <summary>One folder, with what is below it and has no series of its own.</summary>
    Folder = 3,
}

/// <summary>One series of the access history.</summary>
/// <param name="Id">Its number; 0 before it is stored.</param>
/// <param name="Kind">What it is of.</param>
/// <param name="Subject">0 for the tree, the attachment's number, the folder's inode.</param>
/// <param name="Path">The subject's path when the series began, for messages.</param>
/// <param name="LastTimeNanoseconds">Its last access, nanoseconds since 1970 UTC.</param>
public sealed record AccessSeries(
    long Id, AccessSeriesKind Kind, long Subject, string Path, long LastTimeNanoseconds);

/// <summary>How finely history is kept. The values are stored.</summary>
public enum HistoryLevel
{
    /// <summary>A row a minute.</summary>
    Minute = 1,

    /// <summary>A row an hour.</summary>
    Hour = 2,

    /// <summary>A row a day, of UTC.</summary>
    Day = 3,
}

/// <summary>What was read in some span of time. Counts, bytes, and nanoseconds that readers waited.</summary>
/// <param name="OpenCount">Opens.</param>
/// <param name="ReadCount">Reads.</param>
/// <param name="MemoryBytes">Bytes that memory answered.</param>
/// <param name="HotBytes">Bytes that the hot tier answered.</param>
/// <param name="ColdBytes">Bytes that the cold tier answered.</param>
/// <param name="HotWaitNanoseconds">Time that reads waited which no cold byte was in.</param>
/// <param name="ColdWaitNanoseconds">Time that reads waited which a cold byte was in.</param>
public readonly record struct AccessSums(
    long OpenCount, long ReadCount, long MemoryBytes, long HotBytes, long ColdBytes,
    long HotWaitNanoseconds, long ColdWaitNanoseconds)
{
    /// <summary>All bytes that were read.</summary>
    public long ReadBytes => MemoryBytes + HotBytes + ColdBytes;

    /// <summary>Both together.</summary>
    public static AccessSums operator +(in AccessSums left, in AccessSums right) => Add(left, right);

    /// <summary>Both together.</summary>
    public static AccessSums Add(in AccessSums left, in AccessSums right) => new(
        left.OpenCount + right.OpenCount,
        left.ReadCount + right.ReadCount,
        left.MemoryBytes + right.MemoryBytes,
        left.HotBytes + right.HotBytes,
        left.ColdBytes + right.ColdBytes,
        left.HotWaitNanoseconds + right.HotWaitNanoseconds,
        left.ColdWaitNanoseconds + right.ColdWaitNanoseconds);
}

/// <summary>One row of history.</summary>
/// <param name="StartNanoseconds">Where the minute, hour or day begins, nanoseconds since 1970 UTC.</param>
/// <param name="FirstNanoseconds">The first access in it.</param>
/// <param name="LastNanoseconds">The last access in it.</param>
/// <param name="Sums">What was read.</param>
public readonly record struct AccessBucket(
    long StartNanoseconds, long FirstNanoseconds, long LastNanoseconds, AccessSums Sums);

/// <summary>What is added to one series at a time: to its minute, its hour and its day.</summary>
/// <param name="Series">The series' number.</param>
/// <param name="TimeNanoseconds">When, nanoseconds since 1970 UTC.</param>
/// <param name="Sums">What was read.</param>
public readonly record struct AccessAddition(long Series, long TimeNanoseconds, AccessSums Sums);

/// <summary>How long history is kept, from before which time rows go, nanoseconds since 1970 UTC.</summary>
/// <param name="MinutesNanoseconds">Rows of minutes.</param>
/// <param name="HoursNanoseconds">Rows of hours.</param>
/// <param name="DaysNanoseconds">Rows of days.</param>
public readonly record struct HistoryCutoffs(long MinutesNanoseconds, long HoursNanoseconds, long DaysNanoseconds);

/// <summary>What heat knows of a file and where it lies, for adding to it.</summary>
/// <param name="Inode">The file.</param>
/// <param name="Heat">What is stored of its heat, or null.</param>
/// <param name="Folder">The folder of its first name, or none for an orphan.</param>
public readonly record struct HeatLookup(InodeId Inode, HeatRecord? Heat, InodeId Folder);

/// <summary>One file of a walk over a subtree, as tiering wants it: with its heat, without its bitmap.</summary>
/// <param name="RelativePath">Its path below the folder that is walked.</param>
/// <param name="Attributes">The file.</param>
/// <param name="Placement">Where the hot copy lies (its stored text), or null.</param>
/// <param name="ResidentBytes">How many of its bytes are hot.</param>
/// <param name="Object">The cold copy; with state Hot it is of an older content.</param>
/// <param name="Heat">What is stored of its heat, or null.</param>
public readonly record struct FileFactRow(
    string RelativePath, InodeAttributes Attributes, string? Placement, long ResidentBytes, ObjectReference? Object,
    HeatRecord? Heat);
