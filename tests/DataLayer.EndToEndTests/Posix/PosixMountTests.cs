using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.EndToEndTests.Posix;

/// <summary>The checks hold on a mount, but for those that docs/SEMANTICS.md lists with a reason.</summary>
public sealed class PosixMountTests(PosixMountTests.Place place) : IClassFixture<PosixMountTests.Place>
{
    public static TheoryData<string> Checks => [.. PosixSuite.Names];

    [Theory]
    [MemberData(nameof(Checks))]
    public void Holds_on_a_mount(string check) => PosixDifferences.Run(check, "mount", () => PosixSuite.Run(check, place.Mount.Path));

    public sealed class Place : IAsyncLifetime
    {
        internal PosixMount Mount { get; private set; } = null!;

        public async Task InitializeAsync() => Mount = await PosixMount.StartAsync();

        public async Task DisposeAsync() => await Mount.DisposeAsync();
    }
}

/// <summary>What was written on a mount is there after a remount with a cold cache.</summary>
public sealed class PosixMountRemountTests(PosixMountRemountTests.Place place) : IClassFixture<PosixMountRemountTests.Place>
{
    public static TheoryData<string> Checks => [.. PosixSuite.TwoPhaseNames];

    [Theory]
    [MemberData(nameof(Checks))]
    public void Holds_on_a_mount_after_a_remount(string check) =>
        PosixDifferences.Run(check, "mount", () => place.Verify[check]());

    public sealed class Place : IAsyncLifetime
    {
        private PosixMount? _mount;

        internal IReadOnlyDictionary<string, Action> Verify { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            _mount = await PosixMount.StartAsync();
            Verify = PosixSuite.WriteAll(_mount.Path);
            await _mount.RemountAsync();
        }

        public async Task DisposeAsync() => await _mount!.DisposeAsync();
    }
}

/// <summary>A service and a mount of its whole tree, with set-id bits and devices honoured as on any local file system.</summary>
internal sealed class PosixMount : IAsyncDisposable
{
    private readonly Installation _it;
    private KeptMount? _mount;

    private PosixMount(Installation it) => _it = it;

    /// <summary>Where it is mounted.</summary>
    internal string Path => _it.Folder.Combine("mnt");

    internal static async Task<PosixMount> StartAsync()
    {
        PosixMount made = new(await Installation.StartAsync());
        await made.MountAsync();
        return made;
    }

    /// <summary>Unmounts, starts the service anew, so that nothing is left in memory, and mounts again.</summary>
    internal async Task RemountAsync()
    {
        Assert.Equal(0, await _mount!.SignalAsync(Signals.Terminate));
        Assert.Equal(0, await _it.Service.StopAsync());
        await _it.Service.RestartAsync();
        await MountAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_mount is not null)
        {
            await _mount.DisposeAsync();
        }

        await _it.DisposeAsync();
    }

    private async Task MountAsync() => _mount = await KeptMount.StartAsync(_it.Service.Endpoint, "/", Path, "-o", "suid,dev");
}
