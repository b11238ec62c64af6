using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Files.Attaching;

/// <summary>
/// What is left of a listing: key ranges, each listed front to back. Written as text into the attachment with every
/// import, so an interrupted listing goes on from there.
/// </summary>
/// <remarks>
/// The text of a worker's import holds its own new position and the <em>committed</em> positions of the others:
/// whichever import commits last, the stored text is never ahead of what was imported, at worst it repeats a page.
/// The listing of a refresh also says when it began: what it did not see since then, it removes at its end, however
/// often it was interrupted.
/// </remarks>
internal sealed class ListingPlan
{
    private readonly Lock _lock = new();
    private readonly List<KeyRange> _ranges = [];

    private ListingPlan(long started) => StartedNanoseconds = started;

    /// <summary>
    /// When a refresh began, nanoseconds since 1970 UTC; 0 for the listing of an attach, which removes nothing.
    /// </summary>
    public long StartedNanoseconds { get; }

    /// <summary>A plan for everything; of a refresh that began at <paramref name="started"/>, or 0.</summary>
    public static ListingPlan Whole(long started = 0)
    {
        ListingPlan plan = new(started);
        plan._ranges.Add(new KeyRange(null, null));
        return plan;
    }

    /// <summary>Reads the text of an interrupted listing back.</summary>
    public static ListingPlan Parse(string cursor)
    {
        try
        {
            // Earlier versions wrote the ranges alone.
            ListingText text = cursor.StartsWith('[')
                ? new ListingText(0, JsonSerializer.Deserialize(cursor, ListingJson.Default.RangeTextArray) ?? [])
                : JsonSerializer.Deserialize(cursor, ListingJson.Default.ListingText) ?? new ListingText(0, []);
            ListingPlan plan = new(text.Started);
            foreach (RangeText range in text.Ranges)
            {
                plan._ranges.Add(new KeyRange(range.After, range.Until));
            }

            return plan;
        }
        catch (JsonException error)
        {
            throw new DataLayerException(
                ErrorCode.Corrupt, "The attachment's listing position cannot be read. Detach and attach again.", error);
        }
    }

    /// <summary>The ranges as they are now.</summary>
    public KeyRange[] Ranges()
    {
        lock (_lock)
        {
            return [.. _ranges];
        }
    }

    public void Add(KeyRange range)
    {
        lock (_lock)
        {
            _ranges.Add(range);
        }
    }

    /// <summary>The text with one range moved on to <paramref name="after"/>, or ended where that is null.</summary>
    public string TextWith(KeyRange moved, string? after)
    {
        lock (_lock)
        {
            List<RangeText> left = [];
            foreach (KeyRange range in _ranges)
            {
                if (!ReferenceEquals(range, moved))
                {
                    left.Add(new RangeText(range.After, range.Until));
                }
                else if (after is not null)
                {
                    left.Add(new RangeText(after, range.Until));
                }
            }

            return JsonSerializer.Serialize(
                new ListingText(StartedNanoseconds, [.. left]), ListingJson.Default.ListingText);
        }
    }

    /// <summary>The import that moved the range on is committed.</summary>
    public void Commit(KeyRange moved, string? after)
    {
        lock (_lock)
        {
            if (after is null)
            {
                _ranges.Remove(moved);
            }
            else
            {
                moved.After = after;
            }
        }
    }

    /// <summary>
    /// Cuts the rest of a range at the given keys (in order): the range ends at the first, new ones follow.
    /// </summary>
    public List<KeyRange> Split(KeyRange range, IReadOnlyList<string> boundaries)
    {
        lock (_lock)
        {
            List<KeyRange> made = [];
            string? end = range.Until;
            for (int i = 0; i < boundaries.Count; i++)
            {
                made.Add(new KeyRange(boundaries[i], i + 1 < boundaries.Count ? boundaries[i + 1] : end));
            }

            range.Until = boundaries.Count > 0 ? boundaries[0] : end;
            _ranges.AddRange(made);
            return made;
        }
    }

    /// <summary>Orders keys as buckets do: by UTF-8 bytes.</summary>
    public static int Compare(string a, string b)
    {
        int common = Math.Min(a.Length, b.Length);
        for (int i = 0; i < common; i++)
        {
            if (a[i] != b[i])
            {
                // UTF-16 and UTF-8 order differ only where a surrogate meets a character above it.
                return char.IsSurrogate(a[i]) || char.IsSurrogate(b[i])
                    ? Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b))
                    : a[i] - b[i];
            }
        }

        return a.Length - b.Length;
    }
}

/// <summary>
/// Keys after <see cref="After"/> (null: from the start) up to and with <see cref="Until"/> (null: to the end).
/// </summary>
internal sealed class KeyRange(string? after, string? until)
{
    public string? After { get; set; } = after;

    public string? Until { get; set; } = until;
}

/// <summary>A range as it is stored.</summary>
internal sealed record RangeText(string? After, string? Until);

/// <summary>A plan as it is stored: when its refresh began (or 0), and what is left.</summary>
internal sealed record ListingText(long Started, RangeText[] Ranges);

[JsonSerializable(typeof(ListingText))]
[JsonSerializable(typeof(RangeText[]))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class ListingJson : JsonSerializerContext;
