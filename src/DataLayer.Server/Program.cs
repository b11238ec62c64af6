namespace DataLayer.Server;

/// <summary>The <c>datalayer</c> program.</summary>
internal static class Program
{
    private static int Main() => 0;
}
