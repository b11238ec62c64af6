namespace DataLayer.Metadata.Sql;

/// <summary>
/// One step of the schema's history: brings a database from <c>Version - 1</c> to <paramref name="Version"/>.
/// </summary>
/// <param name="Version">The version the step leads to; steps are numbered from 1 without gaps.</param>
/// <param name="Script">Its statements; {int64}, {blob}, {text} and {clustered} stand for the dialect's words.</param>
internal sealed record SchemaStep(int Version, string Script);
