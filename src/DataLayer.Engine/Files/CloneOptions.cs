namespace DataLayer.Engine.Files;

/// <summary>Conditions and attributes of a clone.</summary>
public sealed record CloneOptions
{
    /// <summary>There must be nothing at the new path.</summary>
    public bool IfAbsent { get; init; }

    /// <summary>Make missing parent folders.</summary>
    public bool MakeParents { get; init; }

    /// <summary>
    /// The clone gets mode, owner, times and user attributes of the file; else it is a new file of mode 0644, or keeps
    /// what a file had whose content it replaces.
    /// </summary>
    public bool KeepAttributes { get; init; }
}
