using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Packs;

/// <summary>A member of a pack that is called otherwise than in the tar.</summary>
/// <param name="OffsetBytes">Where its contents begin.</param>
/// <param name="Name">Its path below the attachment's folder.</param>
internal sealed record PackRename(long OffsetBytes, string Name);

/// <summary>
/// What became of a pack's members since they were packed, JSON beside it: which are gone, which are called otherwise.
/// Only what is not as the tar says stands in it, so without it every member is shown as it was packed. It is read by a
/// service that attaches the bucket anew, and by whoever writes it: what one service wrote down as gone, no other
/// brings back.
/// </summary>
internal sealed record PackNames
{
    /// <summary>The words that say what the file is.</summary>
    public const string FormatName = "datalayer-pack-names/1";

    /// <summary>No larger one is read, bytes.</summary>
    public const long MaxBytes = 256 << 20;

    private HashSet<long>? _gone;
    private Dictionary<long, string>? _names;

    /// <summary><see cref="FormatName"/>.</summary>
    public string Format { get; init; } = FormatName;

    /// <summary>The tar's key.</summary>
    public required string Pack { get; init; }

    /// <summary>Length of the tar, bytes.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Where the contents of members begin that no file needs any more, bytes, ascending.</summary>
    public required IReadOnlyList<long> Gone { get; init; }

    /// <summary>Members that are called otherwise, by their offsets, ascending.</summary>
    public required IReadOnlyList<PackRename> Renamed { get; init; }

    /// <summary>
    /// CRC-32C of both, eight hexadecimal digits: over a line <c>offset\n</c> for each that is gone, then
    /// <c>offset\tname\n</c> for each that was renamed, UTF-8.
    /// </summary>
    public string? ChangesCrc32C { get; init; }

    /// <summary>What is to be written, after what is there: a change that another service wrote stays.</summary>
    public static PackNames Merge(PackNamesOwed ours, PackNames? theirs)
    {
        SortedSet<long> gone = [.. ours.Gone];
        SortedDictionary<long, string> renamed = [];
        foreach (PackRename one in theirs?.Renamed ?? [])
        {
            renamed[one.OffsetBytes] = one.Name;
        }

        foreach ((long offset, string name) in ours.Renamed)
        {
            renamed[offset] = name;
        }

        gone.UnionWith(theirs?.Gone ?? []);
        List<PackRename> names = [];
        foreach ((long offset, string name) in renamed)
        {
            if (!gone.Contains(offset))
            {
                names.Add(new PackRename(offset, name));
            }
        }

        PackNames made = new()
        {
            Pack = ours.Pack.Key,
            SizeBytes = ours.Pack.SizeBytes,
            Gone = [.. gone],
            Renamed = names,
        };
        return made with { ChangesCrc32C = made.Checksum() };
    }

    /// <summary>Reads one.</summary>
    /// <exception cref="DataLayerException">Corrupt: it is none, or damaged.</exception>
    public static PackNames Parse(ReadOnlySpan<byte> bytes)
    {
        try
        {
            PackNames names = JsonSerializer.Deserialize(bytes, PackJson.Default.PackNames)!;
            return names is { Format: FormatName, Gone: not null, Renamed: not null, Pack: not null }
                && AreWhole(names.Renamed) && names.ChangesCrc32C == names.Checksum()
                ? names
                : throw new JsonException();
        }
        catch (JsonException error)
        {
            throw new DataLayerException(
                ErrorCode.Corrupt, "The object does not say what became of a pack's members.", error);
        }
    }

    /// <summary>Reads what lies at a key.</summary>
    /// <returns>What it says, null where that is nothing or damaged; and its ETag, null where there is none.</returns>
    public static async ValueTask<(PackNames? Names, string? ETag)> ReadAsync(
        IObjectStore store, string key, CancellationToken cancellationToken)
    {
        if (await store.HeadAsync(key, cancellationToken).ConfigureAwait(false) is not { } there)
        {
            return (null, null);
        }

        if (there.SizeBytes is 0 or > MaxBytes)
        {
            return (null, there.ETag);
        }

        byte[] bytes = new byte[there.SizeBytes];
        ObjectReadResult read = await store.ReadAsync(key, 0, bytes, there.ETag, cancellationToken)
            .ConfigureAwait(false);
        try
        {
            return (Parse(bytes.AsSpan(0, read.BytesRead)), there.ETag);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.Corrupt)
        {
            return (null, there.ETag);
        }
    }

    /// <summary>Stores it in the place of what was read there.</summary>
    /// <param name="store">The bucket.</param>
    /// <param name="key">Its key.</param>
    /// <param name="etag">The ETag of what is there, null for nothing.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">Stale, AlreadyExists: somebody else wrote there meanwhile.</exception>
    public async ValueTask WriteAsync(
        IObjectStore store, string key, string? etag, CancellationToken cancellationToken)
    {
        PackImage bytes = new();
        bytes.AddBytes(JsonSerializer.SerializeToUtf8Bytes(this, PackJson.Default.PackNames));
        await store.WriteAsync(
            key, bytes, new ObjectWriteCondition(etag, IfAbsent: etag is null), cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>Whether it says the same as another of the same pack.</summary>
    public bool SaysAs(PackNames? other) => other is not null && ChangesCrc32C == other.ChangesCrc32C
        && Gone.Count == other.Gone.Count
        && Renamed.Count == other.Renamed.Count;

    /// <summary>
    /// Whether it is of the tar at a key: a bucket may have been copied elsewhere, under another prefix and with other
    /// ETags, but the last part of a pack's key is never used twice.
    /// </summary>
    public bool IsOf(string key, long sizeBytes) => SizeBytes == sizeBytes
        && Pack.AsSpan(Pack.LastIndexOf('/') + 1).SequenceEqual(key.AsSpan(key.LastIndexOf('/') + 1));

    /// <summary>Whether the member at an offset is gone.</summary>
    public bool IsGone(long offsetBytes)
    {
        _gone ??= [.. Gone];
        return _gone.Contains(offsetBytes);
    }

    /// <summary>What the member at an offset is called now; null where that is what the tar says.</summary>
    public string? FindName(long offsetBytes)
    {
        if (_names is null)
        {
            _names = [];
            foreach (PackRename one in Renamed)
            {
                _names[one.OffsetBytes] = one.Name;
            }
        }

        return _names.GetValueOrDefault(offsetBytes);
    }

    private static bool AreWhole(IReadOnlyList<PackRename> renamed)
    {
        foreach (PackRename one in renamed)
        {
            if (one?.Name is null)
            {
                return false;
            }
        }

        return true;
    }

    private string Checksum()
    {
        ArrayBufferWriter<byte> lines = new();
        foreach (long offset in Gone)
        {
            Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{offset}\n"), lines);
        }

        foreach (PackRename one in Renamed)
        {
            Encoding.UTF8.GetBytes(
                string.Create(CultureInfo.InvariantCulture, $"{one.OffsetBytes}\t{one.Name}\n"), lines);
        }

        return PackIndex.Checksum(lines.WrittenSpan);
    }
}
