namespace DataLayer.Engine.Tiering.Automation;

/// <summary>What one pack is made of.</summary>
/// <param name="AttachmentId">The attachment.</param>
/// <param name="StorageClass">The class the pack is to have; null for that of new objects.</param>
internal readonly record struct PackGroupKey(long AttachmentId, string? StorageClass);

/// <summary>
/// Keeps a few small files from becoming a pack of their own at each pass: those of one attachment and class wait until
/// they fill a quarter of a pack, or for a time. Not safe for concurrent use.
/// </summary>
/// <param name="packBytes">How large a pack is.</param>
/// <param name="longest">How long files wait at most.</param>
internal sealed class PackGathering(long packBytes, TimeSpan longest)
{
    private const int Parts = 4;
    private readonly Dictionary<PackGroupKey, DateTimeOffset> _since = [];

    /// <summary>Which groups are to wait.</summary>
    /// <param name="groups">Bytes of the files to be packed, by group.</param>
    /// <param name="now">The time.</param>
    public IReadOnlySet<PackGroupKey> Look(IReadOnlyDictionary<PackGroupKey, long> groups, DateTimeOffset now)
    {
        HashSet<PackGroupKey> waiting = [];
        foreach ((PackGroupKey group, long bytes) in groups)
        {
            if (bytes < packBytes / Parts)
            {
                _since.TryAdd(group, now);
                if (now - _since[group] < longest)
                {
                    waiting.Add(group);
                    continue;
                }
            }

            _since.Remove(group);
        }

        foreach (PackGroupKey group in _since.Keys)
        {
            if (!groups.ContainsKey(group))
            {
                _since.Remove(group);
            }
        }

        return waiting;
    }
}
