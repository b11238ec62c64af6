namespace DataLayer.Server.Tls;

/// <summary>Something wrong with what TLS is configured with.</summary>
/// <param name="Setting">The setting of <c>listen.tls</c> it is about.</param>
/// <param name="Message">What is wrong, naming the file.</param>
/// <param name="Remedy">What to do.</param>
internal sealed record TlsProblem(string Setting, string Message, string Remedy);
