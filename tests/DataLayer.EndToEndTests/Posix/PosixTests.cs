using DataLayer.TestSupport.Mounts;

namespace DataLayer.EndToEndTests.Posix;

/// <summary>The suite itself: written once, run on each file system.</summary>
public sealed class PosixSuiteTests
{
    [Fact]
    public void The_suite_has_four_hundred_checks_and_more() => Assert.InRange(PosixSuite.Names.Count, 400, int.MaxValue);

    [Fact]
    public void Every_difference_that_is_listed_is_of_a_check_that_exists()
    {
        Assert.NotEmpty(PosixDifferences.All);
        Assert.All(PosixDifferences.All, row =>
        {
            Assert.Contains(PosixSuite.Names, name => PosixDifferences.Lists(name, row.Where) && name.StartsWith(row.Check, StringComparison.Ordinal));
            Assert.Contains(row.Where, new[] { "tmpfs", "mount" });
        });
    }
}

/// <summary>The checks hold on ext4, the file system applications are written for.</summary>
public sealed class PosixExt4Tests(PosixExt4Tests.Place place) : IClassFixture<PosixExt4Tests.Place>
{
    public static TheoryData<string> Checks => [.. PosixSuite.Names];

    [Theory]
    [MemberData(nameof(Checks))]
    public void Holds_on_ext4(string check) => PosixSuite.Run(check, place.Disk.Path);

    public sealed class Place : IDisposable
    {
        internal SmallFilesystem Disk { get; } = SmallFilesystem.Ext4(1024);

        public void Dispose() => Disk.Dispose();
    }
}

/// <summary>What was written on ext4 is there after a remount with a cold cache.</summary>
public sealed class PosixExt4RemountTests(PosixExt4RemountTests.Place place) : IClassFixture<PosixExt4RemountTests.Place>
{
    public static TheoryData<string> Checks => [.. PosixSuite.TwoPhaseNames];

    [Theory]
    [MemberData(nameof(Checks))]
    public void Holds_on_ext4_after_a_remount(string check) => place.Verify[check]();

    public sealed class Place : IDisposable
    {
        private readonly SmallFilesystem _disk = SmallFilesystem.Ext4(1024);

        public Place()
        {
            Verify = PosixSuite.WriteAll(_disk.Path);
            _disk.Remount();
        }

        internal IReadOnlyDictionary<string, Action> Verify { get; }

        public void Dispose() => _disk.Dispose();
    }
}

/// <summary>The checks hold on tmpfs.</summary>
public sealed class PosixTmpfsTests(PosixTmpfsTests.Place place) : IClassFixture<PosixTmpfsTests.Place>
{
    public static TheoryData<string> Checks => [.. PosixSuite.Names];

    [Theory]
    [MemberData(nameof(Checks))]
    public void Holds_on_tmpfs(string check) => PosixDifferences.Run(check, "tmpfs", () => PosixSuite.Run(check, place.Memory.Path));

    public sealed class Place : IDisposable
    {
        internal SmallFilesystem Memory { get; } = SmallFilesystem.Tmpfs(1024);

        public void Dispose() => Memory.Dispose();
    }
}
