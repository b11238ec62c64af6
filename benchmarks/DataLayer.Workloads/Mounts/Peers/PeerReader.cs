using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Integrity;

namespace DataLayer.Workloads.Mounts.Peers;

/// <summary>
/// The client of the comparison with other mounts, a process of its own: several readers take files from one list, in order, read
/// each front to back and sum its bytes with CRC-32C, all within the measured time.
/// </summary>
internal static class PeerReader
{
    /// <summary>The first argument that makes this program a reader.</summary>
    public const string Verb = "--peer-reader";

    private const int CallBytes = 1 << 20;

    /// <summary>Reads the files of a listing below a folder; returns the seconds it took.</summary>
    /// <exception cref="IOException">A file has other bytes than the listing says, or cannot be read.</exception>
    public static async Task<double> RunAsync(string root, string listing, int readers, PeerFiles files)
    {
        string output = await MountClient.RunProcessAsync(
            [Verb, root, listing, readers.ToString(CultureInfo.InvariantCulture)]);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length != files.Names.Count + 1)
        {
            throw new IOException($"Of {files.Names.Count} files {lines.Length - 1} were read below {root}.");
        }

        for (int i = 0; i < files.Names.Count; i++)
        {
            if (uint.Parse(lines[i + 1], CultureInfo.InvariantCulture) != files.Sums[i])
            {
                throw new IOException($"{root}/{files.Names[i]} has other bytes than its object.");
            }
        }

        return double.Parse(lines[0], CultureInfo.InvariantCulture);
    }

    /// <summary>What the reader process does: writes the seconds, then the sum of each file.</summary>
    public static int Run(string[] arguments)
    {
        string[] files = [.. File.ReadLines(arguments[2]).Select(name => Path.Combine(arguments[1], name))];
        uint[] sums = new uint[files.Length];
        int next = -1;
        double seconds = MountClient.Time(int.Parse(arguments[3], CultureInfo.InvariantCulture), _ =>
        {
            while (Interlocked.Increment(ref next) is var index && index < files.Length)
            {
                sums[index] = Read(files[index]);
            }
        });
        Console.WriteLine(seconds.ToString("R", CultureInfo.InvariantCulture));
        foreach (uint sum in sums)
        {
            Console.WriteLine(sum.ToString(CultureInfo.InvariantCulture));
        }

        return 0;
    }

    private static unsafe uint Read(string path)
    {
        byte* buffer = (byte*)NativeMemory.AlignedAlloc(CallBytes, 4096);
        int file = MountClient.Check(MountClient.Open(path, 0, 0));
        uint sum = 0;
        while (MountClient.Check(MountClient.Read(file, buffer, CallBytes)) is > 0 and int count)
        {
            sum = Crc32C.Append(sum, new ReadOnlySpan<byte>(buffer, count));
        }

        _ = MountClient.Close(file);
        NativeMemory.AlignedFree(buffer);
        return sum;
    }
}
