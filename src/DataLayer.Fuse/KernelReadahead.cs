using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Fuse;

/// <summary>Raises how far the kernel reads ahead on a mount. Needs the right to write to sysfs (root).</summary>
public static class KernelReadahead
{
    /// <summary>
    /// What a mount should have, KiB: over a backend 2 ms away, 128 KiB gave 118 MB/s and this 2.2 GB/s.
    /// </summary>
    public const int WantedKibibytes = 16_384;

    /// <summary>Sets a mount's readahead.</summary>
    /// <param name="mountPoint">Where it is mounted: an absolute path as the mount table has it.</param>
    /// <param name="kibibytes">How far, KiB, 4 to 1,048,576.</param>
    /// <exception cref="DataLayerException">
    /// NotFound: nothing is mounted there. PermissionDenied: sysfs is not writable.
    /// </exception>
    public static void Raise(string mountPoint, int kibibytes = WantedKibibytes)
    {
        ArgumentException.ThrowIfNullOrEmpty(mountPoint);
        ArgumentOutOfRangeException.ThrowIfLessThan(kibibytes, 4);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(kibibytes, 1 << 20);
        string device = FindDevice(mountPoint)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"Nothing is mounted at '{mountPoint}'.");
        string file = $"/sys/class/bdi/{device}/read_ahead_kb";
        try
        {
            File.WriteAllText(file, kibibytes.ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.PermissionDenied,
                $"Readahead of '{mountPoint}' stays as it is: '{file}' is not writable ({error.Message}). Let the "
                + "keeper run as root with /sys mounted read-write.",
                error);
        }
    }

    private static string? FindDevice(string mountPoint)
    {
        string? device = null;
        foreach (string line in File.ReadLines("/proc/self/mountinfo"))
        {
            string[] fields = line.Split(' ');
            if (fields.Length > 4 && Unescape(fields[4]) == mountPoint)
            {
                device = fields[2]; // The last one mounted there is the one that is seen.
            }
        }

        return device;
    }

    private static string Unescape(string field) => field
        .Replace("\\040", " ", StringComparison.Ordinal)
        .Replace("\\011", "\t", StringComparison.Ordinal)
        .Replace("\\012", "\n", StringComparison.Ordinal)
        .Replace("\\134", "\\", StringComparison.Ordinal);
}
