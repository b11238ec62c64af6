using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;

namespace DataLayer.Csi.Controller;

/// <summary>
/// Copies a folder with all in it through the service's API: contents, names, modes, owners, times, symbolic links,
/// hard links within the folder, and user attributes. Each file is cloned inside the service, one call a file: large
/// hot ones share their bytes with the original until either is changed, small and cold ones are copied. Each file is
/// as it is at one moment (one version of its content); files written meanwhile may be newer than their neighbours.
/// </summary>
internal sealed class TreeCopy(DataLayerClient client)
{
    private const int FilesAtOnce = 8;
    private readonly Dictionary<long, string> _linked = [];
    private readonly Lock _lock = new();
    private long _bytes;

    /// <summary>Bytes of the files cloned so far.</summary>
    public long CopiedBytes => Interlocked.Read(ref _bytes);

    /// <summary>Copies what is in <paramref name="from"/> into the existing folder <paramref name="to"/>.</summary>
    public async Task CopyAsync(string from, string to, CancellationToken cancellationToken)
    {
        Stack<(string From, string To)> folders = new();
        List<(string Path, FileStatus Source)> made = [];
        folders.Push((from, to));
        while (folders.TryPop(out (string From, string To) folder))
        {
            await foreach (FileStatus[] entries in PagesAsync(folder.From, cancellationToken).ConfigureAwait(false))
            {
                foreach (FileStatus entry in entries.Where(e => e.Kind == FileKind.Directory))
                {
                    string path = TreePath.Combine(folder.To, entry.Name);
                    await client.MakeDirectoryAsync(path, cancellationToken: cancellationToken).ConfigureAwait(false);
                    made.Add((path, entry));
                    folders.Push((TreePath.Combine(folder.From, entry.Name), path));
                }

                await Parallel.ForEachAsync(
                    entries.Where(e => e.Kind != FileKind.Directory),
                    new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = cancellationToken },
                    (entry, token) => CopyEntryAsync(
                        TreePath.Combine(folder.From, entry.Name), TreePath.Combine(folder.To, entry.Name), entry,
                        token)).ConfigureAwait(false);
            }
        }

        FileStatus root = await client.StatAsync(from, cancellationToken: cancellationToken).ConfigureAwait(false);
        made.Insert(0, (to, root));

        // Folders last and from the deepest up: filling them changed their times, and a mode may forbid it.
        for (int i = made.Count - 1; i >= 0; i--)
        {
            string source = from + made[i].Path[to.Length..];
            await FinishAsync(source, made[i].Path, made[i].Source, cancellationToken).ConfigureAwait(false);
        }
    }

    private async IAsyncEnumerable<FileStatus[]> PagesAsync(
        string folder,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? after = null;
        do
        {
            DirectoryPage page = await client.ListPageAsync(folder, after, cancellationToken: cancellationToken)
                .ConfigureAwait(false);
            yield return [.. page.Entries];
            after = page.Next;
        }
        while (after is not null);
    }

    private async ValueTask CopyEntryAsync(
        string from, string to, FileStatus entry, CancellationToken cancellationToken)
    {
        switch (entry.Kind)
        {
            case FileKind.SymbolicLink:
                await client.MakeSymbolicLinkAsync(to, entry.LinkTarget ?? string.Empty, cancellationToken)
                    .ConfigureAwait(false);
                return;
            case FileKind.Regular when entry.LinkCount > 1:
                await CopyLinkedAsync(from, to, entry, cancellationToken).ConfigureAwait(false);
                return;
            case FileKind.Regular:
                await CopyFileAsync(from, to, entry, cancellationToken).ConfigureAwait(false);
                return;
            default:
                throw new DataLayerException(
                    ErrorCode.NotSupported, $"'{from}' is neither file, folder nor link and cannot be copied.");
        }
    }

    /// <summary>
    /// The first name of an inode is copied, under the lock of its number; later ones are linked to it.
    /// </summary>
    private async Task CopyLinkedAsync(string from, string to, FileStatus entry, CancellationToken cancellationToken)
    {
        string first;
        lock (_lock)
        {
            if (!_linked.TryGetValue(entry.Inode, out first!))
            {
                first = _linked[entry.Inode] = to;
            }
        }

        if (first == to)
        {
            await CopyFileAsync(from, to, entry, cancellationToken).ConfigureAwait(false);
            return;
        }

        // The copy of the first name may still be under way beside us. A file that is only copied twice is right too,
        // it just takes its space twice; so nobody waits.
        try
        {
            await client.LinkAsync(first, to, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            await CopyFileAsync(from, to, entry, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task CopyFileAsync(string from, string to, FileStatus entry, CancellationToken cancellationToken)
    {
        await client.CloneFileAsync(from, to, keepAttributes: true, cancellationToken: cancellationToken)
            .ConfigureAwait(false);
        Interlocked.Add(ref _bytes, entry.SizeBytes);
    }

    private async Task FinishAsync(string from, string to, FileStatus entry, CancellationToken cancellationToken)
    {
        foreach (string name in await client.Admin.ListXattrsAsync(from, cancellationToken).ConfigureAwait(false))
        {
            if (name.StartsWith("user.", StringComparison.Ordinal)
                && !name.StartsWith("user.datalayer.", StringComparison.Ordinal)
                && await client.Admin.GetXattrAsync(from, name, cancellationToken).ConfigureAwait(false) is { } value)
            {
                await client.Admin.SetXattrAsync(to, name, value, cancellationToken).ConfigureAwait(false);
            }
        }

        await client.SetAttributesAsync(
            new AttributesCommand
            {
                Path = to,
                Mode = entry.Mode & 0xFFF,
                UserId = entry.UserId,
                GroupId = entry.GroupId,
                AccessTimeNanoseconds = entry.AccessTimeNanoseconds,
                ModifyTimeNanoseconds = entry.ModifyTimeNanoseconds,
            },
            cancellationToken).ConfigureAwait(false);
    }
}
