using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Csi.Volumes;
using DataLayer.Protocol.Http;

namespace DataLayer.Csi.Controller;

/// <summary>A volume or snapshot as it stands in the tree.</summary>
/// <param name="Id">Its id, which is its folder's name.</param>
/// <param name="Record">What is known of it.</param>
/// <param name="CapacityBytes">Its quota; 0 is none.</param>
internal sealed record StoredVolume(string Id, VolumeRecord Record, long CapacityBytes);

/// <summary>
/// Volumes and snapshots as folders of the tree, through the service's HTTP API. All state is there: the driver can be
/// killed at any step and another goes on. Making: folder under new/, attributes, contents, one rename that must not
/// replace. Deleting: one rename to deleted/, then removal, which the next start goes on with.
/// </summary>
internal sealed class VolumeTree(DataLayerClient client, TreeLayout layout)
{
    /// <summary>Everybody may enter a new volume and use it, as with any dynamic volume; fsGroup narrows it.</summary>
    private const int VolumeMode = 0x1FF;

    private const int LookupsAtOnce = 16;

    /// <summary>Where things are.</summary>
    public TreeLayout Layout => layout;

    /// <summary>The service.</summary>
    public DataLayerClient Client => client;

    /// <summary>A complete volume or snapshot below <paramref name="folder"/>, or null.</summary>
    public async Task<StoredVolume?> FindAsync(string folder, string id, CancellationToken cancellationToken)
    {
        if (!VolumeName.IsId(id))
        {
            return null;
        }

        string path = TreePath.Combine(folder, id);
        byte[]? record = await client.Admin.GetXattrAsync(path, VolumeRecord.Attribute, cancellationToken)
            .ConfigureAwait(false);
        if (record is null)
        {
            return null;
        }

        byte[]? quota = await client.Admin.GetXattrAsync(path, VolumeRecord.QuotaAttribute, cancellationToken)
            .ConfigureAwait(false);
        return new StoredVolume(id, Parse(record, path), quota is null ? 0 : ParseQuota(quota, path));
    }

