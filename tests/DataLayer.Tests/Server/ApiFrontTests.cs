using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Http;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class ApiFrontTests(RunningService service)
{
    [Theory]
    [InlineData("GET", "/api/v1/files/../../etc/passwd", "'..'")]
    [InlineData("GET", "/api/v1/files/%2e%2e/%2e%2e/etc/passwd", "'..'")]
    [InlineData("GET", "/api/v1/files/a/../b", "'..'")]
    [InlineData("GET", "/api/v1/files/a/%2E%2E/b", "'..'")]
    [InlineData("PUT", "/api/v1/files/../x", "'..'")]
    [InlineData("DELETE", "/api/v1/files/x/..", "'..'")]
    [InlineData("GET", "/api/v1/dirs/../../../metrics", "'..'")]
    [InlineData("GET", "/api/v1/stat/./x", "'.'")]
    [InlineData("GET", "/api/v1/files//etc/passwd", "empty component")]
    [InlineData("GET", "/api/v1/files/a//b", "empty component")]
    [InlineData("GET", "/api/v1/files/a/", "empty component")]
    [InlineData("GET", "/api/v1/files/a%2Fb", "%2F")]
    [InlineData("GET", "/api/v1/files/%ff%fe", "UTF-8")]
    [InlineData("GET", "/api/v1/files/%c0%af", "UTF-8")]
    [InlineData("GET", "/api/v1/files/%zz", "'%'")]
    [InlineData("GET", "/api/v1/%66iles/a", "route")]
    [InlineData("GET", "http://localhost/api/v1/files/a/../b", "'..'")]
    public async Task An_attack_on_the_path_is_answered_with_400_and_the_value(string method, string target, string says)
    {
        string answer = await service.SendRawAsync($"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);
        JsonNode problem = JsonNode.Parse(answer[answer.IndexOf("\r\n\r\n", StringComparison.Ordinal)..])!;
        Assert.Equal("invalidArgument", (string)problem["code"]!);
        Assert.Contains(says, (string)problem["detail"]!, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /api/v1/files/a%00b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "400")]
    [InlineData("GET /api/v1/files/a\0b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "400")]
    [InlineData("GET /api/v1/files/a HTTP/1.1\r\n\r\n", "400")]
    [InlineData("BREW /api/v1/files/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "405")]
    [InlineData("GET /api/v1/files/a HTTP/9.9\r\nHost: localhost\r\nConnection: close\r\n\r\n", "505")]
    public async Task Malformed_requests_are_refused(string request, string status) =>
        Assert.StartsWith("HTTP/1.1 " + status, await service.SendRawAsync(request), StringComparison.Ordinal);

    [Fact]
    public async Task Oversized_targets_and_headers_are_refused()
    {
        string longTarget = await service.SendRawAsync($"GET /api/v1/files/{new string('a', 20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        string longName = await service.SendRawAsync(
            $"GET /api/v1/files/{new string('a', 300)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        string longHeader = await service.SendRawAsync($"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Big: {new string('b', 40_000)}\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 414", longTarget, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 400", longName, StringComparison.Ordinal);
        Assert.Contains("nameTooLong", longName, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 431", longHeader, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/nowhere", HttpStatusCode.NotFound, "notFound")]
    [InlineData("GET", "/api/v1/ops/mkdir", HttpStatusCode.MethodNotAllowed, "invalidArgument")]
    [InlineData("PATCH", "/api/v1/files/x", HttpStatusCode.MethodNotAllowed, "invalidArgument")]
    [InlineData("POST", "/api/v1/ops/nonsense", HttpStatusCode.NotFound, "notFound")]
    public async Task An_unknown_route_or_method_is_a_problem_document_too(string method, string path, HttpStatusCode status, string code)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), new Uri(path, UriKind.Relative));

        using HttpResponseMessage answer = await service.Http.SendAsync(request);

        Assert.Equal(status, answer.StatusCode);
        Problem problem = JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(), ProtocolJson.Default.Problem)!;
        Assert.Equal(code, problem.Code);
        Assert.Equal(path, problem.Instance);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"path":"/x","recursiv":true}""")]
    [InlineData("""{"path":7}""")]
    [InlineData("""{"path":"relative"}""")]
    [InlineData("""{"path":"/a/../b"}""")]
    public async Task A_body_that_is_not_the_command_is_refused(string body)
    {
        using StringContent content = new(body, Encoding.UTF8, "application/json");

        using HttpResponseMessage answer = await service.Http.PostAsync(new Uri("/api/v1/ops/du", UriKind.Relative), content);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal(ApiRoutes.ProblemMediaType, answer.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task A_command_body_is_bounded()
    {
        using StringContent content = new("{\"path\":\"" + new string('x', 2 << 20) + "\"}", Encoding.UTF8, "application/json");

        // Asked before the body is sent: a server that refuses half a body may close before its answer is read.
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri("/api/v1/ops/du", UriKind.Relative)) { Content = content };
        request.Headers.ExpectContinue = true;
        using HttpResponseMessage answer = await service.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
    }

    [Fact]
    public async Task The_document_lists_every_route_with_schemas_and_problems()
    {
        JsonNode document = JsonNode.Parse(await service.Http.GetStringAsync(new Uri(ApiRoutes.OpenApi, UriKind.Relative)))!;
        IEnumerable<ApiOperation> operations = OperationsOf();

        Assert.StartsWith("3.", (string)document["openapi"]!, StringComparison.Ordinal);
        Assert.All(operations, o =>
        {
            JsonNode? described = document["paths"]![o.OpenApiPath]?[o.Method.ToLowerInvariant()];
            Assert.True(described is not null, $"{o.Method} {o.OpenApiPath}");
            Assert.Equal(o.Id, (string)described["operationId"]!);
            Assert.StartsWith("Wants ", (string)described["description"]!, StringComparison.Ordinal);
            Assert.Equal(o.Access == ApiAccess.Anyone, described["security"] is null);
            Assert.NotNull(described["responses"]!["default"]!["content"]![ApiRoutes.ProblemMediaType]);
            Assert.Equal(o.Body is not null || o.BodyMedia is not null, described["requestBody"] is not null);
        });
        int listed = document["paths"]!.AsObject().Sum(p => p.Value!.AsObject().Count);
        Assert.Equal(operations.Count(), listed);
        Assert.Equal(operations.Count(), operations.Select(o => o.Id).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void The_documentation_lists_every_route()
    {
        string document = File.ReadAllText(Path.Combine(TestSupport.RepositoryRoot.Path, "docs", "API.md"));

        Assert.All(OperationsOf(), o => Assert.Contains($"`{o.Method} {o.OpenApiPath}`", document, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Metrics_are_text_that_a_strict_reader_takes()
    {
        string path = await service.MakeFolderAsync() + "/f";
        await service.Client.WriteFileAsync(path, new byte[10]);
        using DataLayer.Client.FileBytes read = await service.Client.ReadFileAsync(path);

        using HttpResponseMessage answer = await service.Http.GetAsync(new Uri(ApiRoutes.Metrics, UriKind.Relative));
        PrometheusText text = PrometheusText.Parse(await answer.Content.ReadAsStringAsync());

        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType!.ToString());
        Assert.True(text.Samples[("datalayer_http_requests_total", "route=files,status=2xx")] >= 2);
        Assert.Equal(1, text.Samples[("datalayer_ready", "")]);
        Assert.Equal("histogram", text.TypeOf("datalayer_http_request_duration_seconds"));
        Assert.Contains("datalayer_read_bytes_total", text.Names);
        Assert.Contains(text.Names, n => n.StartsWith("dotnet_gc_", StringComparison.Ordinal));
        Assert.True(text.Samples.Keys.Count(k => k.Name == "datalayer_target_up") >= 2);
    }

    [Fact]
    public async Task Probes_say_alive_and_ready()
    {
        Assert.Equal("ok\n", await service.Http.GetStringAsync(new Uri(ApiRoutes.Health, UriKind.Relative)));
        JsonNode ready = JsonNode.Parse(await service.Http.GetStringAsync(new Uri(ApiRoutes.Ready, UriKind.Relative)))!;

        Assert.True((bool)ready["ready"]!);
    }

    private IEnumerable<ApiOperation> OperationsOf() => service.Service.Operations;
}
