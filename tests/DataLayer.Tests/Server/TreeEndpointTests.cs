using System.Net;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class TreeEndpointTests(RunningService service)
{
    [Fact]
    public async Task A_command_that_leaves_out_what_has_a_default_gets_the_default()
    {
        string folder = await service.MakeFolderAsync();
        using StringContent body = new($$"""{"path":"{{folder}}/d"}""");

        using HttpResponseMessage answer = await service.Http.PostAsync(new Uri("/api/v1/ops/mkdir", UriKind.Relative), body);

        answer.EnsureSuccessStatusCode();
        Assert.Equal(0x1ED, (await service.Client.StatAsync(folder + "/d")).Mode & 0xFFF);
    }

    [Fact]
    public async Task A_listing_comes_in_pages_of_the_size_asked_for()
    {
        string folder = await service.MakeFolderAsync();
        string[] names = [.. Enumerable.Range(0, 25).Select(i => $"file-{i:00}")];
        await Task.WhenAll(names.Select(n => service.Client.WriteFileAsync($"{folder}/{n}", Encoding.ASCII.GetBytes(n)).AsTask()));

        DirectoryPage first = await service.Client.ListPageAsync(folder, limit: 10);
        DirectoryPage second = await service.Client.ListPageAsync(folder, first.Next, 10);
        DirectoryPage third = await service.Client.ListPageAsync(folder, second.Next, 10);
        List<string> all = [];
        await foreach (FileStatus entry in service.Client.ListAsync(folder, pageSize: 7))
        {
            all.Add(entry.Name);
        }

        Assert.Equal(names[..10], first.Entries.Select(e => e.Name));
        Assert.Equal("file-09", first.Next);
        Assert.Equal(names[20..], third.Entries.Select(e => e.Name));
        Assert.Null(third.Next);
        Assert.Equal(names, all);
    }

    [Fact]
    public async Task A_page_that_ends_exactly_at_the_last_entry_is_followed_by_an_empty_one()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(folder + "/only", "x"u8.ToArray());

        DirectoryPage page = await service.Client.ListPageAsync(folder, limit: 1);
        DirectoryPage after = await service.Client.ListPageAsync(folder, page.Next, 1);

        Assert.Equal("only", page.Next);
        Assert.Empty(after.Entries);
        Assert.Null(after.Next);
    }

    [Theory]
    [InlineData("limit=0")]
    [InlineData("limit=10001")]
    [InlineData("limit=-1")]
    [InlineData("limit=ten")]
    [InlineData("limit=")]
    public async Task A_limit_out_of_range_is_refused(string query)
    {
        using HttpResponseMessage answer = await service.Http.GetAsync(new Uri($"{ApiRoutes.Directories}/?{query}", UriKind.Relative));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Listing_a_file_or_nothing_is_an_error()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(folder + "/f", "x"u8.ToArray());

        await ThrowsAsync(ErrorCode.NotADirectory, async () => await service.Client.ListPageAsync(folder + "/f"));
        await ThrowsAsync(ErrorCode.NotFound, async () => await service.Client.ListPageAsync(folder + "/none"));
    }

    [Fact]
    public async Task Stat_tells_what_a_write_left()
    {
        string path = await service.MakeFolderAsync() + "/f";
        await service.Client.WriteFileAsync(path, "hello"u8.ToArray());

        FileStatus status = await service.Client.StatAsync(path);

        Assert.Equal("f", status.Name);
        Assert.Equal(FileKind.Regular, status.Kind);
        Assert.Equal(5, status.SizeBytes);
        Assert.Equal(0x1A4, status.Mode);
        Assert.Equal(1, status.LinkCount);
        Assert.Equal(TierState.Hot, status.State);
        Assert.NotNull(status.EntityTag);
        Assert.True(status.ModifyTimeNanoseconds > 1_700_000_000_000_000_000);
        Assert.Null(await service.Client.TryStatAsync(path + "-none"));
        Assert.Equal("/", (await service.Client.StatAsync("/")).Name);
    }

    [Fact]
    public async Task A_description_shows_tier_residency_and_placement()
    {
        string path = await service.MakeFolderAsync() + "/f";
        await service.Client.WriteFileAsync(path, new byte[3 << 20]);

        FileDetail detail = await service.Client.DescribeAsync(path);

        Assert.Equal(path, detail.Path);
        Assert.Equal(3, detail.BlockCount);
        Assert.Equal(3, detail.HotBlocks);
        Assert.Contains(detail.Tier, new[] { "memory", "hot" });
        Assert.StartsWith("striped:default:", detail.Placement, StringComparison.Ordinal);
        Assert.Null(detail.Object);
    }

    [Fact]
    public async Task Folders_are_made_one_by_one_or_with_their_parents()
    {
        string folder = await service.MakeFolderAsync();

        await ThrowsAsync(ErrorCode.NotFound, async () => await service.Client.MakeDirectoryAsync(folder + "/a/b/c"));
        await service.Client.MakeDirectoryAsync(folder + "/a/b/c", parents: true, mode: 0x1C0);
        await service.Client.MakeDirectoryAsync(folder + "/a/b/c", parents: true);
        await ThrowsAsync(ErrorCode.AlreadyExists, async () => await service.Client.MakeDirectoryAsync(folder + "/a/b/c"));
        await ThrowsAsync(ErrorCode.InvalidArgument, async () => await service.Client.MakeDirectoryAsync(folder + "/x", mode: 0x1000));

        Assert.Equal(0x1C0, (await service.Client.StatAsync(folder + "/a/b/c")).Mode);
    }

    [Fact]
    public async Task Renames_replace_refuse_or_exchange_as_their_flags_say()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(folder + "/a", "A"u8.ToArray());
        await service.Client.WriteFileAsync(folder + "/b", "B"u8.ToArray());

        await ThrowsAsync(ErrorCode.AlreadyExists, async () => await service.Client.RenameAsync(folder + "/a", folder + "/b", RenameFlags.NoReplace));
        await service.Client.RenameAsync(folder + "/a", folder + "/b", RenameFlags.Exchange);
        Assert.Equal("B", await ReadAsync(folder + "/a"));
        Assert.Equal("A", await ReadAsync(folder + "/b"));
        await service.Client.RenameAsync(folder + "/a", folder + "/b");

        Assert.Equal("B", await ReadAsync(folder + "/b"));
        Assert.Null(await service.Client.TryStatAsync(folder + "/a"));
        await ThrowsAsync(ErrorCode.NotFound, async () => await service.Client.RenameAsync(folder + "/a", folder + "/c"));
    }

    [Fact]
    public async Task Links_share_a_content_and_symbolic_links_are_followed_on_request()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(folder + "/f", "text"u8.ToArray());

        await service.Client.LinkAsync(folder + "/f", folder + "/hard");
        await service.Client.MakeSymbolicLinkAsync(folder + "/soft", "f");
        FileStatus soft = await service.Client.StatAsync(folder + "/soft", followLast: false);

        Assert.Equal(2, (await service.Client.StatAsync(folder + "/hard")).LinkCount);
        Assert.Equal("text", await ReadAsync(folder + "/soft"));
        Assert.Equal(FileKind.SymbolicLink, soft.Kind);
        Assert.Equal("f", soft.LinkTarget);
        Assert.Equal(FileKind.Regular, (await service.Client.StatAsync(folder + "/soft")).Kind);
        await ThrowsAsync(ErrorCode.InvalidArgument, async () => await service.Client.MakeSymbolicLinkAsync(folder + "/empty", string.Empty));
    }

    [Fact]
    public async Task Truncation_shortens_and_extends_with_zeros()
    {
        string path = await service.MakeFolderAsync() + "/f";
        await service.Client.WriteFileAsync(path, "0123456789"u8.ToArray());

        await service.Client.TruncateAsync(path, 4);
        await service.Client.TruncateAsync(path, 6);

        Assert.Equal("0123\0\0", await ReadAsync(path));
        await ThrowsAsync(ErrorCode.InvalidArgument, async () => await service.Client.TruncateAsync(path, -1));
    }

    [Fact]
    public async Task Attributes_change_one_by_one()
    {
        string path = await service.MakeFolderAsync() + "/f";
        await service.Client.WriteFileAsync(path, "x"u8.ToArray());

        await service.Client.SetAttributesAsync(new AttributesCommand { Path = path, Mode = 0x1C0, UserId = 7 });
        await service.Client.SetAttributesAsync(new AttributesCommand { Path = path, ModifyTimeNanoseconds = 123_000_000_000 });
        FileStatus status = await service.Client.StatAsync(path);

        Assert.Equal(0x1C0, status.Mode);
        Assert.Equal(7, status.UserId);
        Assert.Equal(123_000_000_000, status.ModifyTimeNanoseconds);
        await ThrowsAsync(
            ErrorCode.InvalidArgument,
            async () => await service.Client.SetAttributesAsync(new AttributesCommand { Path = path, Mode = -1 }));
    }

    [Fact]
    public async Task Extended_attributes_are_set_read_listed_and_removed()
    {
        string path = await service.MakeFolderAsync() + "/f";
        await service.Client.WriteFileAsync(path, "x"u8.ToArray());
        byte[] value = [0, 1, 2, 255];

        await service.Client.Admin.SetXattrAsync(path, "user.ä b", value);
        Assert.Equal(value, await service.Client.Admin.GetXattrAsync(path, "user.ä b"));
        Assert.Equal(["user.ä b"], await service.Client.Admin.ListXattrsAsync(path));
        await service.Client.Admin.RemoveXattrAsync(path, "user.ä b");

        Assert.Null(await service.Client.Admin.GetXattrAsync(path, "user.ä b"));
        await ThrowsAsync(
            ErrorCode.InvalidArgument, async () => await service.Client.Admin.SetXattrAsync(path, "user.big", new byte[(64 << 10) + 1]));
        await ThrowsAsync(
            ErrorCode.InvalidArgument, async () => await service.Client.Admin.SetXattrAsync(path, new string('n', 256), value));
    }

    [Theory]
    [InlineData("create", HttpStatusCode.Conflict)]
    [InlineData("replace", HttpStatusCode.NoContent)]
    [InlineData("sometimes", HttpStatusCode.BadRequest)]
    public async Task An_extended_attribute_is_set_under_its_condition(string condition, HttpStatusCode status)
    {
        string path = await service.MakeFolderAsync() + "/f";
        await service.Client.WriteFileAsync(path, "x"u8.ToArray());
        await service.Client.Admin.SetXattrAsync(path, "user.a", new byte[] { 1 });

        using ByteArrayContent value = new([2]);
        using HttpResponseMessage answer = await service.Http.PutAsync(
            new Uri($"{ApiRoutes.Xattrs}{path}?name=user.a&condition={condition}", UriKind.Relative), value);

        Assert.Equal(status, answer.StatusCode);
    }

    private async Task<string> ReadAsync(string path)
    {
        using DataLayer.Client.FileBytes bytes = await service.Client.ReadFileAsync(path);
        return Encoding.UTF8.GetString(bytes.Memory.Span);
    }

    private static async Task ThrowsAsync(ErrorCode code, Func<Task> act) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(act)).Code);
}