    /// <summary>One page below <paramref name="folder"/>, in order of ids.</summary>
    /// <param name="folder">Volumes or snapshots.</param>
    /// <param name="after">Only ids after this, or null.</param>
    /// <param name="limit">At most so many, from 1.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The page, and the id to go on after, or null at the end.</returns>
    public async Task<(IReadOnlyList<StoredVolume> Page, string? Next)> ListAsync(
        string folder, string? after, int limit, CancellationToken cancellationToken)
    {
        DirectoryPage names;
        try
        {
            names = await client.ListPageAsync(folder, after, limit, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            return ([], null);
        }

        StoredVolume?[] found = new StoredVolume?[names.Entries.Count];
        await Parallel.ForAsync(
            0, found.Length,
            new ParallelOptions { MaxDegreeOfParallelism = LookupsAtOnce, CancellationToken = cancellationToken },
            async (i, token) => found[i] =
                await FindAsync(folder, names.Entries[i].Name, token).ConfigureAwait(false)).ConfigureAwait(false);
        return ([.. found.OfType<StoredVolume>()], names.Next);
    }

    /// <summary>All below <paramref name="folder"/>, page by page.</summary>
    public async IAsyncEnumerable<StoredVolume> ListAllAsync(
        string folder, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        const int PageEntries = 500;
        do
        {
            (IReadOnlyList<StoredVolume> page, after) =
                await ListAsync(folder, after, PageEntries, cancellationToken).ConfigureAwait(false);
            foreach (StoredVolume volume in page)
            {
                yield return volume;
            }
        }
        while (after is not null);
    }

    /// <summary>
    /// Makes a volume or snapshot; nothing is there under its name before all is. What an earlier try left under new/
    /// is removed first. The caller holds the id's lock.
    /// </summary>
    /// <param name="folder">Volumes or snapshots.</param>
    /// <param name="volume">What to make.</param>
    /// <param name="fill">Fills the folder it is given, before it gets its name; null for an empty one.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    public async Task<StoredVolume> MakeAsync(
        string folder, StoredVolume volume, Func<string, CancellationToken, Task<VolumeRecord>>? fill,
        CancellationToken cancellationToken)
    {
        string path = $"{layout.New}/{TreePath.NameOf(folder)}-{volume.Id}";
        await client.MakeDirectoryAsync(folder, parents: true, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        await RemoveAsync(path, cancellationToken).ConfigureAwait(false);
        await client.MakeDirectoryAsync(path, parents: true, VolumeMode, cancellationToken).ConfigureAwait(false);
        VolumeRecord record = volume.Record;
        if (fill is not null)
        {
            record = await fill(path, cancellationToken).ConfigureAwait(false);
        }

        await SetQuotaAsync(path, volume.CapacityBytes, cancellationToken).ConfigureAwait(false);
        await client.Admin
            .SetXattrAsync(
                path, VolumeRecord.Attribute,
                JsonSerializer.SerializeToUtf8Bytes(record, VolumeJson.Default.VolumeRecord), cancellationToken)
            .ConfigureAwait(false);
        await client.RenameAsync(
            path, TreePath.Combine(folder, volume.Id), RenameFlags.NoReplace, cancellationToken).ConfigureAwait(false);
        return volume with { Record = record };
    }

    /// <summary>Changes the quota of a complete volume.</summary>
    public Task ResizeAsync(string id, long capacityBytes, CancellationToken cancellationToken) =>
        SetQuotaAsync(TreePath.Combine(layout.Volumes, id), capacityBytes, cancellationToken);

    /// <summary>
    /// Takes a volume or snapshot out of its folder in one step; false if it is not there. Its contents go when
    /// <see cref="EmptyDeletedAsync"/> runs.
    /// </summary>
    public async Task<bool> TakeOutAsync(string folder, string id, CancellationToken cancellationToken)
    {
        string path = TreePath.Combine(folder, id);
        FileStatus? status = VolumeName.IsId(id)
            ? await client.TryStatAsync(path, cancellationToken).ConfigureAwait(false) : null;
        if (status is null)
        {
            return false;
        }

        await client.MakeDirectoryAsync(layout.Deleted, parents: true, cancellationToken: cancellationToken)
            .ConfigureAwait(false);

        // The inode's number makes the name unlike that of any volume that was deleted before.
        string target = string.Create(
            CultureInfo.InvariantCulture, $"{layout.Deleted}/{TreePath.NameOf(folder)}-{status.Inode}");
        try
        {
            await client.RenameAsync(path, target, RenameFlags.NoReplace, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            return false;
        }
    }

    /// <summary>Removes the contents of all that was deleted.</summary>
    public async Task EmptyDeletedAsync(CancellationToken cancellationToken)
    {
        if (await client.TryStatAsync(layout.Deleted, cancellationToken).ConfigureAwait(false) is null)
        {
            return;
        }

        await foreach (FileStatus entry in client.ListAsync(layout.Deleted, cancellationToken: cancellationToken)
            .ConfigureAwait(false))
        {
            await RemoveAsync(TreePath.Combine(layout.Deleted, entry.Name), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Removes a folder with all in it, if it is there.</summary>
    public async Task RemoveAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            await client.DeleteAsync(path, recursive: true, cancellationToken: cancellationToken)
                .ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            // Gone is what was wanted.
        }
    }

    /// <summary>The identity of the tree: made by whoever asks first, the same for everybody after.</summary>
    public async Task<string> GetIdentityAsync(CancellationToken cancellationToken)
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                using FileBytes known = await client.ReadFileAsync(layout.TreeIdentity, cancellationToken)
                    .ConfigureAwait(false);
                return Encoding.ASCII.GetString(known.Memory.Span).Trim();
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.NotFound && tries < 3)
            {
                await MakeIdentityAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task MakeIdentityAsync(CancellationToken cancellationToken)
    {
        byte[] made = Encoding.ASCII.GetBytes(Guid.NewGuid().ToString("N") + "\n");
        try
        {
            await client.WriteFileAsync(
                layout.TreeIdentity, made, new WriteOptions { IfAbsent = true, MakeParents = true, Mode = 0x124 },
                cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code is ErrorCode.AlreadyExists or ErrorCode.Stale)
        {
            // Another was first; its answer holds.
        }
    }

    private async Task SetQuotaAsync(string path, long capacityBytes, CancellationToken cancellationToken) =>
        await client.Admin
            .SetXattrAsync(
                path, VolumeRecord.QuotaAttribute,
                Encoding.ASCII.GetBytes(capacityBytes.ToString(CultureInfo.InvariantCulture)), cancellationToken)
            .ConfigureAwait(false);

    private static VolumeRecord Parse(byte[] json, string path)
    {
        try
        {
            return JsonSerializer.Deserialize(json, VolumeJson.Default.VolumeRecord)
                ?? throw new JsonException("It is null.");
        }
        catch (JsonException e)
        {
            throw new DataLayerException(
                ErrorCode.Corrupt, $"The attribute {VolumeRecord.Attribute} of '{path}' is not a record.", e);
        }
    }

    private static long ParseQuota(byte[] text, string path) =>
        long.TryParse(Encoding.ASCII.GetString(text), NumberStyles.None, CultureInfo.InvariantCulture, out long bytes)
            ? bytes
            : throw new DataLayerException(
                ErrorCode.Corrupt, $"The attribute {VolumeRecord.QuotaAttribute} of '{path}' is not a number.");
}
