using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;
using DataLayer.Metadata.Quotas;

namespace DataLayer.Engine.Tenants;

/// <summary>The tenants: whose a file is, and what tenants may hold.</summary>
/// <remarks>
/// A tenant's folder is an account of its own in the table of quotas, and every inode names the nearest account above
/// it. So whose a file is costs a look at its attributes, follows renames of folders, and needs no path. A tenant
/// without limits has an account that is never full. Who is a tenant is one immutable picture, replaced as a whole;
/// one that goes on keeps its turns and counts, and so does one that comes back.
/// </remarks>
internal sealed class TenantTable : IDisposable
{
    /// <summary>Names the tenant on its folder, so that a later start knows what it made.</summary>
    public const string Attribute = "trusted.datalayer.tenant";

    /// <summary>The limit of inodes that stands for none.</summary>
    public const long Unlimited = 1L << 60;

    private const int FolderMode = 0x1FD; // 0775
    private readonly EngineContext _context;
    private readonly SemaphoreSlim _changing = new(1, 1);

    /// <summary>All that ever were since the start; an index is given once.</summary>
    private readonly List<Tenant> _known = [new(new TenantOptions { Name = string.Empty, Folder = "/" }, 0)];

    private volatile Tenant[] _all;

    public TenantTable(EngineContext context, IReadOnlyList<TenantOptions> options)
    {
        _context = context;
        _all = ListOf(options);
    }

    /// <summary>Whether there are none: then all is as if this class did not exist.</summary>
    public bool IsEmpty => _all.Length == 1;

    /// <summary>All, first the one that stands for files of no tenant.</summary>
    public IReadOnlyList<Tenant> All => _all;

    /// <summary>Whose a file is: the nearest tenant above it, or the one that stands for none.</summary>
    public Tenant Of(InodeAttributes file)
    {
        Tenant[] all = _all;
        if (all.Length == 1 || file.QuotaFolder == 0)
        {
            return all[0];
        }

        long account = file.QuotaFolder;
        do
        {
            foreach (Tenant tenant in all)
            {
                if (tenant.FolderInode == account)
                {
                    return tenant;
                }
            }

            account = _context.Tree.Quotas.ParentOf(account);
        }
        while (account != 0);
        return all[0];
    }

    /// <summary>A tenant's transfers at all gates, in flight and waiting, counts.</summary>
    public (int Active, int Waiting) TurnsOf(Tenant tenant)
    {
        (int active, int waiting) = _context.OriginGate.Of(tenant);
        (int hotActive, int hotWaiting) = _context.HotGate.Of(tenant);
        return (active + hotActive, waiting + hotWaiting);
    }

    /// <summary>Each tenant, what it holds and what it got.</summary>
    public IReadOnlyList<TenantStatus> Report()
    {
        List<TenantStatus> all = [];
        foreach (Tenant tenant in _all.AsSpan(1))
        {
            QuotaSpace space = _context.Tree.Quotas.OwnSpaceOf(tenant.FolderInode) ?? default;
            (int active, int waiting) = TurnsOf(tenant);
            all.Add(new TenantStatus(
                tenant.Options, space.LimitInodes == Unlimited ? space with { LimitInodes = 0 } : space,
                active, waiting, tenant.Requests, tenant.Bytes, tenant.Waited));
        }

        return all;
    }

