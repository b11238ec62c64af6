using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;

namespace DataLayer.Metadata.Rows;

/// <summary>
/// One row of <c>inodes</c>, to be changed and written back by the writer. The row has two parts, each with its
/// checksum: the attributes, read and written on their own, and the content's place, loaded only where it is needed.
/// </summary>
internal sealed class InodeRow
{
    public required InodeId Inode { get; init; }

    public required FileKind Kind { get; init; }

    public int Mode { get; set; }

    public int UserId { get; set; }

    public int GroupId { get; set; }

    public int LinkCount { get; set; } = 1;

    public long SizeBytes { get; set; }

    /// <summary>The current content's generation.</summary>
    public uint Generation { get; set; } = 1;

    /// <summary>
    /// The highest generation ever given out; contents being written hold those above <see cref="Generation"/>.
    /// </summary>
    public uint LastGeneration { get; set; } = 1;

    public long Version { get; set; } = 1;

    public TierState State { get; set; } = TierState.Hot;

    public long AttachmentId { get; set; }

    public long AccessTime { get; set; }

    public long ModifyTime { get; set; }

    public long ChangeTime { get; set; }

    public string? LinkTarget { get; init; }

    /// <summary>The device number of a character or block device, else 0.</summary>
    public uint Device { get; init; }

    /// <summary>The inode of the folder whose quota this one counts in, or 0.</summary>
    public long QuotaFolder { get; set; }

    /// <summary>When the inode was made; 0 where it is not known.</summary>
    public long BirthTime { get; init; }

    /// <summary>The quota and length as stored, which a save tells the quota's account of.</summary>
    public (long QuotaFolder, long SizeBytes) Stored { get; set; }

    /// <summary>The content as stored, which a save tells the log of changes of.</summary>
    public (uint Generation, long Version) StoredContent { get; set; }

    /// <summary>Whether the members below were loaded (or are new); only then may the whole row be saved.</summary>
    public bool HasContent { get; set; }

    /// <summary>The hot copy's place (<see cref="Placement.ToText"/>), or null.</summary>
    public string? Placement { get; set; }

    /// <summary>The stored residency (<see cref="ResidencyColumn"/>).</summary>
    public byte[]? Residency { get; set; }

    /// <summary>How many bytes are hot.</summary>
    public long ResidentBytes { get; set; }

    public ObjectReference? Object { get; set; }

    public long CheckedTime { get; set; }

    /// <summary>Whether bytes of the current content would be lost with the object: it is not hot as a whole.</summary>
    public bool DependsOnObject => Object is not null && SizeBytes > 0
        && (State != TierState.Hot || ResidentBytes < SizeBytes);

    /// <summary>Sets both forms of the residency.</summary>
    public void SetResidency(ResidencyBitmap bitmap)
    {
        Residency = ResidencyColumn.Encode(bitmap);
        ResidentBytes = ResidencyColumn.CountBytes(bitmap, SizeBytes);
    }

    /// <summary>The checksum of the attributes.</summary>
    public uint ComputeAttributeCrc()
    {
        RowChecksum sum = default;
        sum.Add(Inode.Value);
        sum.Add((long)Kind);
        sum.Add((long)Mode);
        sum.Add((long)UserId);
        sum.Add((long)GroupId);
        sum.Add((long)LinkCount);
        sum.Add(SizeBytes);
        sum.Add((long)Generation);
        sum.Add((long)LastGeneration);
        sum.Add(Version);
        sum.Add((long)State);
        sum.Add(AttachmentId);
        sum.Add(AccessTime);
        sum.Add(ModifyTime);
        sum.Add(ChangeTime);
        sum.Add(LinkTarget);
        if (Device != 0)
        {
            // Rows from before the column was added have none, and keep their checksum.
            sum.Add((long)Device);
        }

        if (QuotaFolder != 0 || BirthTime != 0)
        {
            sum.Add(QuotaFolder);
            sum.Add(BirthTime);
        }

        return sum.Value;
    }

    /// <summary>The checksum of the content's place, bound to the inode.</summary>
    public uint ComputeContentCrc()
    {
        RowChecksum sum = default;
        sum.Add(Inode.Value);
        sum.Add(Placement);
        sum.Add(Object?.AttachmentId ?? -1L);
        sum.Add(Object?.Key);
        sum.Add(Object?.ETag);
        sum.Add(Object?.VersionId);
        sum.Add(Object?.SizeBytes ?? -1L);
        sum.Add(Object?.PackOffsetBytes ?? -1L);
        sum.Add(CheckedTime);
        sum.Add(ResidentBytes);
        sum.Add(Residency);
        if (Object is { } held && (held.StorageClass is not null || held.StoredTimeNanoseconds != 0))
        {
            // Rows from before the columns were added have neither, and keep their checksum.
            sum.Add(held.StorageClass);
            sum.Add(held.StoredTimeNanoseconds);
        }

        return sum.Value;
    }

    /// <summary>The attributes as callers see them.</summary>
    public InodeAttributes ToAttributes() => new()
    {
        Inode = Inode,
        Kind = Kind,
        Mode = Mode,
        UserId = UserId,
        GroupId = GroupId,
        LinkCount = LinkCount,
        SizeBytes = SizeBytes,
        Generation = Generation,
        Version = Version,
        State = State,
        AttachmentId = AttachmentId,
        QuotaFolder = QuotaFolder,
        BirthTimeNanoseconds = BirthTime,
        LinkTarget = LinkTarget,
        Device = Device,
        AccessTimeNanoseconds = AccessTime,
        ModifyTimeNanoseconds = ModifyTime,
        ChangeTimeNanoseconds = ChangeTime,
    };

    /// <summary>The content as callers see it.</summary>
    public FileContent ToContent() => new(
        ToAttributes(),
        Placement is null ? null : PlacementText.Parse(Placement),
        ResidencyColumn.Decode(Residency, SizeBytes),
        Object,
        CheckedTime);
}
