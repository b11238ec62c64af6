namespace DataLayer.Engine.Tiering.Policies;

/// <summary>A place in a document: line and column, both from 1.</summary>
internal readonly record struct PolicyPlace(int Line, int Column);

/// <summary>A node of a YAML document, with its place.</summary>
internal abstract class PolicyNode(PolicyPlace place)
{
    /// <summary>Where it starts.</summary>
    public PolicyPlace Place => place;

    /// <summary>Whether the document breaks off inside: what is missing may have stood behind.</summary>
    public bool IsTruncated { get; set; }
}

/// <summary>A text, number, flag or nothing.</summary>
internal sealed class PolicyScalar(string text, bool isPlain, PolicyPlace place) : PolicyNode(place)
{
    /// <summary>What stands there, without quotes.</summary>
    public string Text => text;

    /// <summary>Whether it stands there without quotes.</summary>
    public bool IsPlain => isPlain;

    /// <summary>Whether nothing is given.</summary>
    public bool IsNull => isPlain && text is ("" or "~" or "null" or "Null" or "NULL");
}

/// <summary>A list.</summary>
internal sealed class PolicyList(PolicyPlace place) : PolicyNode(place)
{
    /// <summary>The items in order.</summary>
    public List<PolicyNode> Items { get; } = [];
}

/// <summary>A map, its keys in order.</summary>
internal sealed class PolicyMap(PolicyPlace place) : PolicyNode(place)
{
    /// <summary>The keys and values; no key twice.</summary>
    public List<(string Key, PolicyPlace Place, PolicyNode Value)> Entries { get; } = [];
}
