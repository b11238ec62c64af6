using System.Numerics;
using DataLayer.Storage.Stripes.Rados;

namespace DataLayer.Storage.Stripes;

/// <summary>One pool: targets of one class, and how contents lie on them.</summary>
public sealed class PoolOptions
{
    /// <summary>The pool's name: letters, digits, '-' and '_', at most 64.</summary>
    public required string Name { get; init; }

    /// <summary>The folders of its targets, absolute paths; more can be added while the service runs.</summary>
    public required IReadOnlyList<string> Directories { get; init; }

    /// <summary>
    /// The RADOS pools among its targets, as <c>rados://POOL/NAMESPACE?conf=FILE&amp;id=NAME</c>; a namespace is one
    /// target. Default none.
    /// </summary>
    public IReadOnlyList<string> Rados { get; init; } = [];

    /// <summary>Stripe width, a count, 1 … 64; fewer where fewer targets have room. Default 1.</summary>
    public int Width { get; init; } = 1;

    /// <summary>Stripe unit, bytes, a power of two from 64 KiB to 256 MiB. Default 1 MiB, a block: one block is one
    /// transfer to one target.</summary>
    public int UnitBytes { get; init; } = 1 << 20;

    /// <summary>Copies of every content, each on a target of its own, 1 or 2. Default 1: a cold object usually is the
    /// second.</summary>
    public int CopyCount { get; init; } = 1;

    /// <summary>Contents up to this size go to segments, bytes, 0 … 1 MiB; 0 turns segments off. Default 1
    /// MiB.</summary>
    public int SegmentLimitBytes { get; init; } = 1 << 20;

    /// <summary>Bytes of each target's file system that stay free, 0 … 1 TiB. Default 256 MiB: room for metadata and
    /// for deleting.</summary>
    public long ReserveBytes { get; init; } = 256L << 20;

    /// <summary>What is wrong with a text that is to be one of <see cref="Rados"/>; null if nothing is.</summary>
    public static string? FindAddressProblem(string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return RadosAddress.TryParse(address, out _, out string problem) ? null : problem;
    }

    /// <summary>Where all its configured targets are.</summary>
    internal IReadOnlyList<string> Locations => Rados.Count == 0 ? Directories : [.. Directories, .. Rados];

    internal void Validate(List<string> errors, HashSet<string> directories)
    {
        string at = $"pools.{Name}";
        if (Name.Length is 0 or > 64 || Name.AsSpan().ContainsAnyExcept(_nameChars))
        {
            errors.Add($"{at}.name: letters, digits, '-' and '_' only, 1 … 64 of them.");
        }

        if (Locations.Count == 0)
        {
            errors.Add($"{at}.directories: there must be at least one, or one of rados.");
        }

        foreach (string address in Rados)
        {
            if (!RadosAddress.TryParse(address, out RadosAddress? parsed, out string problem))
            {
                errors.Add($"{at}.rados: {problem}");
            }
            else if (!directories.Add(parsed.Text))
            {
                errors.Add($"{at}.rados: '{parsed.Text}' is there twice.");
            }
        }

        foreach (string directory in Directories)
        {
            if (!Path.IsPathFullyQualified(directory) || directory.Contains('\n', StringComparison.Ordinal))
            {
                errors.Add($"{at}.directories: '{directory}' is not an absolute path.");
            }
            else if (!directories.Add(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory))))
            {
                errors.Add($"{at}.directories: '{directory}' is there twice.");
            }
        }

        HotTierOptions.Check(errors, $"{at}.width", Width, 1, 64);
        HotTierOptions.Check(errors, $"{at}.unitBytes", UnitBytes, 64 << 10, 256 << 20);
        HotTierOptions.Check(errors, $"{at}.copyCount", CopyCount, 1, 2);
        HotTierOptions.Check(errors, $"{at}.segmentLimitBytes", SegmentLimitBytes, 0, 1 << 20);
        HotTierOptions.Check(errors, $"{at}.reserveBytes", ReserveBytes, 0L, 1L << 40);
        if (!BitOperations.IsPow2(UnitBytes))
        {
            errors.Add($"{at}.unitBytes: {UnitBytes} is not a power of two.");
        }

        if (Locations.Count < CopyCount)
        {
            errors.Add($"{at}.copyCount: {CopyCount} copies need as many directories.");
        }
    }

    private static readonly System.Buffers.SearchValues<char> _nameChars =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
}
