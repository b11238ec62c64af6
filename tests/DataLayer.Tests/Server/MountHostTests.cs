using System.Net.Sockets;
using DataLayer.Core.Errors;
using DataLayer.Keeper.Channel;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Http;
using DataLayer.Protocol.Keeper;
using DataLayer.Server.Cli;
using DataLayer.Server.Hosting;
using DataLayer.Server.Mounts;
using DataLayer.TestSupport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Tests.Server;

/// <summary>The service's side of the keeper's socket, with the kernel stood in for: the descriptor is a plain file.</summary>
public sealed class MountHostTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new("mounts");
    private readonly StandInKernel _kernel = new();
    private DataLayerService _service = null!;

    private string SocketPath => _folder.Combine("state", "keeper.sock");

    public async Task InitializeAsync()
    {
        // A socket that a killed service left is in the way.
        Directory.CreateDirectory(_folder.Combine("state"));
        using (Socket stale = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            stale.Bind(new UnixDomainSocketEndPoint(SocketPath));
        }

        await StartAsync();
    }

    public async Task DisposeAsync()
    {
        await _service.StopAsync();
        await _service.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_mount_is_served_listed_and_released_when_its_keeper_leaves()
    {
        using KeeperChannel keeper = await GreetAsync(Hello());
        Assert.True((await WelcomeAsync(keeper)).Ok);

        StandInMount mount = Assert.Single(_kernel.Mounts);
        MountReport report = Assert.Single(List());
        Assert.Equal(("/", "/mnt/x", 7), (report.TreePath, report.MountPoint, report.KeeperProcessId));

        await keeper.SendAsync(KeeperFrameKind.Leave, "{}"u8.ToArray(), null, default);
        await mount.Stopped;
        Assert.Null(await keeper.ReceiveAsync(default));
        Assert.True(mount.Start.Device.IsClosed);
        Assert.Empty(List());
    }

    [Fact]
    public async Task A_keepers_death_stops_the_mount_and_closes_its_descriptor()
    {
        KeeperChannel keeper = await GreetAsync(Hello());
        await WelcomeAsync(keeper);
        StandInMount mount = Assert.Single(_kernel.Mounts);

        keeper.Dispose();

        await mount.Stopped;
        Assert.True(SpinWait.SpinUntil(() => mount.Start.Device.IsClosed, TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public async Task The_kernels_end_of_the_mount_is_told_to_the_keeper()
    {
        using KeeperChannel keeper = await GreetAsync(Hello());
        await WelcomeAsync(keeper);

        Assert.Single(_kernel.Mounts).End();

        using KeeperFrame ended = (await keeper.ReceiveAsync(default))!;
        Assert.Equal(KeeperFrameKind.Ended, ended.Kind);
        Assert.Null(await keeper.ReceiveAsync(default));
    }

    [Fact]
    public async Task A_stop_of_the_service_is_no_end_of_the_mount_and_the_next_service_takes_it_over()
    {
        using KeeperChannel keeper = await GreetAsync(Hello());
        await WelcomeAsync(keeper);
        StandInMount mount = Assert.Single(_kernel.Mounts);

        await _service.StopAsync();
        Assert.Null(await keeper.ReceiveAsync(default));
        await mount.Stopped;
        Assert.False(File.Exists(SocketPath));
        await _service.DisposeAsync();
        await StartAsync();

        using KeeperChannel again = await GreetAsync(Hello() with { Negotiated = [1, 2, 3], TakeoverCount = 1 });
        Assert.True((await WelcomeAsync(again)).Ok);
        Assert.Equal([1, 2, 3], _kernel.Mounts[^1].Start.Hello.Negotiated);
        Assert.Equal(1, Assert.Single(List()).TakeoverCount);
    }

    [Fact]
    public async Task A_keeper_that_comes_again_takes_the_place_of_its_earlier_connection()
    {
        using KeeperChannel first = await GreetAsync(Hello());
        await WelcomeAsync(first);
        using KeeperChannel second = await GreetAsync(Hello() with { Negotiated = [1], TakeoverCount = 1 });
        Assert.True((await WelcomeAsync(second)).Ok);

        await _kernel.Mounts[0].Stopped;
        Assert.Null(await first.ReceiveAsync(default));
        Assert.Equal(1, Assert.Single(List()).TakeoverCount);
    }

    [Fact]
    public async Task What_the_kernel_agreed_to_reaches_the_keeper_before_the_welcome()
    {
        _kernel.Agreed = [9, 8, 7];
        using KeeperChannel keeper = await GreetAsync(Hello());

        using KeeperFrame frame = (await keeper.ReceiveAsync(default))!;
        Assert.Equal(KeeperFrameKind.Negotiated, frame.Kind);
        Assert.Equal([9, 8, 7], KeeperPayload.Read(frame.Payload.Span, KeeperJson.Default.KeeperNegotiated).Negotiated);
        Assert.True((await WelcomeAsync(keeper)).Ok);
    }

    [Theory]
    [InlineData("{\"mountId\":\"short\",\"treePath\":\"/\",\"mountPoint\":\"/m\"}", "16 hexadecimal")]
    [InlineData("{\"mountId\":\"0123456789abcdef\",\"treePath\":\"/a/../b\",\"mountPoint\":\"/m\"}", "..")]
    [InlineData("{\"mountId\":\"0123456789abcdef\",\"treePath\":\"/\",\"mountPoint\":\"/m\",\"takeoverCount\":3}", "takeover count")]
    [InlineData("{\"mountId\":", "KeeperHello")]
    public async Task A_hello_that_does_not_hold_is_refused_with_the_reason(string hello, string reason)
    {
        using KeeperChannel keeper = await KeeperChannel.ConnectAsync(SocketPath, time: null, CancellationToken.None);
        using SafeFileHandle device = File.OpenHandle(_folder.Combine("device"), FileMode.OpenOrCreate);
        await keeper.SendAsync(KeeperFrameKind.Hello, System.Text.Encoding.UTF8.GetBytes(hello), device, default);

        KeeperWelcome answer = await WelcomeAsync(keeper);
        Assert.False(answer.Ok);
        Assert.Contains(reason, answer.Error, StringComparison.Ordinal);
        Assert.Null(await keeper.ReceiveAsync(default));
        Assert.Empty(_kernel.Mounts);
    }

    [Fact]
    public async Task A_hello_without_its_descriptor_is_refused()
    {
        using KeeperChannel keeper = await KeeperChannel.ConnectAsync(SocketPath, time: null, CancellationToken.None);
        await keeper.SendAsync(
            KeeperFrameKind.Hello, KeeperPayload.Write(Hello(), KeeperJson.Default.KeeperHello), null, default);
        Assert.Contains("descriptor", (await WelcomeAsync(keeper)).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_begins_with_another_frame_or_protocol_is_closed_and_the_next_is_served()
    {
        using (KeeperChannel ping = await KeeperChannel.ConnectAsync(SocketPath, time: null, CancellationToken.None))
        {
            await ping.SendAsync(KeeperFrameKind.Ping, default, null, default);
            Assert.Contains("Hello", (await WelcomeAsync(ping)).Error, StringComparison.Ordinal);
        }

        using (Socket web = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            await web.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath));
            await web.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        }

        using KeeperChannel keeper = await GreetAsync(Hello());
        Assert.True((await WelcomeAsync(keeper)).Ok);
    }

    [Fact]
    public async Task What_the_mount_refuses_is_told_to_the_keeper_with_its_code()
    {
        _kernel.Refusal = new DataLayerException(ErrorCode.NotFound, "There is no '/data'. Make it.");
        using KeeperChannel keeper = await GreetAsync(Hello());
        KeeperWelcome answer = await WelcomeAsync(keeper);
        Assert.Equal((false, ErrorCode.NotFound, "There is no '/data'. Make it."), (answer.Ok, answer.Code, answer.Error));
        Assert.Empty(List());
    }

    [Fact]
    public async Task Passthrough_is_asked_of_the_keeper_and_fails_with_it()
    {
        KeeperChannel keeper = await GreetAsync(Hello());
        await WelcomeAsync(keeper);
        BackingClient backing = Assert.Single(_kernel.Mounts).Start.Backing;
        await File.WriteAllTextAsync(_folder.Combine("hot"), "hot bytes");
        using SafeFileHandle hot = File.OpenHandle(_folder.Combine("hot"));

        Task<int> opening = backing.OpenAsync("5.1", hot, default).AsTask();
        using (KeeperFrame asked = (await keeper.ReceiveAsync(default))!)
        {
            KeeperBackingRequest request = KeeperPayload.Read(asked.Payload.Span, KeeperJson.Default.KeeperBackingRequest);
            using SafeFileHandle received = asked.TakeDescriptor();
            Assert.Equal((KeeperFrameKind.BackingOpen, "5.1", 9), (asked.Kind, request.Key, RandomAccess.GetLength(received)));
            await AnswerAsync(keeper, new KeeperBackingAnswer { RequestId = request.RequestId, BackingId = 12 });
        }

        Assert.Equal(12, await opening);
        opening = backing.OpenAsync("6.1", hot, default).AsTask();
        using (KeeperFrame asked = (await keeper.ReceiveAsync(default))!)
        {
            long id = KeeperPayload.Read(asked.Payload.Span, KeeperJson.Default.KeeperBackingRequest).RequestId;
            await AnswerAsync(keeper, new KeeperBackingAnswer { RequestId = id, Errno = 40 });
        }

        Assert.Equal(ErrorCode.NotSupported, (await Assert.ThrowsAsync<DataLayerException>(() => opening)).Code);
        opening = backing.OpenAsync("7.1", hot, default).AsTask();
        using (KeeperFrame unanswered = (await keeper.ReceiveAsync(default))!)
        {
            keeper.Dispose();
        }

        Assert.Equal(ErrorCode.OriginUnavailable, (await Assert.ThrowsAsync<DataLayerException>(() => opening)).Code);
        await Assert.ThrowsAsync<DataLayerException>(async () => await backing.OpenAsync("8.1", hot, default));
    }

    [Fact]
    public void The_socket_is_its_users_alone()
    {
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(SocketPath));
    }

    [Fact]
    public async Task A_state_folder_too_deep_for_a_socket_turns_mounts_off_and_nothing_else()
    {
        using TempFolder deep = new(new string('d', 100));
        await using DataLayerService service = DataLayerService.Build(RunningService.Configure(deep));
        await service.StartAsync(CancellationToken.None);

        MountList list = service.Services.GetRequiredService<MountHost>().List();
        Assert.Contains("shorter stateDirectory", list.Unavailable, StringComparison.Ordinal);
        await service.StopAsync();
    }

    [Fact]
    public void The_status_puts_the_kernels_table_and_the_services_list_together()
    {
        MountEntry[] entries =
        [
            Entry("/mnt/served", "a"), Entry("/mnt/waiting", "b"), Entry("/mnt/dead", "c"),
        ];
        MountReport[] reports = [Report("a", "/mnt/served"), Report("z", "/mnt/detached")];

        IReadOnlyList<MountStatus> all = MountStatusCommand.Merge(
            entries, reports, record => record.EndsWith("/b", StringComparison.Ordinal));

        Assert.Equal(
            [
                ("/mnt/served", MountState.Served), ("/mnt/waiting", MountState.Waiting), ("/mnt/dead", MountState.Dead),
                ("/mnt/detached", MountState.Elsewhere),
            ],
            all.Select(status => (status.MountPoint, status.State)));
    }

    private static MountEntry Entry(string at, string id) => new("0:1", at, "rw", "fuse.datalayer", "/state/mounts/" + id);

    private static MountReport Report(string id, string at) => new()
    {
        MountId = id,
        TreePath = "/",
        MountPoint = at,
        Protocol = "7.45",
        Paths = [],
        Requests = new Dictionary<string, long>(StringComparer.Ordinal),
    };

    private static KeeperHello Hello() => new()
    {
        MountId = "0123456789abcdef",
        TreePath = "/",
        MountPoint = "/mnt/x",
        KeeperProcessId = 7,
    };

    private static ValueTask AnswerAsync(KeeperChannel keeper, KeeperBackingAnswer answer) => keeper.SendAsync(
        KeeperFrameKind.BackingAnswer, KeeperPayload.Write(answer, KeeperJson.Default.KeeperBackingAnswer), null, default);

    private static async Task<KeeperWelcome> WelcomeAsync(KeeperChannel keeper)
    {
        while (true)
        {
            using KeeperFrame frame = (await keeper.ReceiveAsync(default))!;
            if (frame.Kind == KeeperFrameKind.Welcome)
            {
                return KeeperPayload.Read(frame.Payload.Span, KeeperJson.Default.KeeperWelcome);
            }
        }
    }

    private async Task StartAsync()
    {
        _service = DataLayerService.Build(
            RunningService.Configure(_folder), services => services.AddSingleton<MountStarter>(_kernel.StartAsync));
        await _service.StartAsync(CancellationToken.None);
    }

    private async Task<KeeperChannel> GreetAsync(KeeperHello hello)
    {
        KeeperChannel keeper = await KeeperChannel.ConnectAsync(SocketPath, time: null, CancellationToken.None);
        using SafeFileHandle device = File.OpenHandle(_folder.Combine("device"), FileMode.OpenOrCreate);
        await keeper.SendAsync(KeeperFrameKind.Hello, KeeperPayload.Write(hello, KeeperJson.Default.KeeperHello), device, default);
        return keeper;
    }

    private IReadOnlyList<MountReport> List() => _service.Services.GetRequiredService<MountHost>().List().Mounts;

    private sealed class StandInKernel
    {
        public List<StandInMount> Mounts { get; } = [];

        public byte[] Agreed { get; set; } = [0];

        public DataLayerException? Refusal { get; set; }

        public async Task<IRunningMount> StartAsync(MountStart start, CancellationToken cancellationToken)
        {
            if (Refusal is { } refusal)
            {
                throw refusal;
            }

            if (start.Hello.Negotiated.Length == 0)
            {
                await start.OnNegotiated(Agreed, cancellationToken);
            }

            StandInMount mount = new(start);
            Mounts.Add(mount);
            return mount;
        }
    }

    private sealed class StandInMount(MountStart start) : IRunningMount
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public MountStart Start => start;

        public Task Ended => _ended.Task;

        public Task Stopped => _stopped.Task;

        public void End() => _ended.TrySetResult();

        public MountReport Describe() => Report(start.Hello.MountId, start.Hello.MountPoint);

        public ValueTask StopAsync()
        {
            _ended.TrySetResult();
            _stopped.TrySetResult();
            return ValueTask.CompletedTask;
        }
    }
}
