namespace DataLayer.Engine.Tiering.Policies;

/// <summary>One setting of a rule, window or calendar in its canonical form: the same text for the same
/// meaning.</summary>
/// <param name="Name">The key with those above it: <c>match.size</c>.</param>
/// <param name="Value">The value.</param>
internal readonly record struct PolicyField(string Name, string Value);
