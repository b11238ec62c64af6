using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Attaching;

/// <summary>
/// Brings the files in a bucket's packs into the tree, after its objects were listed: packs that another tree made, or
/// this one before it lost its state.
/// </summary>
/// <remarks>
/// A pack's index says what lies in it. One that is missing, damaged or of another tar is made again from the tar,
/// which
/// is read for that, and stored where the bucket may be written. A pack whose tar cannot be read (damaged, in an
/// archive)
/// is told as refused, holds no other one up, and is tried again at the next refresh. The object beside a tar that says
/// which of its members are gone or renamed is heeded where it is whole; else all are shown as they were packed.
/// Members come in some at a time, and an import that was cut short goes on where it was.
/// </remarks>
internal sealed class PackImporter(EngineContext context, Attachment attachment, IObjectStore store)
{
    private const int PageKeys = 1000;

    /// <summary>Members a change of the tree brings in: about 25 ms of its writer.</summary>
    private const int PieceMembers = 1000;

    private const int ReadBytes = 8 << 20;

    /// <summary>No pack is larger: 256 MiB of contents (<see cref="PackOptions.PackBytes"/>) and the headers.</summary>
    private const long MaxTarBytes = 1L << 30;

    private const long MaxIndexBytes = 256 << 20;
    private long _files;
    private long _bytes;
    private long _requests;
    private long _refused;

    /// <summary>What it did, added to what a listing did.</summary>
    public AttachProgress AddTo(AttachProgress listed) => listed with
    {
        Objects = listed.Objects + _files,
        Bytes = listed.Bytes + _bytes,
        Requests = listed.Requests + _requests,
        Refused = listed.Refused + _refused,
    };

    /// <summary>Imports all packs that the tree does not know, oldest first.</summary>
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        Dictionary<string, ObjectProperties> found = await ListAsync(cancellationToken).ConfigureAwait(false);
        List<(long Time, ObjectProperties Tar)> tars = [];
        foreach ((string key, ObjectProperties one) in found)
        {
            if (PackKeys.TryGetTime(key, out long time))
            {
                tars.Add((time, one));
            }
        }

        tars.Sort(static (a, b) => a.Time != b.Time
            ? a.Time.CompareTo(b.Time)
            : string.CompareOrdinal(a.Tar.Key, b.Tar.Key));
        foreach ((long time, ObjectProperties tar) in tars)
        {
            if (await context.Tree.IsPackKnownAsync(attachment.Id, tar.Key, cancellationToken).ConfigureAwait(false))
            {
                continue;
            }

            try
            {
                long indexBytes = found.TryGetValue(tar.Key + PackKeys.IndexSuffix, out ObjectProperties beside)
                    ? beside.SizeBytes
                    : 0;
                PackIndex index = await ReadIndexAsync(tar, indexBytes, cancellationToken).ConfigureAwait(false);
                PackNames? names = found.ContainsKey(tar.Key + PackKeys.NamesSuffix)
                    ? await ReadNamesAsync(tar, cancellationToken).ConfigureAwait(false)
                    : null;
                await ImportAsync(tar, time, index, names, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException error) when (error.Code is ErrorCode.Corrupt or ErrorCode.Archived
                or ErrorCode.NotFound or ErrorCode.Stale or ErrorCode.FileTooLarge)
            {
                _refused++;
                EngineLog.PackRefused(context.Log, tar.Key, error.Message);
            }
        }
    }

    private async ValueTask<Dictionary<string, ObjectProperties>> ListAsync(CancellationToken cancellationToken)
    {
        string folder = (attachment.KeyPrefix ?? string.Empty) + PackKeys.Folder;
        Dictionary<string, ObjectProperties> found = new(StringComparer.Ordinal);
        string? token = null;
        do
        {
            ObjectListPage page = await store.ListAsync(
                new ObjectListRequest(folder, null, null, token, PageKeys), cancellationToken).ConfigureAwait(false);
            _requests++;
            foreach (ObjectProperties one in page.Objects)
            {
                found[one.Key] = one;
            }

            token = page.ContinuationToken;
        }
        while (token is not null);
        return found;
    }

