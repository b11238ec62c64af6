namespace DataLayer.Core.Text;

/// <summary>
/// Finds the known name a mistyped one most likely meant: Levenshtein distance of at most a third of its length.
/// </summary>
public static class NearestName
{
    /// <summary>The nearest known name, or null where none is near.</summary>
    public static string? Find(string name, IReadOnlyList<string> known)
    {
        string? best = null;
        int bestDistance = Math.Max(2, name.Length / 3) + 1;
        foreach (string candidate in known)
        {
            if (Math.Abs(name.Length - candidate.Length) >= bestDistance)
            {
                // At least that many characters differ; long names are not compared with each of many.
                continue;
            }

            int distance = Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant());
            if (distance < bestDistance)
            {
                best = candidate;
                bestDistance = distance;
            }
        }

        return best;
    }

    private static int Distance(string a, string b)
    {
        int[] row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
        {
            row[j] = j;
        }

        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
