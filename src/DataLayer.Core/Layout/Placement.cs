namespace DataLayer.Core.Layout;

/// <summary>
/// Where the hot copy of one content lies. Stored with the inode as text, so placement needs no per-block rows and
/// stays right
/// when targets come and go: the targets are named by their persistent numbers at the time the content was placed.
/// </summary>
public abstract record Placement(string Pool)
{
    /// <summary>Writes the placement in the form that <see cref="PlacementText.Parse"/> reads.</summary>
    public abstract string ToText();

    /// <inheritdoc/>
    public sealed override string ToString() => ToText();
}
