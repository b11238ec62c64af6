using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Csi.Controller;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Volumes;
using DataLayer.Protocol.Http;

namespace DataLayer.Csi.Node;

/// <summary>
/// Finds, or prepares, the folder of the tree that a volume is: the provisioned one; the bucket or folder a static
/// volume names; a scratch folder for an inline volume. All of it can be repeated.
/// </summary>
internal sealed class NodeVolumes(VolumeTree tree, NodeOptions options)
{
    private const int SetGroupIdAndGroupAll = 0x400 | 0x38; // 02070
    private const int GroupReadWrite = 0x30; // 060
    private const int OwnerExecute = 0x40; // 0100
    private const string CredentialPrefix = "csi-";

    /// <summary>The identity of the tree this node's service holds.</summary>
    public Task<string> GetTreeAsync(CancellationToken cancellationToken) => tree.GetIdentityAsync(cancellationToken);

    /// <summary>The folder of a volume that is to be mounted.</summary>
    /// <exception cref="RpcException">NOT_FOUND: there is none. FAILED_PRECONDITION: it is in another tree.
    /// INVALID_ARGUMENT, UNAUTHENTICATED: the attributes or secrets do not do.</exception>
    public async Task<string> ResolveAsync(
        string volumeId, VolumeSettings settings, IReadOnlyDictionary<string, string> secrets,
        CancellationToken cancellationToken)
    {
        string folder = VolumeName.ToId(volumeId, "volume_id");
        if (settings.IsEphemeral)
        {
            return await PrepareInlineAsync(folder, settings, secrets, cancellationToken).ConfigureAwait(false);
        }

        if (settings.Source is not null)
        {
            string path = TreePath.Combine(tree.Layout.Static, folder);
            await AttachAsync(path, folder, settings, secrets, cancellationToken).ConfigureAwait(false);
            return path;
        }

        if (settings.Path is { } existing)
        {
            FileStatus? status = await tree.Client.TryStatAsync(existing, cancellationToken).ConfigureAwait(false);
            return status switch
            {
                null => throw new RpcException(RpcCode.NotFound, $"There is no folder {existing} in the tree."),
                { Kind: not FileKind.Directory } => throw new RpcException(
                    RpcCode.InvalidArgument, $"{existing} of the tree is no folder."),
                _ => await LinkAsync(folder, existing, cancellationToken).ConfigureAwait(false),
            };
        }

        if (await tree.FindAsync(tree.Layout.Volumes, volumeId, cancellationToken).ConfigureAwait(false) is null)
        {
            string own = await GetTreeAsync(cancellationToken).ConfigureAwait(false);
            throw settings.Tree is { } wanted && wanted != own
                ? new RpcException(RpcCode.FailedPrecondition,
                    $"Volume {volumeId} lies in tree {wanted}; this node serves {own}. The pod must run where "
                    + "its tree is: leave allowedTopologies and the volume's node affinity as they are.")
                : new RpcException(RpcCode.NotFound, $"There is no volume {volumeId}.");
        }

        return TreePath.Combine(tree.Layout.Volumes, volumeId);
    }

