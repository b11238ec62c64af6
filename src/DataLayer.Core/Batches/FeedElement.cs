namespace DataLayer.Core.Batches;

/// <summary>What the data of a batch are. The numbers are the wire's; see docs/FORMATS/feed.md.</summary>
public enum FeedElement
{
    /// <summary>Bytes of which nothing is known.</summary>
    Bytes = 0,

    /// <summary>Unsigned, 8 bits.</summary>
    UInt8 = 1,

    /// <summary>Signed, 8 bits.</summary>
    Int8 = 2,

    /// <summary>Signed, 16 bits.</summary>
    Int16 = 3,

    /// <summary>Signed, 32 bits.</summary>
    Int32 = 4,

    /// <summary>Signed, 64 bits.</summary>
    Int64 = 5,

    /// <summary>IEEE 754, 16 bits.</summary>
    Float16 = 6,

    /// <summary>IEEE 754, 32 bits.</summary>
    Float32 = 7,

    /// <summary>IEEE 754, 64 bits.</summary>
    Float64 = 8,

    /// <summary>The upper half of a <see cref="Float32"/>.</summary>
    BFloat16 = 9,
}

/// <summary>Sizes and names of <see cref="FeedElement"/>.</summary>
public static class FeedElements
{
    private static readonly string[] _names =
        ["bytes", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bfloat16"];

    private static readonly string[] _numPy = ["", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ""];

    /// <summary>The names of all that a sample's elements may be said to be.</summary>
    public static ReadOnlySpan<string> Names => _names.AsSpan(1);

    /// <summary>Length of an element, bytes; 1 of <see cref="FeedElement.Bytes"/>.</summary>
    public static int SizeOf(FeedElement element) => element switch
    {
        FeedElement.Int16 or FeedElement.Float16 or FeedElement.BFloat16 => 2,
        FeedElement.Int32 or FeedElement.Float32 => 4,
        FeedElement.Int64 or FeedElement.Float64 => 8,
        _ => 1,
    };

    /// <summary>The name on the wire: <c>float32</c>.</summary>
    public static string NameOf(FeedElement element) => _names[(int)element];

    /// <summary>Reads a name of the wire; false where there is no such element.</summary>
    public static bool TryParse(string? name, out FeedElement element)
    {
        int index = Array.IndexOf(_names, name);
        element = (FeedElement)Math.Max(0, index);
        return index > 0;
    }

    /// <summary>
    /// Reads NumPy's name of a little-endian element (<c>&lt;f4</c>, <c>|u1</c>); false for any other.
    /// </summary>
    public static bool TryParseNumPy(string? name, out FeedElement element)
    {
        element = FeedElement.Bytes;
        if (name is not { Length: 3 } || (name[0] is not ('<' or '|') && !(name[2] == '1' && name[0] is '>' or '=')))
        {
            return false;
        }

        int index = Array.IndexOf(_numPy, name[1..]);
        element = (FeedElement)Math.Max(0, index);
        return index > 0;
    }
}
