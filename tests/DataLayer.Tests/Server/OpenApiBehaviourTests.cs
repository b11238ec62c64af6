using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Protocol.Http;
using DataLayer.Server.Http;
using DataLayer.Tests.Access;

namespace DataLayer.Tests.Server;

/// <summary>
/// Requests generated from the OpenAPI document: what it describes is answered as it says, and what it does not allow is
/// refused with a problem that names a remedy; nothing of it ends as a fault of the service.
/// </summary>
[Collection(ServiceCollection.Name)]
public sealed class OpenApiBehaviourTests(RunningService service)
{
    [Fact]
    public async Task Every_operation_answers_with_a_status_and_a_body_it_describes()
    {
        JsonNode document = await DocumentAsync();
        List<string> wrong = [];
        foreach (ApiOperation operation in service.Service.Operations)
        {
            using HttpRequestMessage request = SampleRequests.Make(operation, "/openapi");
            await CheckAsync(document, operation, request, "the sample", mustFail: false, wrong);
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public async Task Every_body_that_the_document_does_not_allow_is_refused_with_a_remedy()
    {
        JsonNode document = await DocumentAsync();
        List<string> wrong = [];
        int requests = 0;
        foreach (ApiOperation operation in service.Service.Operations.Where(o => o.Body is not null))
        {
            JsonObject schema = Resolve(document, Describe(document, operation)["requestBody"]!["content"]!["application/json"]!["schema"]!);
            using HttpRequestMessage sample = SampleRequests.Make(operation, "/openapi");
            string good = await sample.Content!.ReadAsStringAsync();
            foreach ((string what, string body) in BadBodies(document, schema, good))
            {
                using HttpRequestMessage request = new(sample.Method, sample.RequestUri)
                {
                    Content = new StringContent(body, Encoding.UTF8, "application/json"),
                };
                await CheckAsync(document, operation, request, what, mustFail: true, wrong);
                requests++;
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True(requests > 200, $"{requests}");
    }

    [Fact]
    public async Task Every_parameter_of_another_type_is_refused_with_a_remedy()
    {
        JsonNode document = await DocumentAsync();
        List<string> wrong = [];
        foreach (ApiOperation operation in service.Service.Operations)
        {
            foreach (ApiParameter parameter in operation.Parameters.Where(p => p.Place == ApiParameterPlace.Query && p.Type != "string"))
            {
                foreach (string value in new[] { "x", "-1", "99999999999999999999", "1e3", "%00" })
                {
                    using HttpRequestMessage request = SampleRequests.Make(operation, "/openapi");
                    string target = request.RequestUri!.ToString();
                    target += (target.Contains('?', StringComparison.Ordinal) ? "&" : "?") + $"{parameter.Name}={value}";
                    request.RequestUri = new Uri(target, UriKind.Relative);
                    await CheckAsync(document, operation, request, $"{parameter.Name}={value}", mustFail: true, wrong, notFoundCounts: true);
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("POST", "/api/v1/jobs/warm")]
    [InlineData("POST", "/api/v1/attachments")]
    [InlineData("POST", "/api/v1/ops/mkdir")]
    [InlineData("POST", "/api/v1/schedules")]
    public async Task A_body_past_the_bound_is_refused_before_it_is_read(string method, string target)
    {
        using HttpRequestMessage request = new(HttpMethod.Parse(method), target)
        {
            Content = new StringContent("{\"path\":\"" + new string('x', 2 << 20) + "\"}", Encoding.UTF8, "application/json"),
        };
        request.Headers.ExpectContinue = true;

        using HttpResponseMessage answer = await service.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.Equal("fileTooLarge", (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["code"]!);
    }

    private async Task<JsonNode> DocumentAsync() =>
        JsonNode.Parse(await service.Http.GetStringAsync(new Uri(ApiRoutes.OpenApi, UriKind.Relative)))!;

    private static JsonObject Describe(JsonNode document, ApiOperation operation) =>
        document["paths"]![operation.OpenApiPath]![operation.Method.ToLowerInvariant()]!.AsObject();

    private static JsonObject Resolve(JsonNode document, JsonNode schema)
    {
        while ((string?)schema["$ref"] is { } reference)
        {
            schema = document["components"]!["schemas"]![reference.Split('/')[^1]]!;
        }

        return schema.AsObject();
    }

    private static IEnumerable<(string What, string Body)> BadBodies(JsonNode document, JsonObject schema, string good)
    {
        yield return ("nothing", string.Empty);
        yield return ("null", "null");
        yield return ("a list", "[]");
        yield return ("a text", "\"x\"");
        yield return ("half an object", good[..^1]);
        yield return ("two objects", good + good);
        yield return ("a deep one", string.Concat(Enumerable.Repeat("{\"path\":", 100)) + "1" + new string('}', 100));
        yield return ("bytes that are no text", "{\"path\":\"\uD800\"");
        foreach (string name in (schema["required"] as JsonArray ?? []).Select(n => (string)n!))
        {
            JsonObject body = JsonNode.Parse(good)!.AsObject();
            body.Remove(name);
            yield return ($"without {name}", body.ToJsonString());
        }

        JsonObject more = JsonNode.Parse(good)!.AsObject();
        more["noSuchMember"] = 1;
        yield return ("a member too many", more.ToJsonString());
        foreach ((string name, JsonNode? property) in schema["properties"]!.AsObject())
        {
            JsonObject resolved = Resolve(document, property!);
            foreach (JsonNode? value in new JsonNode?[] { new JsonObject { ["a"] = new JsonArray(1) }, new JsonArray(new JsonArray()), true, "?", null })
            {
                if (!Allows(resolved, value))
                {
                    JsonObject body = JsonNode.Parse(good)!.AsObject();
                    body[name] = value?.DeepClone();
                    yield return ($"{name} as {value?.ToJsonString() ?? "null"}", body.ToJsonString());
                }
            }
        }
    }

    /// <summary>Whether a schema may allow a value; where it does not say, it may.</summary>
    private static bool Allows(JsonObject schema, JsonNode? value)
    {
        if (schema["enum"] is JsonArray words)
        {
            bool isListed = words.Any(w => w?.ToJsonString() == value?.ToJsonString());
            return isListed || (value is null && schema["type"] is JsonArray);
        }

        if (schema["type"] is not { } type)
        {
            return true;
        }

        string[] types = type is JsonArray several ? [.. several.Select(t => (string)t!)] : [(string)type!];
        string kind = value switch
        {
            null => "null",
            JsonObject => "object",
            JsonArray => "array",
            _ => value.GetValueKind() is System.Text.Json.JsonValueKind.True ? "boolean" : "string",
        };
        return types.Contains(kind);
    }

    private async Task CheckAsync(
        JsonNode document, ApiOperation operation, HttpRequestMessage request, string what, bool mustFail, List<string> wrong,
        bool notFoundCounts = false)
    {
        using HttpResponseMessage answer = await service.Http.SendAsync(request);
        int status = (int)answer.StatusCode;
        string text = operation.AnswerMedia == "application/octet-stream" && status < 400 ? "" : await answer.Content.ReadAsStringAsync();
        string name = $"{operation.Id} with {what}: {status} {text[..Math.Min(200, text.Length)]}";
        if (status >= 400)
        {
            bool isProblem = answer.Content.Headers.ContentType?.MediaType == ApiRoutes.ProblemMediaType;
            bool isHead = operation.Method == "HEAD";
            JsonNode? problem = isProblem && !isHead ? JsonNode.Parse(text) : null;
            bool complete = isHead || (problem is not null && (int)problem["status"]! == status
                && new[] { "type", "title", "detail", "code", "remedy" }.All(m => !string.IsNullOrEmpty((string?)problem[m])));
            if (!complete || status >= 500 || (mustFail && status is not (400 or 413) && !(notFoundCounts && status == 404)))
            {
                wrong.Add(name);
            }

            return;
        }

        if (mustFail || !operation.Statuses.Contains(status))
        {
            wrong.Add(name);
        }
        else if (operation.Answer is not null && status == operation.Statuses[0])
        {
            CheckAnswer(document, operation, answer, text, name, wrong);
        }
    }

    private static void CheckAnswer(
        JsonNode document, ApiOperation operation, HttpResponseMessage answer, string text, string name, List<string> wrong)
    {
        if (answer.Content.Headers.ContentType?.MediaType != operation.AnswerMedia)
        {
            wrong.Add($"{name}: {answer.Content.Headers.ContentType}");
            return;
        }

        if (operation.AnswerMedia != "application/json")
        {
            return;
        }

        JsonObject schema = Resolve(
            document,
            Describe(document, operation)["responses"]![$"{operation.Statuses[0]}"]!["content"]![operation.AnswerMedia]!["schema"]!);
        JsonNode body = JsonNode.Parse(text)!;
        foreach (JsonObject one in body is JsonArray many ? many.Select(o => o!.AsObject()) : [body.AsObject()])
        {
            JsonObject shape = body is JsonArray ? Resolve(document, schema["items"]!) : schema;
            string[] unknown = [.. one.Select(p => p.Key).Where(k => shape["properties"]![k] is null)];
            string[] missing = [.. (shape["required"] as JsonArray ?? []).Select(r => (string)r!).Where(r => !one.ContainsKey(r))];
            if (unknown.Length + missing.Length > 0)
            {
                wrong.Add($"{name}: unknown {string.Join(",", unknown)}; missing {string.Join(",", missing)}");
            }
        }
    }
}
