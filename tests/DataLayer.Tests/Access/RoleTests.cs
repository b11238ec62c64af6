using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace DataLayer.Tests.Access;

/// <summary>Who may call what: every route by every kind of caller, and the ways around that must not be there.</summary>
public sealed class RoleTests(GuardedService guarded) : IClassFixture<GuardedService>
{
    /// <summary>What a request of these may reach is decided by what it names: a job that is none of the caller's is not there.</summary>
    private static readonly HashSet<string> _withoutPath =
        new(StringComparer.Ordinal)
        {
            "warmListJob", "pauseJob", "resumeJob", "cancelJob", "removeSchedule", "refreshDataset", "deleteDataset", "pinDataset",
            "unpinDataset",
        };

    [Fact]
    public async Task Every_route_lets_in_whom_it_names_and_nobody_else()
    {
        List<string> wrong = [];
        foreach (ApiOperation operation in Operations())
        {
            foreach ((string? holder, string folder) in Callers())
            {
                HttpStatusCode status = await SendAsync(operation, holder, folder);
                bool namesPath = !_withoutPath.Contains(operation.Id);
                HttpStatusCode? refusal = ExpectedRefusal(
                    operation.Access, holder, namesPath ? folder : GuardedService.Inside);
                bool asExpected = refusal is null
                    ? status is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
                        && (int)status != StatusOfFault
                    : status == refusal;
                if (!asExpected)
                {
                    wrong.Add($"{operation.Method} {operation.Pattern} by {holder ?? "nobody"} at {folder}: {status}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_route_is_an_operation_with_a_stated_need()
    {
        IEnumerable<RouteEndpoint> endpoints = guarded.Service.Services.GetRequiredService<EndpointDataSource>()
            .Endpoints.OfType<RouteEndpoint>();

        Assert.All(endpoints, e => Assert.True(
            e.Metadata.GetMetadata<ApiOperation>() is not null || e.RoutePattern.RawText!.StartsWith("/openapi", StringComparison.Ordinal),
            e.RoutePattern.RawText));
        Assert.Equal(
            ["console", "consoleFile", "healthz", "readyz"],
            endpoints.Select(e => e.Metadata.GetMetadata<ApiOperation>()).OfType<ApiOperation>()
                .Where(o => o.Access == ApiAccess.Anyone).Select(o => o.Id).Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("admin", "admin", true, true)]
    [InlineData("reader", "reader", false, true)]
    [InlineData("scoped reader", "reader", false, false)]
    [InlineData("tenant", "tenant", true, false)]
    public async Task A_caller_is_told_who_it_is_and_what_it_may_call(string holder, string role, bool writes, bool observes)
    {
        using HttpClient http = guarded.OpenHttp(holder);

        JsonNode caller = JsonNode.Parse(await http.GetStringAsync(new Uri(ApiRoutes.Caller, UriKind.Relative)))!;

        string[] operations = [.. caller["operations"]!.AsArray().Select(o => (string)o!)];
        Assert.Equal(role, (string)caller["role"]!);
        Assert.Equal((writes, observes), (operations.Contains("warmJob"), operations.Contains("stats")));
        Assert.Equal(role == "admin", operations.Contains("setPolicy"));
        Assert.Equal(holder is "tenant" or "scoped reader" ? [GuardedService.Inside] : [], caller["scopes"]!.AsArray().Select(s => (string)s!));
    }

    [Fact]
    public async Task The_console_is_shown_to_anybody_and_tells_nothing()
    {
        using HttpClient nobody = guarded.OpenHttp(null);

        using HttpResponseMessage page = await nobody.GetAsync(new Uri("/console/", UriKind.Relative));
        using HttpResponseMessage caller = await nobody.GetAsync(new Uri(ApiRoutes.Caller, UriKind.Relative));

        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, caller.StatusCode);
    }

    [Theory]
    [InlineData("/openapi/v1.json")]
    [InlineData("/no/such/route")]
    [InlineData("/api/v1/ops/du")]
    public async Task Without_a_token_a_request_learns_nothing(string route)
    {
        using HttpClient nobody = guarded.OpenHttp(null);

        using HttpResponseMessage answer = await nobody.GetAsync(new Uri(route, UriKind.Relative));

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Bearer realm=\"datalayer\"", answer.Headers.WwwAuthenticate.ToString());
        JsonNode problem = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal("notAuthenticated", (string)problem["code"]!);
        Assert.Contains("datalayer token create", (string)problem["remedy"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_token_is_told_why()
    {
        using HttpClient expired = guarded.OpenHttp("expired");
        using HttpClient tenant = guarded.OpenHttp("tenant");

        using HttpResponseMessage late = await expired.GetAsync(new Uri(ApiRoutes.Version, UriKind.Relative));
        using HttpResponseMessage denied = await tenant.GetAsync(new Uri(ApiRoutes.Targets, UriKind.Relative));

        Assert.Equal(HttpStatusCode.Unauthorized, late.StatusCode);
        Assert.Contains("invalid_token", late.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        Assert.Contains("has expired on 2020-01-01", await late.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
        Assert.Contains("insufficient_scope", denied.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(guarded.Tokens["tenant"][16..], await denied.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Basic dXNlcjpwdw==")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Bearer a, Bearer b")]
    [InlineData("Bearer dl_000000000000_zz")]
    public async Task A_malformed_credential_is_refused_also_on_the_socket(string value)
    {
        using HttpClient http = new(new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                System.Net.Sockets.Socket socket = new(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
                await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(guarded.SocketPath), token);
                return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
            },
        });
        using HttpRequestMessage request = new(HttpMethod.Get, "http://localhost" + ApiRoutes.Version);
        request.Headers.TryAddWithoutValidation("Authorization", value);

        using HttpResponseMessage answer = await http.SendAsync(request);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Fact]
    public async Task The_services_user_needs_no_token_on_the_socket()
    {
        using DataLayerClient owner = new(DataLayerClientOptions.Parse("unix:" + guarded.SocketPath));

        Assert.NotEmpty(await owner.Admin.ListTargetsAsync());
    }

    [Fact]
    public async Task No_link_leads_a_tenant_out_of_its_scope()
    {
        using DataLayerClient admin = guarded.Open("admin");
        using DataLayerClient tenant = guarded.Open("tenant");
        const string Inside = GuardedService.Inside;
        await tenant.MakeSymbolicLinkAsync(Inside + "/absolute", GuardedService.Outside);
        await tenant.MakeSymbolicLinkAsync(Inside + "/relative", "../credit/secret");
        await tenant.MakeSymbolicLinkAsync(Inside + "/twice", "absolute/secret");
        await tenant.MakeSymbolicLinkAsync(Inside + "/missing", "/teams/nobody");
        await tenant.MakeSymbolicLinkAsync(Inside + "/good", Inside + "/own");
        await tenant.MakeSymbolicLinkAsync(Inside + "/root", "/");

        Func<Task>[] ways =
        [
            async () => (await tenant.ReadFileAsync(Inside + "/absolute/secret")).Dispose(),
            async () => (await tenant.ReadFileAsync(Inside + "/relative")).Dispose(),
            async () => (await tenant.ReadFileAsync(Inside + "/twice")).Dispose(),
            async () => (await tenant.ReadFileAsync(Inside + "/root/teams/credit/secret")).Dispose(),
            async () => await tenant.StatAsync(Inside + "/missing"),
            async () => await tenant.StatAsync(Inside + "/absolute"),
            async () => await tenant.DescribeAsync(Inside + "/relative"),
            async () => await tenant.ListPageAsync(Inside + "/absolute"),
            async () => await tenant.WriteFileAsync(Inside + "/absolute/new", "x"u8.ToArray()),
            async () => await tenant.WriteFileAsync(Inside + "/relative", "x"u8.ToArray()),
            async () => await tenant.DeleteAsync(Inside + "/absolute/secret"),
            async () => await tenant.RenameAsync(Inside + "/own", Inside + "/absolute/own"),
            async () => await tenant.LinkAsync(Inside + "/absolute/secret", Inside + "/stolen"),
            async () => await tenant.Admin.GetUsageAsync(Inside + "/absolute"),
            async () => await tenant.Admin.WarmAsync(Inside + "/absolute"),
            async () => await tenant.Admin.EvictAsync(Inside + "/absolute"),
            async () => await tenant.Admin.SetXattrAsync(Inside + "/relative", "user.a", "x"u8.ToArray()),
        ];
        foreach (Func<Task> way in ways)
        {
            Assert.Equal(ErrorCode.PermissionDenied, (await Assert.ThrowsAsync<DataLayerException>(way)).Code);
        }

        using FileBytes own = await tenant.ReadFileAsync(Inside + "/good");
        Assert.Equal("own", Encoding.UTF8.GetString(own.Memory.Span));
        using FileBytes secret = await admin.ReadFileAsync(Inside + "/absolute/secret");
        Assert.Equal("secret", Encoding.UTF8.GetString(secret.Memory.Span));
    }

    [Fact]
    public async Task A_second_path_outside_the_scope_is_refused_too()
    {
        using DataLayerClient tenant = guarded.Open("tenant");
        const string Own = GuardedService.Inside + "/own";
        const string Secret = GuardedService.Outside + "/secret";

        await ThrowsDeniedAsync(async () => await tenant.RenameAsync(Own, GuardedService.Outside + "/taken"));
        await ThrowsDeniedAsync(async () => await tenant.RenameAsync(Secret, GuardedService.Inside + "/taken"));
        await ThrowsDeniedAsync(async () => await tenant.LinkAsync(Secret, GuardedService.Inside + "/taken"));
        await ThrowsDeniedAsync(async () => await tenant.MakeDirectoryAsync("/teams/fraudulent"));
    }

    [Fact]
    public async Task A_tenant_sees_its_own_attachments_only()
    {
        using DataLayerClient admin = guarded.Open("admin");
        using DataLayerClient tenant = guarded.Open("tenant");
        using TestSupport.TempFolder bucket = new("bucket");
        await admin.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket.Path, Path = GuardedService.Inside + "/data" });
        await admin.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket.Path, Path = GuardedService.Outside + "/data" });

        IReadOnlyList<AttachmentStatus> seen = await tenant.Admin.ListAttachmentsAsync();

        Assert.Equal([GuardedService.Inside + "/data"], seen.Select(a => a.Path));
        Assert.Equal(2, (await admin.Admin.ListAttachmentsAsync()).Count);
    }

    [Fact]
    public async Task A_tenants_job_stays_in_its_scope_and_others_do_not_see_it()
    {
        using DataLayerClient admin = guarded.Open("admin");
        using DataLayerClient tenant = guarded.Open("tenant");
        await tenant.MakeSymbolicLinkAsync(GuardedService.Inside + "/out", GuardedService.Outside);
        byte[] list = Encoding.UTF8.GetBytes(
            $"{GuardedService.Inside}/own\n{GuardedService.Outside}/secret\n{GuardedService.Inside}/out/secret\n");

        JobStatus own = await EndAsync(tenant, (await tenant.Jobs.WarmListAsync(list)).Id);
        JobStatus byLink = await EndAsync(
            tenant, (await tenant.Jobs.WarmAsync(new WarmJobCommand { Paths = [GuardedService.Inside + "/out"] })).Id);
        JobStatus others = await EndAsync(
            admin, (await admin.Jobs.WarmAsync(new WarmJobCommand { Paths = [GuardedService.Inside] })).Id);

        Assert.Equal(1, own.Result!.Value.GetProperty("resident").GetInt32());
        Assert.Equal(2, own.FailedObjects);
        Assert.Contains("outside", own.Result!.Value.GetProperty("gaps").GetRawText(), StringComparison.Ordinal);
        Assert.Contains("symbolic link", byLink.Failure, StringComparison.Ordinal);
        DataLayerException hidden = await Assert.ThrowsAsync<DataLayerException>(async () => await tenant.Jobs.GetAsync(others.Id));
        Assert.Equal(ErrorCode.NotFound, hidden.Code);
        IReadOnlyList<long> seen = [.. (await tenant.Jobs.ListAsync()).Jobs.Select(j => j.Id)];
        Assert.Contains(own.Id, seen);
        Assert.DoesNotContain(others.Id, seen);
        using DataLayerClient reader = guarded.Open("reader");
        await ThrowsDeniedAsync(async () => await reader.Jobs.CancelAsync(own.Id));
    }

    [Fact]
    public async Task What_admins_do_is_written_down_with_who_did_it()
    {
        using DataLayerClient admin = guarded.Open("admin");
        string id = TokenText.IdOf(guarded.Tokens["admin"])!;

        await Assert.ThrowsAsync<DataLayerException>(async () => await admin.Admin.DetachAsync("/not-attached"));

        Assert.Contains(
            guarded.Log.Lines,
            l => l.Contains($"audit: token {id} (admin)", StringComparison.Ordinal)
                && l.Contains("detach (DELETE /api/v1/attachments) on [/not-attached]", StringComparison.Ordinal));
        Assert.DoesNotContain(guarded.Log.Lines, l => guarded.Tokens.Values.Any(t => l.Contains(t, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Readiness_names_no_target_to_strangers()
    {
        using HttpClient nobody = guarded.OpenHttp(null);

        string ready = await nobody.GetStringAsync(new Uri(ApiRoutes.Ready, UriKind.Relative));

        Assert.True((bool)JsonNode.Parse(ready)!["ready"]!);
    }

    private const int StatusOfFault = 500;

    private IReadOnlyList<ApiOperation> Operations() => guarded.Service.Operations;

    private static IEnumerable<(string? Holder, string Folder)> Callers() =>
    [
        (null, GuardedService.Inside),
        ("wrong", GuardedService.Inside),
        ("expired", GuardedService.Inside),
        ("reader", GuardedService.Inside),
        ("scoped reader", GuardedService.Inside),
        ("scoped reader", GuardedService.Outside),
        ("tenant", GuardedService.Inside),
        ("tenant", GuardedService.Outside),
        ("node", GuardedService.Inside),
        ("admin", GuardedService.Inside),
    ];

    /// <summary>The rules, stated once more and independently of the service's.</summary>
    private static HttpStatusCode? ExpectedRefusal(ApiAccess access, string? holder, string folder)
    {
        if (access == ApiAccess.Anyone && holder is null)
        {
            return null;
        }

        bool known = holder is "reader" or "scoped reader" or "tenant" or "node" or "admin";
        if (access != ApiAccess.Anyone && !known)
        {
            return HttpStatusCode.Unauthorized;
        }

        bool reaches = folder == GuardedService.Inside || holder is "reader" or "admin";
        bool allowed = access switch
        {
            ApiAccess.Anyone => true,
            ApiAccess.Peer => holder is "node" or "admin",
            ApiAccess.Caller => holder != "node",
            ApiAccess.Read => holder != "node" && reaches,
            ApiAccess.Write => holder is "tenant" or "admin" && reaches,
            ApiAccess.Observe => holder is "reader" or "admin",
            _ => holder == "admin",
        };
        return allowed ? null : HttpStatusCode.Forbidden;
    }

    private async Task<HttpStatusCode> SendAsync(ApiOperation operation, string? holder, string folder)
    {
        using HttpClient http = guarded.OpenHttp(holder);
        using HttpRequestMessage request = SampleRequests.Make(operation, folder);
        using HttpResponseMessage answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return answer.StatusCode;
    }

    private static async Task<JobStatus> EndAsync(DataLayerClient client, long id)
    {
        JobStatus? last = null;
        await foreach (JobStatus job in client.Jobs.WatchAsync(id))
        {
            last = job;
        }

        return last!;
    }

    private static async Task ThrowsDeniedAsync(Func<Task> act) =>
        Assert.Equal(ErrorCode.PermissionDenied, (await Assert.ThrowsAsync<DataLayerException>(act)).Code);
}
