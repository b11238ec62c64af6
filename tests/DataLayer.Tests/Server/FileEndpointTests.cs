using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DataLayer.Client;
using DataLayer.Protocol.Http;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class FileEndpointTests(RunningService service)
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(797)]
    [InlineData((256 << 10) - 1)]
    [InlineData(256 << 10)]
    [InlineData((256 << 10) + 1)]
    [InlineData((1 << 20) + 1)]
    [InlineData((5 << 20) + 3)]
    public async Task A_written_file_reads_back_equal(int length)
    {
        string path = await service.MakeFolderAsync() + "/f";
        byte[] bytes = BytesContent.Random(length);

        WriteOutcome written = await service.Client.WriteFileAsync(path, bytes);
        using FileBytes read = await service.Client.ReadFileAsync(path);

        Assert.True(written.Created);
        Assert.Equal(bytes, read.Memory.ToArray());
        Assert.Equal(written.EntityTag, read.EntityTag);
    }

    [Fact]
    public async Task A_read_carries_length_type_tag_date_and_range_support()
    {
        string path = await WriteAsync("{}", "x.json");

        using HttpResponseMessage answer = await service.Http.GetAsync(Url(path));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal(2, answer.Content.Headers.ContentLength);
        Assert.False(answer.Headers.ETag!.IsWeak);
        Assert.NotNull(answer.Content.Headers.LastModified);
        Assert.Equal("bytes", Assert.Single(answer.Headers.AcceptRanges));
        Assert.False(answer.Headers.Contains("Server"));
    }

    [Fact]
    public async Task HEAD_says_what_GET_would_without_the_bytes()
    {
        string path = await WriteAsync("hello");
        using HttpRequestMessage request = new(HttpMethod.Head, Url(path));

        using HttpResponseMessage answer = await service.Http.SendAsync(request);

        Assert.Equal(5, answer.Content.Headers.ContentLength);
        Assert.Empty(await answer.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("bytes=1-3", "123", "bytes 1-3/10")]
    [InlineData("bytes=7-", "789", "bytes 7-9/10")]
    [InlineData("bytes=-2", "89", "bytes 8-9/10")]
    [InlineData("bytes=0-99", "0123456789", "bytes 0-9/10")]
    public async Task One_range_is_answered_with_206(string range, string body, string contentRange)
    {
        string path = await WriteAsync("0123456789");

        using HttpResponseMessage answer = await GetAsync(path, ("Range", range));

        Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
        Assert.Equal(contentRange, answer.Content.Headers.ContentRange!.ToString());
        Assert.Equal(body, await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("bytes=0-1,5-6")]
    [InlineData("lines=1-2")]
    [InlineData("bytes=5-1")]
    public async Task Several_ranges_and_nonsense_are_answered_with_the_whole(string range)
    {
        string path = await WriteAsync("0123456789");

        using HttpResponseMessage answer = await GetAsync(path, ("Range", range));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("0123456789", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_range_past_the_end_is_416_with_the_size()
    {
        string path = await WriteAsync("0123456789");

        using HttpResponseMessage answer = await GetAsync(path, ("Range", "bytes=10-"));

        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, answer.StatusCode);
        Assert.Equal("bytes */10", answer.Content.Headers.ContentRange!.ToString());
        await AssertProblemAsync(answer, "invalidArgument");
    }

    [Fact]
    public async Task Ranges_of_a_large_file_are_right_at_every_edge()
    {
        string path = await service.MakeFolderAsync() + "/large";
        byte[] bytes = BytesContent.Random((3 << 20) + 777);
        await service.Client.WriteFileAsync(path, bytes);
        RemoteFile file = await service.Client.OpenAsync(path);
        const int Seed = 99;
        Random random = new(Seed);
        for (int round = 0; round < 100; round++)
        {
            int offset = random.Next(bytes.Length + 10);
            byte[] buffer = new byte[random.Next(1, 600_000)];

            int count = await file.ReadAtAsync(offset, buffer);

            int expected = Math.Clamp(bytes.Length - offset, 0, buffer.Length);
            Assert.Equal(expected, count);
            Assert.True(
                buffer.AsSpan(0, count).SequenceEqual(bytes.AsSpan(Math.Min(offset, bytes.Length), count)),
                $"seed {Seed}, round {round}: {offset}+{buffer.Length}");
        }
    }

    [Fact]
    public async Task Conditions_answer_304_and_412_and_if_range_falls_back_to_the_whole()
    {
        string path = await WriteAsync("abc");
        using HttpResponseMessage first = await GetAsync(path);
        string tag = first.Headers.ETag!.ToString();

        using HttpResponseMessage unchanged = await GetAsync(path, ("If-None-Match", tag));
        using HttpResponseMessage wrong = await GetAsync(path, ("If-Match", "\"other\""));
        using HttpResponseMessage same = await GetAsync(path, ("If-Range", tag), ("Range", "bytes=1-1"));
        using HttpResponseMessage other = await GetAsync(path, ("If-Range", "\"other\""), ("Range", "bytes=1-1"));

        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);
        Assert.Equal(tag, unchanged.Headers.ETag!.ToString());
        Assert.Empty(await unchanged.Content.ReadAsByteArrayAsync());
        Assert.Equal(HttpStatusCode.PreconditionFailed, wrong.StatusCode);
        await AssertProblemAsync(wrong, "stale");
        Assert.Equal("b", await same.Content.ReadAsStringAsync());
        Assert.Equal("abc", await other.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Replacing_changes_the_tag_and_says_204()
    {
        string path = await WriteAsync("one");
        string before = (await service.Client.StatAsync(path)).EntityTag!;

        using HttpResponseMessage answer = await PutAsync(path, "two");

        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.NotEqual($"\"{before}\"", answer.Headers.ETag!.ToString());
        Assert.Equal("two", await service.Http.GetStringAsync(Url(path)));
    }

    [Fact]
    public async Task A_chunked_upload_of_unknown_length_is_stored_whole()
    {
        string path = await service.MakeFolderAsync() + "/chunked";
        byte[] bytes = BytesContent.Random((2 << 20) + 11);
        using HttpRequestMessage request = new(HttpMethod.Put, Url(path)) { Content = new StreamContent(new OneWayStream(bytes)) };
        request.Headers.TransferEncodingChunked = true;

        using HttpResponseMessage answer = await service.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.Equal(bytes, await service.Http.GetByteArrayAsync(Url(path)));
    }

    [Theory]
    [InlineData("Content-Length: 1000000\r\n\r\nonly this much")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwor")]
    public async Task An_upload_that_breaks_leaves_nothing(string rest)
    {
        string folder = await service.MakeFolderAsync();
        using (TcpClient connection = new())
        {
            await connection.ConnectAsync(service.Url.Host, service.Url.Port);
            NetworkStream stream = connection.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"PUT {ApiRoutes.Files}{folder}/broken HTTP/1.1\r\nHost: localhost\r\n{rest}"));
            connection.Client.Shutdown(SocketShutdown.Send);
            using MemoryStream answer = new();
            try
            {
                await stream.CopyToAsync(answer);
            }
            catch (IOException)
            {
                // The service may reset a connection whose request never ended.
            }

            Assert.DoesNotContain("HTTP/1.1 2", Encoding.ASCII.GetString(answer.ToArray()), StringComparison.Ordinal);
        }

        // The connection may be gone before the service has given the upload up.
        RequestGate gate = (RequestGate)service.Service.Services.GetService(typeof(RequestGate))!;
        while (gate.Active > 0)
        {
            await Task.Yield();
        }

        DirectoryPage page = await service.Client.ListPageAsync(folder);
        Assert.Empty(page.Entries);
        CheckStatus check = await service.Client.Admin.CheckAsync();
        Assert.True(check.Clean, string.Join('\n', check.Problems));
    }

    [Fact]
    public async Task Write_conditions_hold_or_answer_412()
    {
        string path = await WriteAsync("one");
        string tag = (await service.Client.StatAsync(path)).EntityTag!;

        using HttpResponseMessage taken = await PutAsync(path, "x", ("If-None-Match", "*"));
        using HttpResponseMessage stale = await PutAsync(path, "x", ("If-Match", "\"0-0-0\""));
        using HttpResponseMessage good = await PutAsync(path, "two", ("If-Match", $"\"{tag}\""));
        using HttpResponseMessage any = await PutAsync(path, "three", ("If-Match", "*"));
        using HttpResponseMessage absent = await PutAsync(path + "2", "x", ("If-Match", "*"));
        using HttpResponseMessage created = await PutAsync(path + "3", "x", ("If-None-Match", "*"));
        using HttpResponseMessage list = await PutAsync(path, "x", ("If-None-Match", "\"a\""));

        Assert.Equal(HttpStatusCode.PreconditionFailed, taken.StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, good.StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, any.StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, absent.StatusCode);
        Assert.Equal(HttpStatusCode.Created, created.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, list.StatusCode);
        Assert.Equal("three", await service.Http.GetStringAsync(Url(path)));
    }

    [Fact]
    public async Task Of_writers_with_the_same_tag_exactly_one_wins()
    {
        string path = await WriteAsync("base");
        string tag = (await service.Client.StatAsync(path)).EntityTag!;

        HttpResponseMessage[] answers = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(i => PutAsync(path, $"writer {i}", ("If-Match", $"\"{tag}\""))));

        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.NoContent);
        Assert.Equal(7, answers.Count(a => a.StatusCode == HttpStatusCode.PreconditionFailed));
    }

    [Fact]
    public async Task A_positional_write_changes_its_range_and_nothing_else()
    {
        string path = await WriteAsync("0123456789");

        using HttpResponseMessage middle = await PutRangeAsync(path, "abc", "bytes 3-5/*");
        using HttpResponseMessage end = await PutRangeAsync(path, "XY", "bytes 12-13/14");

        Assert.Equal(HttpStatusCode.NoContent, middle.StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, end.StatusCode);
        Assert.Equal("012abc6789\0\0XY", await service.Http.GetStringAsync(Url(path)));
        Assert.NotEqual(middle.Headers.ETag!.ToString(), end.Headers.ETag!.ToString());
    }

    [Theory]
    [InlineData("abc", "bytes 0-3/*")]
    [InlineData("abcd", "bytes 0-2/*")]
    [InlineData("abc", "bytes 0-2/5")]
    [InlineData("abc", "bytes */3")]
    public async Task A_positional_write_whose_lengths_disagree_is_refused(string body, string range)
    {
        string path = await WriteAsync("0123456789");

        using HttpResponseMessage answer = await PutRangeAsync(path, body, range);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("0123456789", await service.Http.GetStringAsync(Url(path)));
    }

    [Fact]
    public async Task A_positional_write_needs_the_file_unless_it_may_create_it()
    {
        string path = await service.MakeFolderAsync() + "/new";

        using HttpResponseMessage missing = await PutRangeAsync(path, "abc", "bytes 2-4/*");
        using HttpResponseMessage made = await PutRangeAsync(path + "?create=true&mode=600", "abc", "bytes 2-4/*");
        using HttpResponseMessage stale = await PutRangeAsync(path, "abc", "bytes 2-4/*", ("If-Match", "\"1-1-1\""));

        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, made.StatusCode);
        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
        Assert.Equal("\0\0abc", await service.Http.GetStringAsync(Url(path)));
        Assert.Equal(0x180, (await service.Client.StatAsync(path)).Mode);
    }

    [Fact]
    public async Task Mode_and_parents_are_taken_from_the_query()
    {
        string folder = await service.MakeFolderAsync();
        string path = folder + "/a/b/c";

        using HttpResponseMessage without = await PutAsync(path, "x");
        using HttpResponseMessage with = await PutAsync(path + "?parents=true&mode=640", "x");
        using HttpResponseMessage bad = await PutAsync(path + "?mode=999", "x");

        Assert.Equal(HttpStatusCode.NotFound, without.StatusCode);
        Assert.Equal(HttpStatusCode.Created, with.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
        Assert.Equal(0x1A0, (await service.Client.StatAsync(path)).Mode);
    }

    [Fact]
    public async Task Delete_removes_files_and_only_recursively_full_folders()
    {
        string path = await WriteAsync("x");
        string folder = path[..path.LastIndexOf('/')];
        string tag = (await service.Client.StatAsync(path)).EntityTag!;

        using HttpResponseMessage full = await service.Http.DeleteAsync(Url(folder));
        using HttpResponseMessage stale = await SendAsync(HttpMethod.Delete, path, null, ("If-Match", "\"1-2-3\""));
        using HttpResponseMessage gone = await SendAsync(HttpMethod.Delete, path, null, ("If-Match", $"\"{tag}\""));
        using HttpResponseMessage again = await service.Http.DeleteAsync(Url(path));
        await service.Client.WriteFileAsync(folder + "/y", "y"u8.ToArray());
        using HttpResponseMessage recursive = await service.Http.DeleteAsync(Url(folder + "?recursive=true"));

        Assert.Equal(HttpStatusCode.Conflict, full.StatusCode);
        await AssertProblemAsync(full, "notEmpty");
        Assert.Equal(HttpStatusCode.PreconditionFailed, stale.StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, gone.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, again.StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, recursive.StatusCode);
        Assert.Null(await service.Client.TryStatAsync(folder));
    }

    [Fact]
    public async Task Reading_a_folder_or_nothing_says_so()
    {
        string folder = await service.MakeFolderAsync();

        using HttpResponseMessage isFolder = await GetAsync(folder);
        using HttpResponseMessage nothing = await GetAsync(folder + "/none");
        using HttpResponseMessage throughFile = await GetAsync(await WriteAsync("x") + "/below");

        Assert.Equal(HttpStatusCode.Conflict, isFolder.StatusCode);
        await AssertProblemAsync(isFolder, "isADirectory");
        Assert.Equal(HttpStatusCode.NotFound, nothing.StatusCode);
        await AssertProblemAsync(nothing, "notFound");
        Assert.Equal(HttpStatusCode.Conflict, throughFile.StatusCode);
        await AssertProblemAsync(throughFile, "notADirectory");
    }

    [Fact]
    public async Task Names_that_need_escapes_are_one_file_over_every_way_in()
    {
        string folder = await service.MakeFolderAsync();
        string[] names = ["a b", "ä€😀", "100%", "q?#&=", "%2e%2e", "plus+", "tab\t", "new\nline", "back\\slash", "..hidden"];
        foreach (string name in names)
        {
            await service.Client.WriteFileAsync(TreePath.Combine(folder, name), Encoding.UTF8.GetBytes(name));
        }

        List<string> listed = [];
        await foreach (FileStatus entry in service.Client.ListAsync(folder))
        {
            listed.Add(entry.Name);
            using FileBytes read = await service.Client.ReadFileAsync(TreePath.Combine(folder, entry.Name));
            Assert.Equal(entry.Name, Encoding.UTF8.GetString(read.Memory.Span));
        }

        Assert.Equal(names.OrderBy(n => n, Comparer<string>.Create((a, b) =>
            Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b)))), listed);
    }

    private static Uri Url(string path)
    {
        int query = path.IndexOf('?', StringComparison.Ordinal);
        return query < 0
            ? new Uri(ApiRoutes.Files + TreePath.Encode(path), UriKind.Relative)
            : new Uri(ApiRoutes.Files + TreePath.Encode(path[..query]) + path[query..], UriKind.Relative);
    }

    private static async Task AssertProblemAsync(HttpResponseMessage answer, string code)
    {
        Assert.Equal(ApiRoutes.ProblemMediaType, answer.Content.Headers.ContentType!.MediaType);
        Problem problem = JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(), ProtocolJson.Default.Problem)!;
        Assert.Equal(code, problem.Code);
        Assert.Equal((int)answer.StatusCode, problem.Status);
        Assert.Equal("urn:datalayer:error:" + code, problem.Type);
        Assert.NotEmpty(problem.Title);
        Assert.NotEmpty(problem.Detail);
        Assert.NotEmpty(problem.Remedy);
    }

    private async Task<string> WriteAsync(string content, string name = "f.txt")
    {
        string path = await service.MakeFolderAsync() + "/" + name;
        await service.Client.WriteFileAsync(path, Encoding.UTF8.GetBytes(content));
        return path;
    }

    private Task<HttpResponseMessage> GetAsync(string path, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Get, path, null, headers);

    private Task<HttpResponseMessage> PutAsync(string path, string body, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Put, path, new StringContent(body), headers);

    private Task<HttpResponseMessage> PutRangeAsync(
        string path, string body, string range, params (string Name, string Value)[] headers)
    {
        StringContent content = new(body);
        content.Headers.TryAddWithoutValidation("Content-Range", range);
        return SendAsync(HttpMethod.Put, path, content, headers);
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpContent? content, params (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(method, Url(path)) { Content = content };
        foreach ((string name, string value) in headers)
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        }

        return await service.Http.SendAsync(request);
    }

    /// <summary>A stream without a length, so that the client sends chunks.</summary>
    private sealed class OneWayStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
