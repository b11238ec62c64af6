namespace DataLayer.EndToEndTests.Posix;

/// <summary>
/// A check of the POSIX suite: a public method of a <see cref="PosixChecks"/> class whose name is the claim, run once for each set of
/// arguments. One that returns an <see cref="Action"/> writes first and verifies in that action: between the two the cold runs
/// unmount the file system and drop the caches.
/// </summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class PosixCheckAttribute(params object[] arguments) : Attribute
{
    /// <summary>What the method is called with.</summary>
    public object[] Arguments { get; } = arguments;
}
