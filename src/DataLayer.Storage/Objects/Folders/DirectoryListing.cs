using System.Buffers.Text;
using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects.Folders;

/// <summary>
/// Pages of a listing as S3 gives them: keys in byte order, folded at a delimiter, continued by a token or after a key.
/// </summary>
/// <remarks>
/// A token holds the last entry of its page, so any page can be asked again, in another process too. The cursor of a
/// page is kept for the next one (a few of them), so that a folder of 10⁵ files is read and sorted once, not once a
/// page; it is used only while its folders are unchanged, so that a page shows every write acknowledged before it was
/// asked for. The lock is a leaf.
/// </remarks>
internal sealed class DirectoryListing(string root, Func<string, ObjectProperties?> describe)
{
    private const int KeptCursorLimit = 8;
    private readonly Lock _lock = new();
    private long _pages;
    private readonly List<(string Token, DirectoryCursor Cursor)> _kept = [];

    /// <summary>Makes one page. Blocks on the file system.</summary>
    internal ObjectListPage List(ObjectListRequest request, CancellationToken cancellationToken)
    {
        Check(request);
        (string? after, bool afterPrefix) = request.ContinuationToken is { } token ? Decode(token)
            : (request.StartAfter, false);
        DirectoryCursor cursor = Open(request, after, afterPrefix);
        List<ObjectProperties> objects = [];
        List<string> prefixes = [];
        while (cursor.Next() is { } key && key.StartsWith(request.Prefix, StringComparison.Ordinal))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (key == after || describe(key) is not { } found)
            {
                continue;
            }

            if (objects.Count + prefixes.Count == request.MaxKeys)
            {
                cursor.PushBack(key);
                string next = Encode(after!, afterPrefix, Interlocked.Increment(ref _pages));
                Keep(next, cursor);
                return new ObjectListPage(objects, prefixes, next);
            }

            int fold = request.Delimiter is { } delimiter
                ? key.IndexOf(delimiter, request.Prefix.Length, StringComparison.Ordinal)
                : -1;
            afterPrefix = fold >= 0;
            if (afterPrefix)
            {
                after = key[..(fold + request.Delimiter!.Length)];
                prefixes.Add(after);
                cursor.SkipPrefix(after);
            }
            else
            {
                after = key;
                objects.Add(found);
            }
        }

        return new ObjectListPage(objects, prefixes, ContinuationToken: null);
    }

    private static void Check(ObjectListRequest request)
    {
        if (request.MaxKeys is < 1 or > 1000)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"A page of {request.MaxKeys} keys was asked for; 1 to 1,000 are possible.");
        }

        if (request.Delimiter is { Length: 0 })
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, "The delimiter is empty; null stands for none.");
        }

        ObjectKey.CheckPrefix(request.Prefix);
    }

    private DirectoryCursor Open(ObjectListRequest request, string? after, bool afterPrefix)
    {
        if (request.ContinuationToken is { } token && Take(token) is { } kept && kept.IsCurrent())
        {
            return kept;
        }

        string from = after is not null && ObjectKey.Compare(after, request.Prefix) > 0 ? after : request.Prefix;
        DirectoryCursor cursor = new(root, from);
        if (afterPrefix)
        {
            cursor.SkipPrefix(after!);
        }

        return cursor;
    }

    private DirectoryCursor? Take(string token)
    {
        lock (_lock)
        {
            int index = _kept.FindIndex(kept => kept.Token == token);
            if (index < 0)
            {
                return null;
            }

            DirectoryCursor cursor = _kept[index].Cursor;
            _kept.RemoveAt(index);
            return cursor;
        }
    }

    private void Keep(string token, DirectoryCursor cursor)
    {
        lock (_lock)
        {
            if (_kept.Count == KeptCursorLimit)
            {
                _kept.RemoveAt(0);
            }

            _kept.Add((token, cursor));
        }
    }

    /// <summary>
    /// The page's number tells apart listings that pass the same entry; only the entry matters to others.
    /// </summary>
    private static string Encode(string after, bool isPrefix, long page) => Base64Url.EncodeToString(
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{(isPrefix ? 'p' : 'k')}{page}/{after}")));

    private static (string After, bool IsPrefix) Decode(string token)
    {
        try
        {
            string text = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(token));
            int slash = text.IndexOf('/', StringComparison.Ordinal);
            if (slash > 1 && slash < text.Length - 1 && text[0] is 'p' or 'k')
            {
                return (text[(slash + 1)..], text[0] == 'p');
            }
        }
        catch (FormatException)
        {
            // Falls through: not one of ours.
        }

        throw new DataLayerException(
            ErrorCode.InvalidArgument, $"'{token}' is not a continuation token of this store.");
    }
}