    /// <summary>
    /// Makes tenants, their folders and accounts what the options say, and takes the accounts of tenants that are gone.
    /// Repeating it changes nothing; one that failed half-way is finished by the next.
    /// </summary>
    /// <exception cref="DataLayerException">NotADirectory, InvalidArgument: a folder that cannot be a tenant's; nothing
    /// is changed then but folders that were missing.</exception>
    public async ValueTask ChangeAsync(
        FileEngine engine, IReadOnlyList<TenantOptions> options, CancellationToken cancellationToken)
    {
        await _changing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            long[] folders = new long[options.Count];
            for (int i = 0; i < folders.Length; i++)
            {
                InodeAttributes folder = await FindFolderAsync(engine, options[i], cancellationToken)
                    .ConfigureAwait(false);
                folders[i] = folder.Inode.Value;
            }

            await RemoveFormerAsync(engine, options, cancellationToken).ConfigureAwait(false);
            foreach (TenantOptions one in options)
            {
                await MarkAsync(engine, one, cancellationToken).ConfigureAwait(false);
            }

            Tenant[] all = ListOf(options);
            for (int i = 0; i < folders.Length; i++)
            {
                all[i + 1].Options = options[i];
                all[i + 1].FolderInode = folders[i];
            }

            _all = all;
        }
        finally
        {
            _changing.Release();
        }
    }

    public void Dispose() => _changing.Dispose();

    /// <summary>The tenant for none and those of the options, as they are known.</summary>
    private Tenant[] ListOf(IReadOnlyList<TenantOptions> options)
    {
        Tenant[] all = new Tenant[options.Count + 1];
        all[0] = _known[0];
        for (int i = 0; i < options.Count; i++)
        {
            TenantOptions one = options[i];
            Tenant? tenant = _known.Find(known => known.Name == one.Name);
            if (tenant is null)
            {
                _known.Add(tenant = new Tenant(one, _known.Count));
            }

            all[i + 1] = tenant;
        }

        return all;
    }

    private static async ValueTask MarkAsync(
        FileEngine engine, TenantOptions tenant, CancellationToken cancellationToken)
    {
        await SetAsync(engine, tenant.Folder, Attribute, tenant.Name, cancellationToken).ConfigureAwait(false);
        long inodes = tenant is { LimitBytes: 0, LimitInodes: 0 } ? Unlimited : tenant.LimitInodes;

        // First what is set, then what is cleared: an account without limits for a moment is one that is gone, and all
        // that is below would be counted anew twice.
        (string Name, long Value)[] limits =
            [(TreeStore.QuotaInodesAttribute, inodes), (TreeStore.QuotaBytesAttribute, tenant.LimitBytes)];
        if (inodes == 0)
        {
            Array.Reverse(limits);
        }

        foreach ((string name, long value) in limits)
        {
            await SetNumberAsync(engine, tenant.Folder, name, value, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async ValueTask<InodeAttributes> FindFolderAsync(
        FileEngine engine, TenantOptions tenant, CancellationToken cancellationToken)
    {
        InodeAttributes folder;
        try
        {
            folder = await engine.StatAsync(tenant.Folder, followLast: false, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
        {
            return await engine.MakeDirectoryAsync(tenant.Folder, FolderMode, parents: true, cancellationToken)
                .ConfigureAwait(false);
        }

        return folder.Kind == FileKind.Directory
            ? folder
            : throw new DataLayerException(
                ErrorCode.NotADirectory,
                $"Tenant '{tenant.Name}' has the folder '{tenant.Folder}', which is a {folder.Kind}: give it another.");
    }

    private async ValueTask RemoveFormerAsync(
        FileEngine engine, IReadOnlyList<TenantOptions> options, CancellationToken cancellationToken)
    {
        foreach (long account in _context.Tree.Quotas.Folders())
        {
            InodeId inode = new(account);
            byte[]? name = await _context.Tree.GetXattrAsync(inode, Attribute, cancellationToken).ConfigureAwait(false);
            string? path = name is null
                ? null : await _context.Tree.GetPathAsync(inode, cancellationToken).ConfigureAwait(false);
            if (path is null || IsTenant(path, options))
            {
                continue;
            }

            await ClearAsync(engine, path, TreeStore.QuotaBytesAttribute, cancellationToken).ConfigureAwait(false);
            await ClearAsync(engine, path, TreeStore.QuotaInodesAttribute, cancellationToken).ConfigureAwait(false);
            await ClearAsync(engine, path, Attribute, cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool IsTenant(string path, IReadOnlyList<TenantOptions> options)
    {
        foreach (TenantOptions one in options)
        {
            if (one.Folder == path)
            {
                return true;
            }
        }

        return false;
    }

    private static async ValueTask SetAsync(
        FileEngine engine, string path, string name, string value, CancellationToken cancellationToken)
    {
        byte[] wanted = Encoding.UTF8.GetBytes(value);
        byte[]? known = await engine.GetXattrAsync(path, name, cancellationToken).ConfigureAwait(false);
        if (known is null || !known.AsSpan().SequenceEqual(wanted))
        {
            await engine.SetXattrAsync(path, name, wanted, XattrCondition.None, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    private static ValueTask SetNumberAsync(
        FileEngine engine, string path, string name, long value, CancellationToken cancellationToken) =>
        value == 0
            ? ClearAsync(engine, path, name, cancellationToken)
            : SetAsync(engine, path, name, value.ToString(CultureInfo.InvariantCulture), cancellationToken);

    private static async ValueTask ClearAsync(
        FileEngine engine, string path, string name, CancellationToken cancellationToken)
    {
        if (await engine.GetXattrAsync(path, name, cancellationToken).ConfigureAwait(false) is not null)
        {
            await engine.RemoveXattrAsync(path, name, cancellationToken).ConfigureAwait(false);
        }
    }
}
