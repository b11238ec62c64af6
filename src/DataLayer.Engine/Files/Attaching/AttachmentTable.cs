using System.Collections.Concurrent;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Files.Attaching;

/// <summary>
/// The attachments with their opened stores, in memory. The tree holds them durably; changes go there first.
/// </summary>
internal sealed class AttachmentTable(FileEngineParts parts, Func<IObjectStore, IObjectStore>? decorate)
{
    private readonly ConcurrentDictionary<long, Entry> _entries = new();

    public async ValueTask LoadAsync(CancellationToken cancellationToken)
    {
        foreach (Attachment attachment in await parts.Tree.ListAttachmentsAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            Put(attachment);
        }
    }

    /// <summary>Adds or replaces an attachment and tells the cache the length of a pass over it.</summary>
    public void Put(Attachment attachment)
    {
        _entries.AddOrUpdate(
            attachment.Id,
            static (_, made) => made.Table.NewEntry(made.Attachment),
            static (_, old, made) => new Entry(made.Attachment, old.Store, old.SharedName),
            (Attachment: attachment, Table: this));
        long blocks = attachment.ObjectCount + (attachment.ObjectBytes / BlockLayout.BlockBytes);
        parts.Cache.SetDataset((int)attachment.Id, Math.Max(1, blocks), runningJobs: 1);
    }

    /// <summary>Opens the buckets of a store anew: its keys have changed.</summary>
    public void Reopen(string storeName)
    {
        foreach ((long id, Entry entry) in _entries)
        {
            if (entry.Attachment.StoreName == storeName)
            {
                _entries.TryUpdate(id, NewEntry(entry.Attachment), entry);
            }
        }
    }

    public bool Remove(long attachmentId) => _entries.TryRemove(attachmentId, out _);

    public Attachment? Find(long attachmentId) => _entries.TryGetValue(attachmentId, out Entry? entry)
        ? entry.Attachment : null;

    /// <summary>All attachments that are open.</summary>
    public IEnumerable<Attachment> List()
    {
        foreach ((long _, Entry entry) in _entries)
        {
            yield return entry.Attachment;
        }
    }

    /// <summary>The attachment whose folder this is, or null.</summary>
    public Attachment? FindByFolder(InodeId folder)
    {
        foreach (Entry entry in _entries.Values)
        {
            if (entry.Attachment.Folder == folder)
            {
                return entry.Attachment;
            }
        }

        return null;
    }

    /// <summary>The store that holds an attachment's objects.</summary>
    /// <exception cref="DataLayerException">
    /// NotFound: there is no such attachment, or its store is not configured (the message says which).
    /// </exception>
    public IObjectStore StoreOf(long attachmentId)
    {
        if (!_entries.TryGetValue(attachmentId, out Entry? entry))
        {
            throw new DataLayerException(ErrorCode.NotFound, $"Attachment {attachmentId} does not exist any more.");
        }

        // A store that could not be opened at start (not configured then) is tried again at each use, so the error
        // names the cause.
        return entry.Store ?? OpenNow(entry.Attachment);
    }

    /// <summary>
    /// What other nodes know an attachment's bucket by: <c>https://endpoint/bucket</c>; null of a folder, which is
    /// another one on each machine, and of a store that is not configured.
    /// </summary>
    public string? StoreNameOf(long attachmentId) =>
        _entries.TryGetValue(attachmentId, out Entry? entry) ? entry.SharedName : null;

    /// <summary>Refuses a change below a read-only attachment.</summary>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.ReadOnly"/>.</exception>
    public void CheckWritable(long attachmentId, string path)
    {
        if (attachmentId != 0 && Find(attachmentId) is { Mode: AttachmentMode.ReadOnly } attachment)
        {
            throw new DataLayerException(
                ErrorCode.ReadOnly,
                $"'{path}' lies under '{attachment.Path}', which is attached read-only to {attachment.Source}. "
                + "Attach it with mode readWrite to change it.");
        }
    }

    private Entry NewEntry(Attachment attachment) => new(attachment, Open(attachment), SharedNameOf(attachment));

    private string? SharedNameOf(Attachment attachment)
    {
        ObjectSource source = ObjectSource.Parse(attachment.Source);
        if (source.Scheme != "s3"
            || parts.Stores.FindOptions(attachment.StoreName) is not { Kind: "s3" } options)
        {
            return null;
        }

        string server = Uri.TryCreate(options.Endpoint, UriKind.Absolute, out Uri? endpoint)
            ? endpoint.GetLeftPart(UriPartial.Authority).ToLowerInvariant()
            : "aws:" + options.Region;
        return $"{server}/{source.Bucket}";
    }

    private IObjectStore? Open(Attachment attachment)
    {
        try
        {
            return OpenNow(attachment);
        }
        catch (DataLayerException)
        {
            return null;
        }
    }

    private IObjectStore OpenNow(Attachment attachment)
    {
        IObjectStore store = parts.Stores.Open(
            attachment.StoreName, ObjectSource.Parse(attachment.Source), attachment.Path);
        return decorate is null ? store : decorate(store);
    }

    private sealed record Entry(Attachment Attachment, IObjectStore? Store, string? SharedName);
}
