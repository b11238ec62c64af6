using System.Net;
using System.Text.Json;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using static DataLayer.Tests.Client.ScriptedHandler;

namespace DataLayer.Tests.Client;

public sealed class RetryTests
{
    private const string Status = """{"name":"a","inode":2,"kind":"regular","mode":420,"sizeBytes":3,"entityTag":"2-1-1","state":"hot"}""";

    [Fact]
    public async Task A_read_is_tried_again_after_every_kind_of_passing_failure()
    {
        ScriptedHandler handler = new(
            Refuse(), Break(), GiveUp(), Answer(HttpStatusCode.ServiceUnavailable), Truncate(promised: 3, sent: 1), Answer(HttpStatusCode.OK, "abc"));
        using DataLayerClient client = Make(handler);

        using FileBytes bytes = await client.ReadFileAsync("/a");

        Assert.Equal("abc"u8.ToArray(), bytes.Memory.ToArray());
        Assert.Equal(6, handler.Asked.Count);
        Assert.All(handler.Asked, asked => Assert.Equal("GET /api/v1/files/a", asked));
    }

    [Fact]
    public async Task Retries_end_at_their_bound_and_the_service_counts_as_unreachable()
    {
        ScriptedHandler handler = new(Refuse(), Refuse(), Refuse());
        using DataLayerClient client = Make(handler, retries: 2);

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await client.StatAsync("/a"));

