using DataLayer.Core.Errors;

namespace DataLayer.Metadata;

/// <summary>
/// The folders a caller is confined to. The text of a path is checked by who took it from the caller; this holds where
/// symbolic links are followed: a link may lead only to what lies in the scope, and no name outside is looked up on
/// its behalf, so that not even its existence shows. Immutable.
/// </summary>
public sealed class TreeScope
{
    private readonly string[][] _folders;

    /// <summary>A scope of folders, each an absolute path without dots.</summary>
    public TreeScope(IReadOnlyList<string> folders)
    {
        ArgumentNullException.ThrowIfNull(folders);
        _folders = new string[folders.Count][];
        for (int i = 0; i < _folders.Length; i++)
        {
            _folders[i] = folders[i].Split('/', StringSplitOptions.RemoveEmptyEntries);
        }
    }

    /// <summary>Whether a path, as it is written, lies in the scope.</summary>
    public bool Contains(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string[] names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return HoldsWhole(names) && Array.IndexOf(names, "..") < 0;
    }

    /// <summary>Checks a step of a walk: <paramref name="names"/> lead to, or lie in, a folder of the scope.</summary>
    /// <exception cref="DataLayerException">PermissionDenied.</exception>
    internal void CheckStep(List<string> names, string path)
    {
        foreach (string[] folder in _folders)
        {
            int count = Math.Min(names.Count, folder.Length);
            bool same = true;
            for (int i = 0; i < count && same; i++)
            {
                same = names[i] == folder[i];
            }

            if (same)
            {
                return;
            }
        }

        throw LeadsOut(path);
    }

    /// <summary>Checks the end of a walk.</summary>
    /// <exception cref="DataLayerException">PermissionDenied.</exception>
    internal void CheckEnd(List<string> names, string path)
    {
        if (!HoldsWhole(names))
        {
            throw LeadsOut(path);
        }
    }

    private bool HoldsWhole(IReadOnlyList<string> names)
    {
        foreach (string[] folder in _folders)
        {
            bool same = names.Count >= folder.Length;
            for (int i = 0; i < folder.Length && same; i++)
            {
                same = names[i] == folder[i];
            }

            if (same)
            {
                return true;
            }
        }

        return false;
    }

    private static DataLayerException LeadsOut(string path) =>
        new(ErrorCode.PermissionDenied, $"'{path}' leads through a symbolic link out of what the caller may reach.");
}
