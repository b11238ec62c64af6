using System.Globalization;
using System.Runtime.InteropServices;

namespace DataLayer.Workloads.Reporting;

/// <summary>Says what machine a result comes from: processor, cores, memory, kernel, runtime.</summary>
internal static class Machine
{
    public static string Describe()
    {
        string model = ReadField("/proc/cpuinfo", "model name") ?? RuntimeInformation.ProcessArchitecture.ToString();
        string memory = ReadField("/proc/meminfo", "MemTotal") ?? "?";
        double gibibytes = double.TryParse(memory.Split(' ')[0], CultureInfo.InvariantCulture, out double kib) ? kib / (1 << 20) : 0;
        return string.Create(CultureInfo.InvariantCulture,
            $"{model}, {Environment.ProcessorCount} cores, {gibibytes:F0} GiB, Linux {Environment.OSVersion.Version}, .NET {Environment.Version}");
    }

    private static string? ReadField(string file, string field)
    {
        foreach (string line in File.ReadLines(file))
        {
            if (line.StartsWith(field, StringComparison.Ordinal))
            {
                return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
            }
        }

        return null;
    }
}
