using DataLayer.Core.Objects;

namespace DataLayer.TestSupport.Objects;

/// <summary>Short forms of store calls for tests.</summary>
public static class ObjectStoreCalls
{
    /// <summary>Writes bytes.</summary>
    public static ValueTask<ObjectProperties> PutAsync(
        this IObjectStore store, string key, ReadOnlyMemory<byte> bytes, ObjectWriteCondition condition = default) =>
        store.WriteAsync(key, new BytesContent(bytes), condition, CancellationToken.None);

    /// <summary>Reads a whole object of at most <paramref name="limitBytes"/>.</summary>
    public static async Task<byte[]> GetAsync(this IObjectStore store, string key, int limitBytes = 1 << 20, string? ifMatch = null)
    {
        byte[] buffer = new byte[limitBytes];
        ObjectReadResult result = await store.ReadAsync(key, 0, buffer, ifMatch, CancellationToken.None);
        return buffer[..result.BytesRead];
    }

    /// <summary>Reads a range; fewer bytes at the end of the object.</summary>
    public static async Task<byte[]> GetRangeAsync(this IObjectStore store, string key, long offsetBytes, int lengthBytes)
    {
        byte[] buffer = new byte[lengthBytes];
        ObjectReadResult result = await store.ReadAsync(key, offsetBytes, buffer, null, CancellationToken.None);
        return buffer[..result.BytesRead];
    }

    /// <summary>All keys of a listing, page after page.</summary>
    public static async Task<List<string>> ListKeysAsync(this IObjectStore store, string prefix = "", int pageSize = 1000)
    {
        List<string> keys = [];
        string? token = null;
        do
        {
            ObjectListPage page = await store.ListAsync(
                new ObjectListRequest(prefix, ContinuationToken: token, MaxKeys: pageSize), CancellationToken.None);
            keys.AddRange(page.Objects.Select(found => found.Key));
            token = page.ContinuationToken;
        }
        while (token is not null);

        return keys;
    }
}
