using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Heat;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering;

/// <summary>
/// The facts of all files at or below a path: tree, residency, object and heat joined, a page at a time. Memory is
/// bounded by a page (and 8 bytes for each file with several names).
/// </summary>
/// <remarks>
/// A page is read in one transaction, the pages are not: files that come, go or change meanwhile may be in it as before
/// or after. Each fact carries the version it is of. Writes that are not flushed yet are not seen. Pins are those at
/// the start (<see cref="PinTable"/>). A tenant is the nearest one above a file; a dataset is what is attached, named
/// by the path it was attached at.
/// </remarks>
public sealed class FactSource
{
    private const int PageFiles = 1000;
    private readonly EngineContext _context;
    private readonly HeatTable _heat;

    internal FactSource(EngineContext context, HeatTable heat)
    {
        _context = context;
        _heat = heat;
    }

    /// <summary>
    /// The facts of the regular files at or below a path, depth first in name order; each file once, with one of its
    /// paths. What was read until now counts.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound: no such path. Or what the store says.</exception>
    public async IAsyncEnumerable<FileFacts> ReadAsync(
        string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        InodeAttributes start = await _context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        await _heat.FlushAsync(cancellationToken).ConfigureAwait(false);
        long now = _context.NowNanoseconds();
        PinTable pins = await PinTable.LoadAsync(_context, cancellationToken).ConfigureAwait(false);
        string real = await _context.Tree.GetPathAsync(start.Inode, cancellationToken).ConfigureAwait(false) ?? path;
        if (start.Kind == FileKind.Regular)
        {
            if (await FindAsync(start.Inode, cancellationToken).ConfigureAwait(false) is { } found)
            {
                yield return ToFacts(found.Row, real, pins.IsPinned(found.Row.Attributes.Inode, real), now);
            }

            yield break;
        }

        string prefix = real.TrimEnd('/') + "/";
        HashSet<long> seen = [];
        string? cursor = null;
        do
        {
            (IReadOnlyList<FileFactRow> page, cursor) = await _context.Tree.WalkFactsAsync(
                start.Inode, cursor, PageFiles, cancellationToken).ConfigureAwait(false);
            foreach (FileFactRow row in page)
            {
                if (row.Attributes.LinkCount <= 1 || seen.Add(row.Attributes.Inode.Value))
                {
                    string at = prefix + row.RelativePath;
                    yield return ToFacts(row, at, pins.IsPinned(row.Attributes.Inode, at), now);
                }
            }

            cancellationToken.ThrowIfCancellationRequested();
        }
        while (cursor is not null);
    }

    /// <summary>The facts of one file with its content; null where it is gone or no regular file.</summary>
    /// <param name="inode">The file.</param>
    /// <param name="path">The path to give with them.</param>
    /// <param name="cancellationToken">Gives up.</param>
    internal async ValueTask<(FileFacts Facts, FileContent Content)?> ReadOneAsync(
        InodeId inode, string path, CancellationToken cancellationToken) =>
        await FindAsync(inode, cancellationToken).ConfigureAwait(false) is not { } found
            ? null
            : (
                ToFacts(
                    found.Row, path,
                    await PinTable.IsPinnedAsync(_context, inode, path, cancellationToken).ConfigureAwait(false),
                    _context.NowNanoseconds()),
                found.Content);

    private async ValueTask<(FileFactRow Row, FileContent Content)?> FindAsync(
        InodeId inode, CancellationToken cancellationToken)
    {
        FileContent? file = await _context.Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false);
        if (file is null || file.Attributes.Kind != FileKind.Regular)
        {
            return null;
        }

        IReadOnlyList<HeatLookup> heat = await _context.Tree.LookupHeatAsync([inode], cancellationToken)
            .ConfigureAwait(false);
        long resident = 0;
        for (uint block = 0; block < file.Residency.BlockCount; block++)
        {
            resident += file.Residency[block] ? BlockLayout.BlockLength(block, file.Attributes.SizeBytes) : 0;
        }

        FileFactRow row = new(
            string.Empty, file.Attributes, file.Placement?.ToText(), resident, file.Object, heat[0].Heat);
        return (row, file);
    }

    private FileFacts ToFacts(in FileFactRow row, string path, bool isPinned, long now)
    {
        InodeAttributes file = row.Attributes;
        ObjectReference? held = file.State == TierState.Hot ? null : row.Object;
        string? pool = null;
        int copies = 0;
        if (row.Placement is not null)
        {
            (pool, copies) = PlacementText.ReadPool(row.Placement);
        }

        long hotBytes = row.Placement is null ? 0 : file.State == TierState.Hot ? file.SizeBytes : row.ResidentBytes;
        FileHeat heat = row.Heat is { } known ? _heat.At(known, now) : default;
        DateTimeOffset modified = UnixTime.ToTime(file.ModifyTimeNanoseconds);
        return new FileFacts
        {
            Inode = file.Inode,
            Version = file.Version,
            Path = path,
            Dataset = file.AttachmentId == 0 ? null : _context.Attachments.Find(file.AttachmentId)?.Path,
            Tenant = _context.Tenants.Of(file) is { Name.Length: > 0 } tenant ? tenant.Name : null,
            OwnerId = file.UserId,
            SizeBytes = file.SizeBytes,
            HotBytes = hotBytes,
            CopyCount = hotBytes > 0 ? copies : 0,
            ModifiedAt = modified,
            AccessedAt = heat.AccessedAt is { } read && read > modified ? read : modified,
            Heat = heat.Score,
            State = file.State,
            IsPinned = isPinned,
            Placement = row.Placement,
            Pool = pool ?? _context.Hot.DefaultPool,
            HasObject = held is not null,
            IsPacked = held is { IsPacked: true },
            AttachmentId = file.AttachmentId,
            StorageClass = held?.StorageClass,
            StoredAt = held is { StoredTimeNanoseconds: > 0 } ? UnixTime.ToTime(held.StoredTimeNanoseconds) : null,
        };
    }
}