    /// <summary>The index beside a tar, or made from it where that is no good.</summary>
    private async ValueTask<PackIndex> ReadIndexAsync(
        ObjectProperties tar, long indexBytes, CancellationToken cancellationToken)
    {
        string fault = "It is missing.";
        if (indexBytes is > 0 and <= MaxIndexBytes)
        {
            try
            {
                byte[] bytes = await ReadAsync(
                    tar.Key + PackKeys.IndexSuffix, indexBytes, etag: null, cancellationToken).ConfigureAwait(false);
                PackIndex index = PackIndex.Parse(bytes);
                if (index.FindFault(tar.ETag, tar.SizeBytes) is not { } wrong)
                {
                    return index;
                }

                fault = wrong;
            }
            catch (DataLayerException error) when (
                error.Code is ErrorCode.Corrupt or ErrorCode.NotFound or ErrorCode.Stale or ErrorCode.Archived)
            {
                fault = error.Message;
            }
        }

        EngineLog.PackIndexBad(context.Log, tar.Key, fault);
        if (tar.SizeBytes > MaxTarBytes)
        {
            throw new DataLayerException(
                ErrorCode.FileTooLarge, $"It is {tar.SizeBytes} bytes long, {MaxTarBytes} are read.");
        }

        PackIndex made = PackIndex.Of(
            tar.Key, tar.ETag,
            await ReadAsync(tar.Key, tar.SizeBytes, tar.ETag, cancellationToken).ConfigureAwait(false));
        if (attachment.Mode == AttachmentMode.ReadWrite)
        {
            await made.WriteAsync(store, cancellationToken).ConfigureAwait(false);
        }

        return made;
    }

    private async ValueTask<byte[]> ReadAsync(
        string key, long sizeBytes, string? etag, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[sizeBytes];
        for (int at = 0; at < bytes.Length;)
        {
            int length = Math.Min(ReadBytes, bytes.Length - at);
            ObjectReadResult read = await store.ReadAsync(
                key, at, bytes.AsMemory(at, length), etag, cancellationToken).ConfigureAwait(false);
            context.Counters.Add(Counter.OriginReads, 1);
            context.Counters.Add(Counter.OriginBytes, read.BytesRead);
            if (read.BytesRead != length)
            {
                throw new DataLayerException(ErrorCode.Stale, $"Object '{key}' became shorter while it was read.");
            }

            at += length;
        }

        return bytes;
    }

    private async ValueTask ImportAsync(
        ObjectProperties tar, long time, PackIndex index, PackNames? names, CancellationToken cancellationToken)
    {
        PackImport pack = new()
        {
            AttachmentId = attachment.Id,
            Key = tar.Key,
            ETag = tar.ETag,
            VersionId = tar.VersionId,
            SizeBytes = tar.SizeBytes,
            StorageClass = tar.StorageClass,
            StoredTimeNanoseconds = UnixTime.ToNanoseconds(tar.LastModified),
            CreatedTimeNanoseconds = time,
            TotalCount = index.Members.Count,
            Members = [],
        };
        long files = 0;
        long superseded = 0;
        long at = 0;
        do
        {
            PackImportResult result;
            PackImport piece = pack with { First = at, Members = Piece(index, names, (int)at) };
            using (new ChangeScope(context.Stamps, all: true))
            {
                result = await context.Tree.ImportPackAsync(piece, cancellationToken).ConfigureAwait(false);
            }

            context.Step("attach.packImported");
            at = result.Next;
            files += result.Added + result.Replaced;
            superseded += result.Superseded;
            _refused += result.Refused.Count;
        }
        while (at < index.Members.Count);
        _files += files;
        _bytes += tar.SizeBytes;
        EngineLog.PackImported(context.Log, tar.Key, files, superseded);
    }

    /// <summary>What one change of the tree brings in: the members from a number on.</summary>
    private static List<PackImportMember> Piece(PackIndex index, PackNames? names, int first)
    {
        List<PackImportMember> members = new(PieceMembers);
        for (int i = first; i < Math.Min(first + PieceMembers, index.Members.Count); i++)
        {
            PackIndexMember one = index.Members[i];
            string? name = names?.FindName(one.OffsetBytes);
            members.Add(new PackImportMember(
                name ?? one.Name, one.OffsetBytes, one.SizeBytes,
                Math.Clamp(one.ModifiedSeconds, 0, long.MaxValue / 1_000_000_000) * 1_000_000_000,
                name is null ? null : one.Name, names?.IsGone(one.OffsetBytes) == true));
        }

        return members;
    }

    /// <summary>What became of a tar's members, by the object beside it; null where it does not say.</summary>
    private async ValueTask<PackNames?> ReadNamesAsync(ObjectProperties tar, CancellationToken cancellationToken)
    {
        (PackNames? names, string? etag) = await PackNames.ReadAsync(
            store, tar.Key + PackKeys.NamesSuffix, cancellationToken).ConfigureAwait(false);
        _requests++;
        if (names?.IsOf(tar.Key, tar.SizeBytes) == true)
        {
            return names;
        }

        if (etag is not null)
        {
            EngineLog.PackNamesBad(context.Log, tar.Key);
        }

        return null;
    }
}
