using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// Which targets a deployment has: the record <c>datalayer-roster</c>, the same on every target and in the state
/// folder; the one with the highest version counts. It is how a folder that lost its identity is known to be a missing
/// mount and not a new target.
/// </summary>
internal sealed record TargetRoster
{
    internal const string FileName = "datalayer-roster";
    private const string Head = "datalayer-roster 1";

    internal required Guid Deployment { get; init; }

    /// <summary>Counts every change.</summary>
    internal long Version { get; init; }

    /// <summary>Counts the openings of the hot tier: the upper part of segment numbers, so none is ever used
    /// twice.</summary>
    internal long Session { get; init; }

    /// <summary>The number of the next new target.</summary>
    internal int NextTarget { get; init; }

    internal IReadOnlyList<RosterEntry> Entries { get; init; } = [];

    /// <summary>Reads the roster at a place; null if it has none.</summary>
    /// <exception cref="DataLayerException">Corrupt.</exception>
    internal static TargetRoster? TryRead(ITargetSite site)
    {
        if (site.TryRead(FileName) is not { } text)
        {
            return null;
        }

        string path = $"{site.Location}/{FileName}";
        string[] lines = TextRecord.Parse(text, path);
        if (lines.Length < 5 || lines[0] != Head || !Guid.TryParse(TextRecord.Value(lines[1], "deployment"),
            out Guid deployment)
            || !TryNumber(lines[2], "version", out long version) || !TryNumber(lines[3], "session", out long session)
            || !TryNumber(lines[4], "next-target", out long next))
        {
            throw Unreadable(path);
        }

        List<RosterEntry> entries = [];
        foreach (string line in lines.AsSpan(5))
        {
            // target NUMBER POOL STATE PATH: the path is last, it may hold spaces.
            string[] parts = line.Split(' ', 5);
            if (parts.Length != 5 || parts[0] != "target"
                || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int target))
            {
                throw Unreadable(path);
            }

            entries.Add(new RosterEntry(target, parts[2], parts[4], parts[3] == "draining"));
        }

        return new TargetRoster
        {
            Deployment = deployment,
            Version = version,
            Session = session,
            NextTarget = (int)next,
            Entries = entries,
        };
    }

    /// <summary>Its text; a site writes it.</summary>
    internal byte[] Format()
    {
        List<string> lines =
        [
            Head,
            $"deployment {Deployment:D}",
            string.Create(CultureInfo.InvariantCulture, $"version {Version}"),
            string.Create(CultureInfo.InvariantCulture, $"session {Session}"),
            string.Create(CultureInfo.InvariantCulture, $"next-target {NextTarget}"),
        ];
        foreach (RosterEntry entry in Entries)
        {
            lines.Add(string.Create(CultureInfo.InvariantCulture,
                $"target {entry.Target} {entry.Pool} {(entry.IsDraining ? "draining" : "active")} {entry.Location}"));
        }

        return TextRecord.Format(lines);
    }

    private static bool TryNumber(string line, string key, out long value) =>
        long.TryParse(TextRecord.Value(line, key), NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static DataLayerException Unreadable(string path) => new(ErrorCode.Corrupt,
        $"'{path}' is not a roster this version can read. Delete it if another target still has one.");
}

/// <summary>One target of a roster.</summary>
/// <param name="Target">Its number.</param>
/// <param name="Pool">Its pool.</param>
/// <param name="Location">Where it is: an absolute path, or the address of a RADOS pool.</param>
/// <param name="IsDraining">Whether it gets no new content.</param>
internal sealed record RosterEntry(int Target, string Pool, string Location, bool IsDraining);
