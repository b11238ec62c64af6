using System.Text;
using DataLayer.Server.Http;

namespace DataLayer.Tests.Access;

/// <summary>
/// A request for each operation that gets past its checks of form, on names that are not there: it may fail with 404,
/// 409 or 400 in the end, and changes little.
/// </summary>
internal static class SampleRequests
{
    public static HttpRequestMessage Make(ApiOperation operation, string folder)
    {
        string target = operation.Pattern
            .Replace("/{**path}", folder + "/none-such", StringComparison.Ordinal)
            .Replace("{target}", "4711", StringComparison.Ordinal)
            .Replace("{version}", "4711", StringComparison.Ordinal)
            .Replace("{plan}", "4711", StringComparison.Ordinal)
            .Replace("{number}", "4711", StringComparison.Ordinal)
            .Replace("{id}", "none-such", StringComparison.Ordinal);
        string query = operation.Id switch
        {
            "detach" => $"?path={folder}/none-such",
            "history" or "locality" or "localityForPeer" => $"?path={folder}/none-such",
            "readForPeer" => "?store=none&key=none&etag=none&size=1&offset=0&length=1",
            "removeStore" => "?name=none-such",
            "accessLog" or "doctor" => "?seconds=1",
            "setXattr" or "removeXattr" => "?name=user.none",
            "diffPolicies" => "?before=4711&after=4712",
            _ => string.Empty,
        };
        HttpRequestMessage request = new(HttpMethod.Parse(operation.Method), target + query);
        if (operation.Body is not null)
        {
            string json = Body(operation.Id, folder)
                ?? throw new InvalidOperationException($"Give a sample body of '{operation.Id}' here.");
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        }
        else if (operation.BodyMedia is not null)
        {
            request.Content = new ByteArrayContent("x"u8.ToArray());
            if (operation.Id == "writeFile")
            {
                // A condition that fails: nothing is written.
                request.Headers.TryAddWithoutValidation("If-Match", "\"none\"");
            }
        }

        return request;
    }

    private static string? Body(string id, string folder) => id switch
    {
        "mkdir" => $$"""{"path":"{{folder}}/none/such"}""",
        "rename" => $$"""{"from":"{{folder}}/none-such","to":"{{folder}}/none"}""",
        "link" => $$"""{"existing":"{{folder}}/none-such","path":"{{folder}}/none"}""",
        "clone" => $$"""{"from":"{{folder}}/none-such","to":"{{folder}}/none"}""",
        "symlink" => $$"""{"path":"{{folder}}/none/such","target":"x"}""",
        "truncate" => $$"""{"path":"{{folder}}/none-such","sizeBytes":0}""",
        "attributes" or "evict" or "warm" or "flush" or "du" or "scrub" or "refresh" =>
            $$"""{"path":"{{folder}}/none-such"}""",
        "fsck" or "replayProfile" or "trimProfile" => "{}",
        "recordProfile" => $$"""{"path":"{{folder}}/none-such"}""",
        "mergeProfiles" => """{"from":["none-such"]}""",
        "warmJob" => $$"""{"paths":["{{folder}}/none-such"]}""",
        "addSchedule" => $$"""{"cron":"0 0 1 1 *","warm":{"paths":["{{folder}}/none-such"] } }""",
        "addHeadroom" or "replaceHeadroom" =>
            $$"""{"name":"none","path":"{{folder}}/none-such","hotBytes":1,"window":{"from":"09:00","to":"10:00"} }""",
        "packJob" => $$"""{"action":"unpack","path":"{{folder}}/none-such"}""",
        "createDataset" => $$"""{"path":"{{folder}}/none-such","kind":"files"}""",
        "verifyDataset" => "{}",
        "applyPlan" or "undoJob" => "{}",
        "switchAutoTiering" => """{"enabled":false}""",
        "makePlan" => $$"""{"path":"{{folder}}/none-such","policy":"none"}""",
        "attach" => $$"""{"source":"none-such","path":"{{folder}}/none"}""",
        "addTarget" => """{"pool":"default","directory":"relative"}""",
        "defineStore" => """{"name":"","accessKey":"a","secretKey":"b"}""",
        "setPolicy" or "checkPolicy" => """{"text":"version: 0"}""",
        "activatePolicy" => """{"version":4711}""",
        "explainPolicy" => $$"""{"path":"{{folder}}/none-such"}""",
        _ => null,
    };
}
