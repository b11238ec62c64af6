using System.Net;
using System.Net.Sockets;
using System.Text;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

public sealed class ServiceLifeTests
{
    [Fact]
    public async Task What_was_written_is_there_after_a_restart()
    {
        using TempFolder folder = new("life");
        await using (DataLayerService first = await StartAsync(RunningService.Configure(folder)))
        {
            using DataLayerClient client = new(first.Url!.ToString());
            await client.WriteFileAsync("/f", "kept"u8.ToArray());
            await first.StopAsync();
        }

        await using DataLayerService second = await StartAsync(RunningService.Configure(folder));
        using DataLayerClient again = new(second.Url!.ToString());
        using FileBytes read = await again.ReadFileAsync("/f");

        Assert.Equal("kept", Encoding.ASCII.GetString(read.Memory.Span));
        await second.StopAsync();
    }

    [Fact]
    public async Task A_state_directory_serves_one_service_at_a_time()
    {
        using TempFolder folder = new("life");
        await using DataLayerService first = await StartAsync(RunningService.Configure(folder));

        await using DataLayerService second = DataLayerService.Build(RunningService.Configure(folder));
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => second.StartAsync(CancellationToken.None));

        Assert.Contains("in use by another process", fault.Message, StringComparison.Ordinal);
        await second.StopAsync();
        await first.StopAsync();
    }

    [Fact]
    public async Task A_taken_address_is_an_error_with_a_remedy()
    {
        using TempFolder folder = new("life");
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        ServerConfiguration configuration = RunningService.Configure(folder);
        configuration = configuration with
        {
            Listen = configuration.Listen with { EndPoint = (IPEndPoint)taken.LocalEndpoint },
        };
        await using DataLayerService service = DataLayerService.Build(configuration);

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => service.StartAsync(CancellationToken.None));

        Assert.Contains("listen.address", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_unix_socket_serves_the_same_api_to_its_owner_only()
    {
        using TempFolder folder = new("life");
        string socket = folder.Combine("api.sock");
        await using DataLayerService service = await StartAsync(RunningService.Configure(folder, socket));
        using DataLayerClient client = new("unix:" + socket);

        await client.WriteFileAsync("/over the socket", "x"u8.ToArray());

        Assert.Equal(1, (await client.StatAsync("/over the socket")).SizeBytes);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(socket));
        await service.StopAsync();
    }

    [Fact]
    public async Task A_socket_file_left_by_a_killed_service_is_replaced_and_a_live_one_is_not()
    {
        using TempFolder folder = new("life");
        string socket = folder.Combine("api.sock");
        using (Socket dead = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            // Bound and never unlinked, as after SIGKILL: a socket closed by its descriptor leaves the file.
            dead.Bind(new UnixDomainSocketEndPoint(socket));
            File.CreateSymbolicLink(socket + ".keep", socket);
            using Socket other = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            Assert.Throws<SocketException>(() => other.Connect(new UnixDomainSocketEndPoint(socket)));

            await using DataLayerService service = await StartAsync(RunningService.Configure(folder, socket));
            using DataLayerClient client = new("unix:" + socket);
            Assert.NotNull(await client.StatAsync("/"));

            using TempFolder otherFolder = new("life");
            await using DataLayerService second = DataLayerService.Build(RunningService.Configure(otherFolder, socket));
            await Assert.ThrowsAsync<DataLayerException>(() => second.StartAsync(CancellationToken.None));
            Assert.NotNull(await client.StatAsync("/"));
            await service.StopAsync();
        }
    }

    [Fact]
    public async Task A_stop_lets_the_upload_in_flight_end()
    {
        using TempFolder folder = new("life");
        DataLayerService service = await StartAsync(RunningService.Configure(folder));
        using HttpClient http = new() { BaseAddress = service.Url };
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using HttpRequestMessage request = new(HttpMethod.Put, new Uri(ApiRoutes.Files + "/slow", UriKind.Relative))
        {
            Content = new GatedContent(begun, go.Task),
        };
        Task<HttpResponseMessage> upload = http.SendAsync(request);
        await begun.Task;
        await ReachAsync(service);

        Task stop = service.StopAsync();
        Assert.False(stop.IsCompleted);
        go.SetResult();
        using HttpResponseMessage answer = await upload;
        await stop;
        await service.DisposeAsync();

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        await using DataLayerService again = await StartAsync(RunningService.Configure(folder));
        using DataLayerClient client = new(again.Url!.ToString());
        Assert.Equal(8, (await client.StatAsync("/slow")).SizeBytes);
        await again.StopAsync();
    }

    [Fact]
    public async Task Past_the_bound_of_requests_a_client_is_told_to_come_back()
    {
        using TempFolder folder = new("life");
        ServerConfiguration configuration = RunningService.Configure(folder);
        configuration = configuration with { Listen = configuration.Listen with { MaxRequests = 1 } };
        await using DataLayerService service = await StartAsync(configuration);
        using HttpClient http = new() { BaseAddress = service.Url };
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using HttpRequestMessage request = new(HttpMethod.Put, new Uri(ApiRoutes.Files + "/slow", UriKind.Relative))
        {
            Content = new GatedContent(begun, go.Task),
        };
        Task<HttpResponseMessage> upload = http.SendAsync(request);
        await begun.Task;
        RequestGate gate = await ReachAsync(service);

        using HttpResponseMessage refused = await http.GetAsync(new Uri(ApiRoutes.Version, UriKind.Relative));
        using HttpResponseMessage alive = await http.GetAsync(new Uri(ApiRoutes.Health, UriKind.Relative));
        go.SetResult();
        using HttpResponseMessage stored = await upload;
        using HttpResponseMessage after = await http.GetAsync(new Uri(ApiRoutes.Version, UriKind.Relative));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal(1, refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds);
        Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
        Assert.Equal(HttpStatusCode.Created, stored.StatusCode);
        Assert.Equal(HttpStatusCode.OK, after.StatusCode);
        Assert.Equal(1, gate.Refused);
        await service.StopAsync();
    }

    [Fact]
    public async Task A_node_that_cannot_open_ends_the_start_and_says_why()
    {
        using TempFolder folder = new("life");
        await File.WriteAllTextAsync(folder.Combine("state"), "a file where the folder should be");
        await using DataLayerService service = DataLayerService.Build(RunningService.Configure(folder));

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => service.StartAsync(CancellationToken.None));

        Assert.Equal(ErrorCode.TargetFailed, fault.Code);
        using HttpClient http = new() { BaseAddress = service.Url };
        using HttpResponseMessage ready = await http.GetAsync(new Uri(ApiRoutes.Ready, UriKind.Relative));
        using HttpResponseMessage read = await http.GetAsync(new Uri(ApiRoutes.Files + "/x", UriKind.Relative));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, read.StatusCode);
        await service.StopAsync();
    }

    private static async Task<DataLayerService> StartAsync(ServerConfiguration configuration)
    {
        DataLayerService service = DataLayerService.Build(configuration);
        await service.StartAsync(CancellationToken.None);
        return service;
    }

    /// <summary>
    /// Waits until the service works on a request. What the client has sent may still wait in the kernel for a connection to be accepted,
    /// and a service that stops then rightly never takes it.
    /// </summary>
    private static async Task<RequestGate> ReachAsync(DataLayerService service)
    {
        RequestGate gate = (RequestGate)service.Services.GetService(typeof(RequestGate))!;
        while (gate.Active == 0)
        {
            await Task.Yield();
        }

        return gate;
    }

    /// <summary>Sends half a body, then waits for the gate before the rest.</summary>
    private sealed class GatedContent(TaskCompletionSource begun, Task gate) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync("half"u8.ToArray());
            await stream.FlushAsync();
            begun.SetResult();
            await gate;
            await stream.WriteAsync("rest"u8.ToArray());
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 8;
            return true;
        }
    }
}