    /// <summary>
    /// Lets a group use a volume: everything in it gets the group and its rights, and what is made later gets it from
    /// its folder. A root that has the group already is believed, and nothing is walked; it is changed last, so that a
    /// walk that was cut short is begun again.
    /// </summary>
    public async Task DelegateAsync(string path, int groupId, CancellationToken cancellationToken)
    {
        FileStatus status = await tree.Client.StatAsync(path, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        if (status.GroupId == groupId && (status.Mode & SetGroupIdAndGroupAll) == SetGroupIdAndGroupAll)
        {
            return;
        }

        Stack<string> folders = new([path]);
        while (folders.TryPop(out string? folder))
        {
            await foreach (FileStatus entry in tree.Client.ListAsync(folder, cancellationToken: cancellationToken)
                .ConfigureAwait(false))
            {
                string name = TreePath.Combine(folder, entry.Name);
                if (entry.Kind == FileKind.SymbolicLink)
                {
                    // It leads where it leads, perhaps out of the volume; its own rights mean nothing.
                    continue;
                }

                await GiveAsync(name, entry, groupId, cancellationToken).ConfigureAwait(false);
                if (entry.Kind == FileKind.Directory)
                {
                    folders.Push(name);
                }
            }
        }

        await GiveAsync(path, status, groupId, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The group reads and writes; it enters folders, and runs what its owner may run.</summary>
    private async Task GiveAsync(string path, FileStatus entry, int groupId, CancellationToken cancellationToken)
    {
        int rights = entry.Kind == FileKind.Directory ? SetGroupIdAndGroupAll
            : GroupReadWrite | ((entry.Mode & OwnerExecute) >> 3);
        if (entry.GroupId != groupId || (entry.Mode & rights) != rights)
        {
            await tree.Client.SetAttributesAsync(
                new AttributesCommand { Path = path, GroupId = groupId, Mode = entry.Mode | rights }, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Removes what an inline volume left in the tree; nothing for other volumes. Its bucket is only detached.
    /// </summary>
    public async Task DiscardInlineAsync(string volumeId, CancellationToken cancellationToken)
    {
        string folder = VolumeName.ToId(volumeId, "volume_id");
        string path = TreePath.Combine(tree.Layout.Ephemeral, folder);
        try
        {
            FileStatus? status = await tree.Client.TryStatAsync(path, cancellationToken).ConfigureAwait(false);
            if (status is { AttachmentId: not 0 })
            {
                // Uploads still due keep the attachment; the next unpublish, or an administrator, takes it away.
                await tree.Client.Admin.FlushUploadsAsync(path, cancellationToken).ConfigureAwait(false);
                await tree.Client.Admin.DetachAsync(path, cancellationToken: cancellationToken).ConfigureAwait(false);
            }

            if (status is not null)
            {
                await tree.RemoveAsync(path, cancellationToken).ConfigureAwait(false);
            }

            await ForgetKeysAsync(CredentialPrefix + folder, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (!IsInline(volumeId)
            && e.Code is ErrorCode.OriginUnavailable or ErrorCode.ShuttingDown or ErrorCode.TimedOut)
        {
            // Pods of other volumes can be taken down while the service is away: there is nothing of theirs to remove.
        }
    }

    /// <summary>Whether the kubelet made this id, as it does for inline volumes: csi- and a SHA-256.</summary>
    private static bool IsInline(string volumeId) =>
        volumeId.Length == 68 && volumeId.StartsWith("csi-", StringComparison.Ordinal)
        && volumeId.Skip(4).All(char.IsAsciiHexDigitLower);

    /// <summary>Keys go with the inline volume they came with; those of a bucket that stays attached stay.</summary>
    private async Task ForgetKeysAsync(string store, CancellationToken cancellationToken)
    {
        try
        {
            await tree.Client.Admin.RemoveStoreAsync(store, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code is ErrorCode.NotFound or ErrorCode.NotEmpty)
        {
            // There were none, or an attachment uses them.
        }
    }

    /// <summary>The quota of a provisioned or inline volume, bytes; 0 where there is none.</summary>
    public async Task<long> GetQuotaAsync(string volumeId, CancellationToken cancellationToken)
    {
        foreach (string folder in new[] { tree.Layout.Volumes, tree.Layout.Ephemeral })
        {
            string path = TreePath.Combine(folder, VolumeName.ToId(volumeId, "volume_id"));
            byte[]? quota = await tree.Client.Admin
                .GetXattrAsync(path, VolumeRecord.QuotaAttribute, cancellationToken).ConfigureAwait(false);
            if (quota is not null && long.TryParse(Encoding.ASCII.GetString(quota), out long bytes))
            {
                return bytes;
            }
        }

        return 0;
    }

    /// <summary>Bytes and inodes a provisioned or inline volume uses.</summary>
    public async Task<UsageReport?> GetUsageAsync(string volumeId, CancellationToken cancellationToken)
    {
        foreach (string folder in new[] { tree.Layout.Volumes, tree.Layout.Ephemeral })
        {
            try
            {
                return await tree.Client.Admin
                    .GetUsageAsync(
                        TreePath.Combine(folder, VolumeName.ToId(volumeId, "volume_id")), cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
            {
                // The other folder may have it.
            }
        }

        return null;
    }

    /// <summary>
    /// A link with the volume's name: the mount's path then names the volume, as with every other kind, so that the
    /// node's calls know it again without being told.
    /// </summary>
    private async Task<string> LinkAsync(string folder, string existing, CancellationToken cancellationToken)
    {
        string path = TreePath.Combine(tree.Layout.Static, folder);
        await tree.Client.MakeDirectoryAsync(tree.Layout.Static, parents: true, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        try
        {
            await tree.Client.MakeSymbolicLinkAsync(path, existing, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.AlreadyExists)
        {
            FileStatus known = await tree.Client.StatAsync(path, followLast: false, cancellationToken)
                .ConfigureAwait(false);
            if (known.LinkTarget != existing)
            {
                throw new RpcException(RpcCode.AlreadyExists,
                    $"The volume is {known.LinkTarget ?? "a bucket"} already. To change it, remove '{path}' first.");
            }
        }

        return path;
    }

    private async Task<string> PrepareInlineAsync(
        string folder, VolumeSettings settings, IReadOnlyDictionary<string, string> secrets,
        CancellationToken cancellationToken)
    {
        string path = TreePath.Combine(tree.Layout.Ephemeral, folder);
        if (settings.Source is not null)
        {
            // Whoever may make a pod chooses these attributes. The service's own keys are not theirs to use.
            string store = settings.Store ?? "default";
            if (secrets.Count == 0 && !options.InlineStores.Contains(store, StringComparer.Ordinal))
            {
                throw new RpcException(RpcCode.Unauthenticated,
                    "An inline volume of a bucket needs nodePublishSecretRef with the bucket's keys; the driver's "
                    + "--inline-store allows stores of the service by name.");
            }

            await AttachAsync(path, folder, settings, secrets, cancellationToken).ConfigureAwait(false);
            return path;
        }

        await tree.Client.MakeDirectoryAsync(path, parents: true, 0x1FF, cancellationToken).ConfigureAwait(false);
        if (settings.SizeBytes > 0)
        {
            await tree.Client.Admin
                .SetXattrAsync(
                    path, VolumeRecord.QuotaAttribute,
                    Encoding.ASCII.GetBytes(
                        settings.SizeBytes.ToString(System.Globalization.CultureInfo.InvariantCulture)),
                    cancellationToken)
                .ConfigureAwait(false);
        }

        return path;
    }

    private async Task AttachAsync(
        string path, string folder, VolumeSettings settings, IReadOnlyDictionary<string, string> secrets,
        CancellationToken cancellationToken)
    {
        string store = settings.Store ?? "default";
        if (secrets.Count > 0)
        {
            if (settings.Store is not null)
            {
                throw new RpcException(RpcCode.InvalidArgument,
                    "volume_context names a store of the service and the volume has a secret: give one of the two.");
            }

            store = CredentialPrefix + folder;
            await tree.Client.Admin.DefineStoreAsync(
                BucketKeys.Read(secrets).ToCommand(store, settings), cancellationToken).ConfigureAwait(false);
        }

        AttachCommand command = new()
        {
            Source = settings.Source!,
            Path = path,
            Store = store,
            Mode = settings.Mode,
            Freshness = settings.Freshness,
            MaxAgeSeconds = settings.MaxAgeSeconds,
            Flush = settings.Flush,
        };
        AttachmentStatus? known = (await tree.Client.Admin.ListAttachmentsAsync(cancellationToken)
            .ConfigureAwait(false)).FirstOrDefault(a => a.Path == path);
        if (known is { ListingComplete: true })
        {
            RequireSame(known, command);
            return;
        }

        // A listing that was cut short goes on where it was.
        await tree.Client.Admin.AttachAsync(command, cancellationToken: cancellationToken).ConfigureAwait(false);
    }

    private static void RequireSame(AttachmentStatus known, AttachCommand wanted)
    {
        string? difference =
            known.Source.TrimEnd('/') != wanted.Source.TrimEnd('/') ? $"to {known.Source}"
            : known.Store != wanted.Store ? $"through the store {known.Store}"
            : known.Mode != wanted.Mode || known.Freshness != wanted.Freshness || known.Flush != wanted.Flush
                ? $"with mode {known.Mode}, freshness {known.Freshness} and flush {known.Flush}"
            : null;
        if (difference is not null)
        {
            throw new RpcException(RpcCode.AlreadyExists,
                $"The volume is attached {difference}. To change it, run 'datalayer detach {known.Path}' first.");
        }
    }
}
