using DataLayer.TestSupport.Mounts;

namespace DataLayer.EndToEndTests.Posix;

/// <summary>The checks hold on a mount, but for those that docs/SEMANTICS.md lists with a reason.</summary>
public sealed class PosixMountTests(PosixMountTests.Place place) : IClassFixture<PosixMountTests.Place>
{
    public static TheoryData<string> Checks => [.. PosixSuite.Names];

    [Theory]
    [MemberData(nameof(Checks))]
    public void Holds_on_a_mount(string check) => PosixDifferences.Run(check, "mount", () => PosixSuite.Run(check, place.Mount.Path));

    public sealed class Place : IDisposable
    {
        internal ServedTree Mount { get; } = new();

        public void Dispose() => Mount.Dispose();
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

    public sealed class Place : IDisposable
    {
        private readonly ServedTree _mount = new();

        public Place()
        {
            Verify = PosixSuite.WriteAll(_mount.Path);
            _mount.Remount();
        }

        internal IReadOnlyDictionary<string, Action> Verify { get; }

        public void Dispose() => _mount.Dispose();
    }
}