        Assert.Equal(ErrorCode.OriginUnavailable, fault.Code);
        Assert.IsType<HttpRequestException>(fault.InnerException);
        Assert.Equal(3, handler.Asked.Count);
    }

    [Fact]
    public async Task A_connection_that_was_given_up_by_nobodys_wish_is_a_service_out_of_reach()
    {
        ScriptedHandler handler = new(GiveUp());
        using DataLayerClient client = Make(handler);

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await client.DeleteAsync("/a"));

        Assert.Equal(ErrorCode.OriginUnavailable, fault.Code);
        Assert.IsType<TaskCanceledException>(fault.InnerException);
        Assert.Single(handler.Asked);
    }

    [Fact]
    public async Task A_refusal_with_a_reason_is_not_tried_again()
    {
        Problem problem = new()
        {
            Type = "urn:datalayer:error:notFound",
            Title = "Not found",
            Status = 404,
            Detail = "'/a' is not there.",
            Code = "notFound",
            Remedy = "Look.",
        };
        ScriptedHandler handler = new(Answer(
            HttpStatusCode.NotFound, JsonSerializer.Serialize(problem, ProtocolJson.Default.Problem), ApiRoutes.ProblemMediaType));
        using DataLayerClient client = Make(handler);

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await client.ReadFileAsync("/a"));

        Assert.Equal(ErrorCode.NotFound, fault.Code);
        Assert.Equal("'/a' is not there.", fault.Message);
        Assert.Single(handler.Asked);
    }

    [Theory]
    [InlineData(HttpStatusCode.Forbidden, ErrorCode.PermissionDenied)]
    [InlineData(HttpStatusCode.InsufficientStorage, ErrorCode.NoSpace)]
    [InlineData(HttpStatusCode.BadGateway, ErrorCode.OriginUnavailable)]
    [InlineData(HttpStatusCode.InternalServerError, ErrorCode.Internal)]
    public async Task An_answer_without_a_problem_document_is_told_by_its_status(HttpStatusCode status, ErrorCode code)
    {
        using DataLayerClient client = Make(new ScriptedHandler(Answer(status, "<html>", "text/html")));

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await client.StatAsync("/a"));

        Assert.Equal(code, fault.Code);
        Assert.Contains(((int)status).ToString(System.Globalization.CultureInfo.InvariantCulture), fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rename_is_tried_again_only_where_it_was_certainly_not_executed()
    {
        ScriptedHandler refused = new(Refuse(), Answer(HttpStatusCode.ServiceUnavailable), Answer(HttpStatusCode.OK, Status));
        using (DataLayerClient client = Make(refused))
        {
            await client.RenameAsync("/a", "/b");
        }

        Assert.Equal(3, refused.Asked.Count);
        ScriptedHandler cut = new(Break());
        using (DataLayerClient client = Make(cut))
        {
            await Assert.ThrowsAsync<DataLayerException>(async () => await client.RenameAsync("/a", "/b"));
        }

        Assert.Single(cut.Asked);
    }

    [Fact]
    public async Task A_write_from_memory_is_repeated_whole_but_not_with_a_condition()
    {
        ScriptedHandler plain = new(Break(), Answer(HttpStatusCode.Created));
        using (DataLayerClient client = Make(plain))
        {
            Assert.True((await client.WriteFileAsync("/a", "xyz"u8.ToArray())).Created);
        }

        Assert.Equal(2, plain.Bodies.Count);
        Assert.All(plain.Bodies, body => Assert.Equal("xyz"u8.ToArray(), body));
        ScriptedHandler conditional = new(Break());
        using (DataLayerClient client = Make(conditional))
        {
            await Assert.ThrowsAsync<DataLayerException>(
                async () => await client.WriteFileAsync("/a", "xyz"u8.ToArray(), new WriteOptions { IfMatch = "2-1-1" }));
        }

        Assert.Contains("If-Match=\"2-1-1\"", Assert.Single(conditional.Asked), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_is_sent_once_only()
    {
        ScriptedHandler handler = new(Refuse());
        using DataLayerClient client = Make(handler);
        using MemoryStream content = new([1, 2, 3]);

        await Assert.ThrowsAsync<DataLayerException>(async () => await client.WriteFileAsync("/a", content));

        Assert.Single(handler.Asked);
    }

    [Fact]
    public async Task A_positional_read_asks_for_its_range_and_its_content()
    {
        ScriptedHandler handler = new(
            Answer(HttpStatusCode.OK, Status), Truncate(3, 3, HttpStatusCode.PartialContent), Answer(HttpStatusCode.RequestedRangeNotSatisfiable));
        using DataLayerClient client = Make(handler);
        RemoteFile file = await client.OpenAsync("/a");

        Assert.Equal(3, await file.ReadAtAsync(7, new byte[10]));
        Assert.Equal(0, await file.ReadAtAsync(100, new byte[10]));
        Assert.Equal(0, await file.ReadAtAsync(0, Memory<byte>.Empty));

        Assert.Equal("GET /api/v1/files/a Range=bytes=7-16 If-Match=\"2-1-1\"", handler.Asked[1]);
        Assert.Equal(3, handler.Asked.Count);
    }

    [Fact]
    public async Task An_answer_that_ignores_the_range_is_not_taken_for_it()
    {
        using DataLayerClient client = Make(new ScriptedHandler(Answer(HttpStatusCode.OK, "abc")));

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await client.ReadAtAsync("/a", 1, new byte[3]));

        Assert.Equal(ErrorCode.Internal, fault.Code);
    }

    [Fact]
    public async Task A_service_that_does_not_answer_in_time_is_a_timeout_and_the_callers_cancellation_is_not()
    {
        using DataLayerClient client = new(
            new DataLayerClientOptions { RequestTimeout = TimeSpan.FromMilliseconds(20), RetryCount = 0 }, new HangingHandler());
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await client.ReadFileAsync("/a"));
        Assert.Equal(ErrorCode.TimedOut, fault.Code);

        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await client.ReadFileAsync("/a", cancelled.Token));
    }

    [Fact]
    public async Task A_long_operation_reports_progress_and_throws_the_fault_of_its_last_line()
    {
        const string Lines = """
            {"progress":{"objects":10,"bytes":5,"requests":1}}
            {"progress":{"objects":20,"bytes":9,"requests":2}}
            {"error":{"type":"t","title":"t","status":502,"detail":"bucket gone","code":"originUnavailable","remedy":"r"}}
            """;
        using DataLayerClient client = Make(new ScriptedHandler(Answer(HttpStatusCode.OK, Lines, ApiRoutes.ProgressMediaType)));
        List<long> seen = [];

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await client.Admin.RefreshAsync(
            "/a", new Recorder<ListingReport>(r => seen.Add(r.Objects))));

        Assert.Equal([10, 20], seen);
        Assert.Equal(ErrorCode.OriginUnavailable, fault.Code);
        Assert.Equal("bucket gone", fault.Message);
    }

    [Fact]
    public async Task A_long_operation_that_ends_without_a_result_failed()
    {
        using DataLayerClient client = Make(new ScriptedHandler(
            Answer(HttpStatusCode.OK, """{"progress":{"files":1}}""", ApiRoutes.ProgressMediaType)));

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await client.Admin.WarmAsync("/a"));

        Assert.Equal(ErrorCode.ShuttingDown, fault.Code);
    }

    [Fact]
    public async Task Listing_asks_page_after_page_and_only_as_far_as_it_is_read()
    {
        static string Page(string first, string? next) =>
            $$"""{"path":"/d","entries":[{"name":"{{first}}","inode":1,"kind":"regular","mode":1,"sizeBytes":1}],"next":{{(next is null ? "null" : $"\"{next}\"")}}}""";
        ScriptedHandler handler = new(Answer(HttpStatusCode.OK, Page("a b", "a b")), Answer(HttpStatusCode.OK, Page("c", null)));
        using DataLayerClient client = Make(handler);
        List<string> names = [];

        await foreach (FileStatus entry in client.ListAsync("/d", pageSize: 1))
        {
            names.Add(entry.Name);
        }

        Assert.Equal(["a b", "c"], names);
        Assert.Equal("GET /api/v1/dirs/d?limit=1&after=a%20b", handler.Asked[1]);
    }

    [Fact]
    public void Waits_grow_with_jitter_stay_within_their_bound_and_honour_the_service()
    {
        RetrySchedule schedule = new(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2), seed: 3);
        for (int i = 0; i < 100; i++)
        {
            Assert.InRange(schedule.Next(0, null).TotalMilliseconds, 50, 150);
            Assert.InRange(schedule.Next(2, null).TotalMilliseconds, 200, 600);
            Assert.InRange(schedule.Next(30, null).TotalMilliseconds, 1999, 2000);
        }

        Assert.Equal(TimeSpan.FromSeconds(1), schedule.Next(0, TimeSpan.FromSeconds(1)));
        Assert.Equal(TimeSpan.FromSeconds(2), schedule.Next(0, TimeSpan.FromHours(1)));
    }

    [Theory]
    [InlineData("http://host:1234", "http://host:1234/", null)]
    [InlineData("host:1234", "http://host:1234/", null)]
    [InlineData("https://host", "https://host/", null)]
    [InlineData("unix:/run/d.sock", "http://localhost/", "/run/d.sock")]
    [InlineData("unix:///run/d.sock", "http://localhost/", "/run/d.sock")]
    public void A_servers_address_is_read_as_people_write_it(string text, string uri, string? socket)
    {
        DataLayerClientOptions options = DataLayerClientOptions.Parse(text);

        Assert.Equal(uri, options.ServerUri.ToString());
        Assert.Equal(socket, options.UnixSocketPath);
    }

    [Theory]
    [InlineData("unix:")]
    [InlineData("ftp://host")]
    [InlineData("http://")]
    public void An_address_that_is_none_is_refused(string text) =>
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<DataLayerException>(() => DataLayerClientOptions.Parse(text)).Code);

    [Fact]
    public void All_bad_options_are_named_at_once()
    {
        DataLayerClientOptions options = new() { MaxConnections = 0, RetryCount = 99, RetryDelay = TimeSpan.Zero };

        DataLayerException fault = Assert.Throws<DataLayerException>(() => new DataLayerClient(options));

        Assert.Contains("MaxConnections", fault.Message, StringComparison.Ordinal);
        Assert.Contains("RetryCount", fault.Message, StringComparison.Ordinal);
        Assert.Contains("RetryDelay", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_buffer_is_given_back_once_and_not_read_after()
    {
        using DataLayerClient client = Make(new ScriptedHandler(Answer(HttpStatusCode.OK, "abc")));
        FileBytes bytes = await client.ReadFileAsync("/a");

        bytes.Dispose();
        bytes.Dispose();

        Assert.Throws<ObjectDisposedException>(() => bytes.Memory);
    }

    private static DataLayerClient Make(HttpMessageHandler handler, int retries = 5) => new(
        new DataLayerClientOptions
        {
            RetryCount = retries,
            RetryDelay = TimeSpan.FromMilliseconds(1),
            MaxRetryDelay = TimeSpan.FromMilliseconds(2),
        },
        handler);

    private sealed class Recorder<T>(Action<T> record) : IProgress<T>
    {
        public void Report(T value) => record(value);
    }

    private sealed class HangingHandler : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            throw new InvalidOperationException("Not reached.");
        }
    }
}
