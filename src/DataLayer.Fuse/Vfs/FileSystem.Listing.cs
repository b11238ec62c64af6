using System.Collections.Concurrent;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;

namespace DataLayer.Fuse.Vfs;

/// <content>Listings.</content>
internal sealed partial class FileSystem
{
    private const int LargePage = 1024;
    private readonly ConcurrentDictionary<ulong, DirectoryCursor> _cursors = new();
    private long _nextHandle = Environment.TickCount64 << 20; // Another range than the service before this one had.
    private long _changes;

    /// <summary>Counts changes that this mount made or heard of: attributes read before one may be stale.</summary>
    internal long ChangeCount => Interlocked.Read(ref _changes);

    /// <summary>Something changed.</summary>
    internal void NoteChange() => Interlocked.Increment(ref _changes);

    /// <summary>Opens a folder.</summary>
    internal ulong OpenDirectory()
    {
        ulong handle = (ulong)Interlocked.Increment(ref _nextHandle);
        _cursors[handle] = new DirectoryCursor();
        return handle;
    }

    /// <summary>Closes a folder.</summary>
    internal void ReleaseDirectory(ulong handle)
    {
        if (_cursors.TryRemove(handle, out DirectoryCursor? cursor))
        {
            cursor.Dispose();
        }
    }

    /// <summary>
    /// Names of a folder after a cookie (of <see cref="DirectoryCursor.ParentCookie"/> or a name), in
    /// <paramref name="take"/> until it takes no more.
    /// </summary>
    /// <param name="node">The folder.</param>
    /// <param name="handle">Its handle; one that is not known, of a former service, is made known.</param>
    /// <param name="cookie">Where to go on.</param>
    /// <param name="wanted">About how many names are wanted, a count.</param>
    /// <param name="take">Gets each name with its cookie; false to stop before it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    internal async ValueTask ListAsync(
        ulong node, ulong handle, ulong cookie, int wanted, Func<NodeEntry, string, ulong, bool> take,
        CancellationToken cancellationToken)
    {
        DirectoryCursor cursor = _cursors.GetOrAdd(handle, static _ => new DirectoryCursor());
        InodeId folder = InodeOf(node);
        await cursor.Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            int next = await SeekAsync(cursor, folder, cookie, wanted, cancellationToken).ConfigureAwait(false);
            while (true)
            {
                for (; next < cursor.Page.Count; next++)
                {
                    DirectoryEntry entry = cursor.Page[next];
                    NodeEntry told = await EntryAsync(entry.Attributes, cancellationToken).ConfigureAwait(false);
                    if (!take(told, entry.Name, DirectoryCursor.CookieOf(entry.Name)))
                    {
                        cursor.Hint = next;
                        return;
                    }
                }

                cursor.Hint = next;
                if (cursor.PageIsLast)
                {
                    return;
                }

                string? last = cursor.Page.Count > 0 ? cursor.Page[^1].Name : cursor.PageAfter;
                await LoadAsync(cursor, folder, last, wanted, cancellationToken).ConfigureAwait(false);
                next = 0;
            }
        }
        finally
        {
            cursor.Gate.Release();
        }
    }

    /// <summary>The index in the cursor's page to go on at; loads the page it needs.</summary>
    private async ValueTask<int> SeekAsync(
        DirectoryCursor cursor, InodeId folder, ulong cookie, int wanted, CancellationToken cancellationToken)
    {
        if (cookie <= DirectoryCursor.ParentCookie)
        {
            await LoadAsync(cursor, folder, null, wanted, cancellationToken).ConfigureAwait(false);
            return 0;
        }

        int index = cursor.IndexOf(cookie);
        if (index >= 0 && cursor.ReadAt == ChangeCount)
        {
            return index + 1;
        }

        if (index >= 0)
        {
            string name = cursor.Page[index].Name;
            await LoadAsync(cursor, folder, name, wanted, cancellationToken).ConfigureAwait(false);
            return 0;
        }

        // Another service's handle, or a seek: look for the name from the start.
        string? after = null;
        do
        {
            await LoadAsync(cursor, folder, after, LargePage, cancellationToken).ConfigureAwait(false);
            index = cursor.IndexOf(cookie);
            if (index >= 0)
            {
                return index + 1;
            }

            after = cursor.Page.Count > 0 ? cursor.Page[^1].Name : after;
        }
        while (!cursor.PageIsLast);
        await LoadAsync(cursor, folder, null, wanted, cancellationToken).ConfigureAwait(false);
        return 0;
    }

    private async ValueTask LoadAsync(
        DirectoryCursor cursor, InodeId folder, string? after, int wanted, CancellationToken cancellationToken)
    {
        // Nothing changed since the last page: more can be read ahead than will be taken now.
        int limit = cursor.ReadAt == ChangeCount || cursor.ReadAt < 0 ? Math.Max(wanted, LargePage) : wanted;
        long changes = ChangeCount;
        cursor.Page = await _nodes.ListAsync(folder, after, limit, cancellationToken).ConfigureAwait(false);
        cursor.PageAfter = after;
        cursor.PageIsLast = cursor.Page.Count < limit;
        cursor.ReadAt = changes;
        cursor.Hint = 0;
    }
}
