using DataLayer.Core.Tree;

namespace DataLayer.Fuse.Vfs;

/// <summary>
/// Where one open folder handle is in its listing: the page of names read last. Only a shortcut; a cookie alone is
/// enough to go on.
/// </summary>
/// <remarks>
/// A name's cookie is a hash of it (62 bits), so it means the same to the next service and after changes of the folder.
/// A cookie that is not in the page is looked for from the folder's start; a name that is gone by then means that the
/// listing starts over: a name may then come twice, none is left out.
/// </remarks>
internal sealed class DirectoryCursor : IDisposable
{
    /// <summary>The cookie after ".".</summary>
    internal const ulong SelfCookie = 1;

    /// <summary>The cookie after "..".</summary>
    internal const ulong ParentCookie = 2;

    /// <summary>One listing request at a time; held over its awaits.</summary>
    internal SemaphoreSlim Gate { get; } = new(1, 1);

    /// <summary>The page, in name order.</summary>
    internal IReadOnlyList<DirectoryEntry> Page { get; set; } = [];

    /// <summary>The name the page begins after; null for the folder's start.</summary>
    internal string? PageAfter { get; set; }

    /// <summary>Whether the page reaches to the folder's end.</summary>
    internal bool PageIsLast { get; set; }

    /// <summary>The count of changes the page was read at; see <see cref="FileSystem.ChangeCount"/>.</summary>
    internal long ReadAt { get; set; } = -1;

    /// <summary>Where in the page the next request most likely goes on.</summary>
    internal int Hint { get; set; }

    /// <summary>The cookie that stands for "after this name".</summary>
    internal static ulong CookieOf(string name)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (char c in name)
        {
            hash = (hash ^ c) * 0x100000001B3;
        }

        hash ^= hash >> 29;
        hash *= 0xBF58476D1CE4E5B9;
        hash ^= hash >> 32;
        return (hash & 0x3FFF_FFFF_FFFF_FFFF) | 0x2000_0000_0000_0000; // Positive, and never 0, 1 or 2.
    }

    /// <summary>The index in the page of the name with this cookie, or -1.</summary>
    internal int IndexOf(ulong cookie)
    {
        int hint = Hint;
        if (hint > 0 && hint <= Page.Count && CookieOf(Page[hint - 1].Name) == cookie)
        {
            return hint - 1;
        }

        for (int i = 0; i < Page.Count; i++)
        {
            if (CookieOf(Page[i].Name) == cookie)
            {
                return i;
            }
        }

        return -1;
    }

    /// <inheritdoc/>
    public void Dispose() => Gate.Dispose();
}
