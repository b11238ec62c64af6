using System.Reflection;
using System.Runtime.InteropServices;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Hosting;

/// <summary>What this program is.</summary>
internal static class ProgramVersion
{
    /// <summary>The version the build was given.</summary>
    public static string Text { get; } =
        (
            typeof(ProgramVersion)
                .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
                ?.InformationalVersion
            ?? "0.0.0").Split('+')[0];

    /// <summary>The version as the API and the command line give it.</summary>
    public static VersionReport Report() =>
        new()
        {
            Program = "datalayer",
            Version = Text,
            Api = "v1",
            Runtime = RuntimeInformation.FrameworkDescription,
        };
}
