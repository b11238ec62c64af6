namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// Finds all of many texts that another text starts with. The texts are sorted; each knows the longest other one that
/// it starts with. The texts sought are then on the way up from the last one that does not sort behind the text: one
/// binary search, and a step for each hit.
/// </summary>
internal sealed class AffixIndex
{
    private readonly string[] _texts;
    private readonly int[] _above;
    private readonly int[][] _rules;

    private AffixIndex(string[] texts, int[][] rules)
    {
        _texts = texts;
        _rules = rules;
        _above = new int[texts.Length];
        for (int i = 0; i < texts.Length; i++)
        {
            int above = i - 1;
            while (above >= 0 && !texts[i].StartsWith(texts[above], StringComparison.Ordinal))
            {
                above = _above[above];
            }

            _above[i] = above;
        }
    }

    /// <summary>Whether there is no text.</summary>
    public bool IsEmpty => _texts.Length == 0;

    /// <summary>The longest text that <paramref name="text"/> starts with; -1 where there is none.</summary>
    public int Find(ReadOnlySpan<char> text)
    {
        int low = 0;
        int high = _texts.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_texts[middle].AsSpan().SequenceCompareTo(text) <= 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        int node = low - 1;
        while (node >= 0 && !text.StartsWith(_texts[node]))
        {
            node = _above[node];
        }

        return node;
    }

    /// <summary>The next shorter text; -1 where there is none.</summary>
    public int Next(int node) => _above[node];

    /// <summary>The rules of a text, in their order.</summary>
    public ReadOnlySpan<int> GetRules(int node) => _rules[node];

    /// <summary>Gathers texts and rules; rules are added in their order.</summary>
    internal sealed class Builder
    {
        private readonly Dictionary<string, List<int>> _lists = new(StringComparer.Ordinal);

        /// <summary>Adds a rule under a text.</summary>
        public void Add(string text, int rule)
        {
            if (!_lists.TryGetValue(text, out List<int>? list))
            {
                _lists.Add(text, list = []);
            }

            if (list is not [.., int last] || last != rule)
            {
                list.Add(rule);
            }
        }

        /// <summary>Makes the index.</summary>
        public AffixIndex Build()
        {
            string[] texts = [.. _lists.Keys];
            Array.Sort(texts, StringComparer.Ordinal);
            int[][] rules = new int[texts.Length][];
            for (int i = 0; i < texts.Length; i++)
            {
                rules[i] = [.. _lists[texts[i]]];
            }

            return new AffixIndex(texts, rules);
        }
    }
}
