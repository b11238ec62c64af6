namespace DataLayer.Engine.Tiering.Policies;

/// <summary>One thing that is wrong with a policy document, or worth a look.</summary>
/// <param name="Line">Where the offending text starts, from 1.</param>
/// <param name="Column">Where it starts in the line, from 1.</param>
/// <param name="Message">What is wrong, with the offending value.</param>
/// <param name="Remedy">What to write instead.</param>
public sealed record PolicyError(int Line, int Column, string Message, string Remedy)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Line}:{Column}: {Message} {Remedy}";
}
