namespace DataLayer.Engine.Tiering.Packs;

/// <summary>A file that may be packed.</summary>
/// <param name="Index">Its place in the caller's list.</param>
/// <param name="AttachmentId">Its attachment; a pack is of one.</param>
/// <param name="StorageClass">The class its pack is to have; a pack has one.</param>
/// <param name="Path">Its path.</param>
/// <param name="SizeBytes">Its length.</param>
internal readonly record struct PackCandidate(
    int Index, long AttachmentId, string? StorageClass, string Path, long SizeBytes)
{
    // What a member takes up besides its contents, at most in the common case: header, and filling.
    private const int OverheadBytes = 2 * TarFormat.BlockBytes;

    /// <summary>
    /// Divides files into packs: of one attachment, folder by folder, the files of a sample next to each other. A
    /// sample is what WebDataset takes for one: names that are the same up to their first dot. None is cut in two
    /// unless it is larger than a pack.
    /// </summary>
    public static List<IReadOnlyList<int>> Divide(List<PackCandidate> candidates, long packBytes)
    {
        List<Sorted> sorted = new(candidates.Count);
        foreach (PackCandidate candidate in candidates)
        {
            int slash = candidate.Path.LastIndexOf('/');
            string name = candidate.Path[(slash + 1)..];
            int dot = name.IndexOf('.', Math.Min(1, name.Length));
            sorted.Add(new Sorted(candidate, candidate.Path[..Math.Max(0, slash)], dot < 0 ? name : name[..dot]));
        }

        sorted.Sort(static (a, b) => Compare(
            a.File.AttachmentId.CompareTo(b.File.AttachmentId),
            string.CompareOrdinal(a.File.StorageClass, b.File.StorageClass), string.CompareOrdinal(a.Folder, b.Folder),
            string.CompareOrdinal(a.Sample, b.Sample), string.CompareOrdinal(a.File.Path, b.File.Path)));
        List<IReadOnlyList<int>> packs = [];
        List<int> pack = [];
        long bytes = 0;
        for (int i = 0; i < sorted.Count;)
        {
            int end = i;
            long sample = 0;
            do
            {
                sample += TarFormat.Padded(sorted[end].File.SizeBytes) + OverheadBytes;
                end++;
            }
            while (end < sorted.Count && IsSameSample(sorted[i], sorted[end]) && sample < packBytes);

            bool isOther = i > 0 && !IsSamePack(sorted[i - 1], sorted[i]);
            if (pack.Count > 0 && (isOther || bytes + sample > packBytes))
            {
                packs.Add(pack);
                (pack, bytes) = ([], 0);
            }

            for (; i < end; i++)
            {
                pack.Add(sorted[i].File.Index);
            }

            bytes += sample;
        }

        if (pack.Count > 0)
        {
            packs.Add(pack);
        }

        return packs;
    }

    private static bool IsSameSample(in Sorted one, in Sorted other) =>
        IsSamePack(one, other) && one.Sample == other.Sample && one.Folder == other.Folder;

    private static bool IsSamePack(in Sorted one, in Sorted other) =>
        one.File.AttachmentId == other.File.AttachmentId && one.File.StorageClass == other.File.StorageClass;

    private static int Compare(params ReadOnlySpan<int> orders)
    {
        foreach (int order in orders)
        {
            if (order != 0)
            {
                return order;
            }
        }

        return 0;
    }

    private readonly record struct Sorted(PackCandidate File, string Folder, string Sample);
}
