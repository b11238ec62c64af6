using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.TestSupport.Objects;

namespace DataLayer.ConformanceTests.Objects;

/// <summary>
/// What every <see cref="IObjectStore"/> does, decorated or not. A derived class says how to make one over an empty bucket.
/// Each test uses a prefix of its own.
/// </summary>
public abstract class ObjectStoreConformance : IAsyncLifetime
{
    private static int _prefixes;

    /// <summary>The store under test.</summary>
    protected IObjectStore Store { get; private set; } = null!;

    /// <summary>A key prefix no other test uses, ending in '/'.</summary>
    protected string Prefix { get; } = $"t{Interlocked.Increment(ref _prefixes)}/";

    /// <summary>The size above which a write is done in parts, or a few bytes more than nothing where there is no such thing.</summary>
    protected virtual int LargeBytes => 3_000_000;

    public async Task InitializeAsync() => Store = await OpenAsync();

    public virtual async Task DisposeAsync() => await Store.DisposeAsync();

    /// <summary>Makes the store under test.</summary>
    protected abstract Task<IObjectStore> OpenAsync();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16_384)]
    [InlineData(1_048_577)]
    public async Task Returns_the_bytes_that_were_written(int length)
    {
        byte[] bytes = BytesContent.Random(length, length);
        ObjectProperties written = await Store.PutAsync(Prefix + "a", bytes);
        Assert.Equal(length, written.SizeBytes);
        Assert.Equal(Prefix + "a", written.Key);
        Assert.Equal(bytes, await Store.GetAsync(Prefix + "a", length + 10, written.ETag));
    }

    [Fact]
    public async Task Returns_a_large_object_written_in_parts()
    {
        byte[] bytes = BytesContent.Random(LargeBytes, 5);
        ObjectProperties written = await Store.PutAsync(Prefix + "large", bytes);
        Assert.Equal(LargeBytes, written.SizeBytes);
        Assert.Equal(bytes, await Store.GetAsync(Prefix + "large", LargeBytes, written.ETag));
    }

    [Fact]
    public async Task Head_and_write_and_list_and_read_agree()
    {
        ObjectProperties written = await Store.PutAsync(Prefix + "a", BytesContent.Random(100));
        ObjectProperties? head = await Store.HeadAsync(Prefix + "a", default);
        ObjectListPage page = await Store.ListAsync(new ObjectListRequest(Prefix), default);
        ObjectReadResult read = await Store.ReadAsync(Prefix + "a", 0, new byte[10], null, default);
        Assert.Equal((written.ETag, written.SizeBytes), (head!.Value.ETag, head.Value.SizeBytes));
        ObjectProperties listed = Assert.Single(page.Objects);
        Assert.Equal((Prefix + "a", written.ETag, 100L), (listed.Key, listed.ETag, listed.SizeBytes));
        Assert.Equal((written.ETag, 100L, 10), (read.ETag, read.ObjectSizeBytes, read.BytesRead));
        Assert.DoesNotContain('"', written.ETag);
        Assert.InRange(head.Value.LastModified, DateTimeOffset.UnixEpoch.AddYears(40), DateTimeOffset.MaxValue);
    }

    [Fact]
    public async Task Head_of_nothing_is_null() => Assert.Null(await Store.HeadAsync(Prefix + "none", default));

    [Fact]
    public async Task Reading_nothing_fails_with_NotFound()
    {
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => Store.GetAsync(Prefix + "none"));
        Assert.Equal(ErrorCode.NotFound, e.Code);
        Assert.Contains(Prefix + "none", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(0, 70_000)]
    [InlineData(65_536, 65_536)]
    [InlineData(65_535, 2)]
    [InlineData(199_999, 1)]
    [InlineData(199_000, 5_000)]
    [InlineData(70_001, 100_003)]
    public async Task Reads_any_range(int offset, int length)
    {
        byte[] bytes = BytesContent.Random(200_000);
        await Store.PutAsync(Prefix + "a", bytes);
        byte[] expected = bytes.AsSpan(offset, Math.Min(length, bytes.Length - offset)).ToArray();
        Assert.Equal(expected, await Store.GetRangeAsync(Prefix + "a", offset, length));
    }

    [Theory]
    [InlineData(10, 10)]
    [InlineData(10, 11)]
    [InlineData(10, 1_000_000)]
    [InlineData(0, 0)]
    public async Task Reading_past_the_end_brings_nothing(int size, int offset)
    {
        ObjectProperties written = await Store.PutAsync(Prefix + "a", BytesContent.Random(size));
        byte[] untouched = [1, 2, 3];
        ObjectReadResult read = await Store.ReadAsync(Prefix + "a", offset, untouched, null, default);
        Assert.Equal(new ObjectReadResult(0, size, written.ETag), read with { Times = default });
        Assert.Equal([1, 2, 3], untouched);
    }

    [Fact]
    public async Task Reading_nothing_of_an_object_tells_its_size()
    {
        ObjectProperties written = await Store.PutAsync(Prefix + "a", BytesContent.Random(10));
        ObjectReadResult read = await Store.ReadAsync(Prefix + "a", 3, default, null, default);
        Assert.Equal(new ObjectReadResult(0, 10, written.ETag), read with { Times = default });
    }

    [Fact]
    public async Task A_read_never_writes_behind_what_it_brought()
    {
        await Store.PutAsync(Prefix + "a", BytesContent.Random(10));
        byte[] buffer = new byte[100];
        Array.Fill(buffer, (byte)0xAA);
        await Store.ReadAsync(Prefix + "a", 4, buffer, null, default);
        Assert.All(buffer[6..], one => Assert.Equal(0xAA, one));
    }

    [Fact]
    public async Task A_changed_object_has_another_ETag()
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        for (int i = 0; i < 20; i++)
        {
            Assert.True(seen.Add((await Store.PutAsync(Prefix + "a", BytesContent.Random(64, i))).ETag));
        }
    }

    [Fact]
    public async Task Reading_with_the_ETag_of_before_fails_with_Stale()
    {
        ObjectProperties first = await Store.PutAsync(Prefix + "a", "one"u8.ToArray());
        await Store.PutAsync(Prefix + "a", "two"u8.ToArray());
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => Store.GetAsync(Prefix + "a", ifMatch: first.ETag));
        Assert.Equal(ErrorCode.Stale, e.Code);
    }

    [Fact]
    public async Task If_absent_writes_once()
    {
        await Store.PutAsync(Prefix + "a", "one"u8.ToArray(), new ObjectWriteCondition(IfAbsent: true));
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => Store.PutAsync(Prefix + "a", "two"u8.ToArray(), new ObjectWriteCondition(IfAbsent: true)).AsTask());
        Assert.Equal(ErrorCode.Stale, e.Code);
        Assert.Equal("one"u8.ToArray(), await Store.GetAsync(Prefix + "a"));
    }

    [Fact]
    public async Task If_absent_holds_for_large_objects_too()
    {
        byte[] large = BytesContent.Random(LargeBytes);
        await Store.PutAsync(Prefix + "a", "one"u8.ToArray());
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => Store.PutAsync(Prefix + "a", large, new ObjectWriteCondition(IfAbsent: true)).AsTask());
        Assert.Equal(ErrorCode.Stale, e.Code);
        await Store.PutAsync(Prefix + "b", large, new ObjectWriteCondition(IfAbsent: true));
        Assert.Equal("one"u8.ToArray(), await Store.GetAsync(Prefix + "a"));
    }

    [Fact]
    public async Task If_match_replaces_only_the_version_it_names()
    {
        ObjectProperties first = await Store.PutAsync(Prefix + "a", "one"u8.ToArray());
        ObjectProperties second = await Store.PutAsync(Prefix + "a", "two"u8.ToArray(), new ObjectWriteCondition(first.ETag));
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => Store.PutAsync(Prefix + "a", "three"u8.ToArray(), new ObjectWriteCondition(first.ETag)).AsTask());
        Assert.Equal(ErrorCode.Stale, e.Code);
        Assert.Equal("two"u8.ToArray(), await Store.GetAsync(Prefix + "a", ifMatch: second.ETag));
    }

    [Fact]
    public async Task If_match_on_a_missing_object_fails_with_Stale()
    {
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => Store.PutAsync(Prefix + "a", "one"u8.ToArray(), new ObjectWriteCondition("0123")).AsTask());
        Assert.Equal(ErrorCode.Stale, e.Code);
        Assert.Null(await Store.HeadAsync(Prefix + "a", default));
    }

    [Fact]
    public async Task Delete_removes_and_deleting_nothing_succeeds()
    {
        await Store.PutAsync(Prefix + "x/y/a", "one"u8.ToArray());
        Assert.True(await Store.DeleteAsync(Prefix + "x/y/a", default, default));
        Assert.Null(await Store.HeadAsync(Prefix + "x/y/a", default));
        Assert.True(await Store.DeleteAsync(Prefix + "x/y/a", default, default));
        Assert.Empty(await Store.ListKeysAsync(Prefix));
    }

    [Fact]
    public async Task Delete_with_the_ETag_of_before_leaves_the_object()
    {
        ObjectProperties first = await Store.PutAsync(Prefix + "a", "one"u8.ToArray());
        ObjectProperties second = await Store.PutAsync(Prefix + "a", "two"u8.ToArray());
        Assert.False(await Store.DeleteAsync(Prefix + "a", new ObjectWriteCondition(first.ETag), default));
        Assert.Equal("two"u8.ToArray(), await Store.GetAsync(Prefix + "a"));
        Assert.True(await Store.DeleteAsync(Prefix + "a", new ObjectWriteCondition(second.ETag), default));
        Assert.Null(await Store.HeadAsync(Prefix + "a", default));
    }

    [Theory]
    [InlineData("sp ace")]
    [InlineData("a+b&c=d?e#f%41%2F;:@$,!'()*~")]
    [InlineData("ümläut/日本語/😀")]
    [InlineData("back\\slash\"quote<tag>&amp;")]
    [InlineData("control\u0001\t\u007f")]
    [InlineData("...")]
    [InlineData("a/..b/c..")]
    public async Task Holds_keys_with_odd_characters(string name)
    {
        byte[] bytes = BytesContent.Random(100, name.Length);
        await Store.PutAsync(Prefix + name, bytes);
        Assert.Equal(bytes, await Store.GetAsync(Prefix + name));
        Assert.NotNull(await Store.HeadAsync(Prefix + name, default));
        Assert.Equal([Prefix + name], await Store.ListKeysAsync(Prefix));
        Assert.Equal([Prefix + name], await Store.ListKeysAsync(Prefix + name));
        Assert.True(await Store.DeleteAsync(Prefix + name, default, default));
        Assert.Empty(await Store.ListKeysAsync(Prefix));
    }

    [Fact]
    public async Task Refuses_keys_that_no_store_can_hold()
    {
        foreach (string key in new[] { "", new string('k', 1025), "bad\ud800surrogate" })
        {
            DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => Store.PutAsync(key, "x"u8.ToArray()).AsTask());
            Assert.Equal(ErrorCode.InvalidArgument, e.Code);
        }
    }

    [Fact]
    public async Task Lists_in_the_order_of_UTF8_bytes()
    {
        string[] names = ["a", "a!", "a.txt", "a0", "b/c", "b/c.d", "b/d/e", "b0", "z", "é", "\uffee", "😀"];
        string[] written = [.. names.Reverse().Where(name => name != "a")];
        foreach (string name in written)
        {
            await Store.PutAsync(Prefix + name, "x"u8.ToArray());
        }

        Assert.Equal(names.Where(name => name != "a").Select(name => Prefix + name), await Store.ListKeysAsync(Prefix));
    }

    [Fact]
    public async Task A_folder_sorts_as_its_keys_do()
    {
        string[] names = ["d!x", "d-x", "d.x", "d/x", "d0x"];
        foreach (string name in names)
        {
            await Store.PutAsync(Prefix + name, "x"u8.ToArray());
        }

        Assert.Equal(names.Select(name => Prefix + name), await Store.ListKeysAsync(Prefix, pageSize: 1));
    }

    [Fact]
    public async Task Pages_join_to_the_whole_listing()
    {
        List<string> keys = [.. Enumerable.Range(0, 57).Select(i => $"{Prefix}{i % 5}/{i % 3}/{i:D3}").Order(StringComparer.Ordinal)];
        await Parallel.ForEachAsync(keys, async (key, _) => await Store.PutAsync(key, "x"u8.ToArray()));
        foreach (int pageSize in new[] { 1, 7, 57, 58 })
        {
            Assert.Equal(keys, await Store.ListKeysAsync(Prefix, pageSize));
        }

        Assert.Equal(keys.Where(key => key.StartsWith(Prefix + "1/2/0", StringComparison.Ordinal)),
            await Store.ListKeysAsync(Prefix + "1/2/0", 2));
    }

    [Fact]
    public async Task The_last_page_has_no_token()
    {
        await Store.PutAsync(Prefix + "a", "x"u8.ToArray());
        await Store.PutAsync(Prefix + "b", "x"u8.ToArray());
        Assert.Null((await Store.ListAsync(new ObjectListRequest(Prefix, MaxKeys: 2), default)).ContinuationToken);
        Assert.NotNull((await Store.ListAsync(new ObjectListRequest(Prefix, MaxKeys: 1), default)).ContinuationToken);
        ObjectListPage none = await Store.ListAsync(new ObjectListRequest(Prefix + "zzz"), default);
        Assert.Empty(none.Objects);
        Assert.Empty(none.CommonPrefixes);
        Assert.Null(none.ContinuationToken);
    }

    [Fact]
    public async Task Start_after_skips_up_to_a_key_that_need_not_exist()
    {
        foreach (string name in new[] { "a", "b/1", "b/2", "c" })
        {
            await Store.PutAsync(Prefix + name, "x"u8.ToArray());
        }

        async Task<string[]> After(string key) =>
        [
            .. (await Store.ListAsync(new ObjectListRequest(Prefix, Prefix + key), default)).Objects.Select(found => found.Key[Prefix.Length..]),
        ];
        Assert.Equal(["b/1", "b/2", "c"], await After("a"));
        Assert.Equal(["b/2", "c"], await After("b/1"));
        Assert.Equal(["b/2", "c"], await After("b/1x"));
        Assert.Equal(["c"], await After("bb"));
        Assert.Empty(await After("c"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1000)]
    public async Task A_delimiter_folds_keys_into_prefixes(int pageSize)
    {
        foreach (string name in new[] { "a", "b/1", "b/2/x", "b/2/y", "c", "d/e/f" })
        {
            await Store.PutAsync(Prefix + name, "x"u8.ToArray());
        }

        List<string> objects = [];
        List<string> prefixes = [];
        string? token = null;
        do
        {
            ObjectListPage page = await Store.ListAsync(
                new ObjectListRequest(Prefix, Delimiter: "/", ContinuationToken: token, MaxKeys: pageSize), default);
            Assert.InRange(page.Objects.Count + page.CommonPrefixes.Count, 0, pageSize);
            objects.AddRange(page.Objects.Select(found => found.Key[Prefix.Length..]));
            prefixes.AddRange(page.CommonPrefixes.Select(prefix => prefix[Prefix.Length..]));
            token = page.ContinuationToken;
        }
        while (token is not null);

        Assert.Equal(["a", "c"], objects);
        Assert.Equal(["b/", "d/"], prefixes);
        ObjectListPage below = await Store.ListAsync(new ObjectListRequest(Prefix + "b/", Delimiter: "/"), default);
        Assert.Equal([Prefix + "b/1"], below.Objects.Select(found => found.Key));
        Assert.Equal([Prefix + "b/2/"], below.CommonPrefixes);
    }

    [Fact]
    public async Task Concurrent_writers_leave_one_whole_content()
    {
        byte[][] contents = [.. Enumerable.Range(0, 8).Select(i => BytesContent.Random(200_000, i))];
        await Parallel.ForEachAsync(contents, async (bytes, _) => await Store.PutAsync(Prefix + "a", bytes));
        byte[] last = await Store.GetAsync(Prefix + "a");
        Assert.Contains(contents, bytes => bytes.AsSpan().SequenceEqual(last));
    }

    [Fact]
    public async Task Concurrent_creators_have_one_winner()
    {
        int winners = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, 8), async (i, _) =>
        {
            try
            {
                await Store.PutAsync(Prefix + "d/a", BytesContent.Random(100, i), new ObjectWriteCondition(IfAbsent: true));
                Interlocked.Increment(ref winners);
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.Stale)
            {
                // Somebody else won.
            }
        });
        Assert.Equal(1, winners);
    }

    [Fact]
    public async Task Cancellation_ends_a_call()
    {
        using CancellationTokenSource source = new();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.HeadAsync(Prefix + "a", source.Token).AsTask());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Store.ReadAsync(Prefix + "a", 0, new byte[10], null, source.Token).AsTask());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Store.WriteAsync(Prefix + "a", new BytesContent(new byte[10]), default, source.Token).AsTask());
        Assert.Null(await Store.HeadAsync(Prefix + "a", default));
    }

    [Fact]
    public async Task Content_that_changes_during_an_upload_is_not_written()
    {
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => Store.WriteAsync(Prefix + "a", new FailingContent(1000), default, default).AsTask());
        Assert.Equal(ErrorCode.Stale, e.Code);
        Assert.Null(await Store.HeadAsync(Prefix + "a", default));
        await Assert.ThrowsAsync<DataLayerException>(
            () => Store.WriteAsync(Prefix + "a", new FailingContent(LargeBytes), default, default).AsTask());
        Assert.Null(await Store.HeadAsync(Prefix + "a", default));
    }

    private sealed class FailingContent(long length) : IObjectContent
    {
        public long LengthBytes => length;

        public ValueTask ReadExactlyAsync(long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken) =>
            throw new DataLayerException(ErrorCode.Stale, "made up: the content changed");
    }
}
