using DataLayer.Core.Errors;
using DataLayer.Keeper;
using DataLayer.Keeper.Mounts;

namespace DataLayer.Tests.Keeper;

public sealed class MountFlagsTests
{
    [Fact]
    public void Set_user_ids_and_devices_are_off_unless_asked_for()
    {
        Assert.Equal(6u, MountFlags.Parse([]).Kernel);
        Assert.Equal(0u, MountFlags.Parse(["suid,dev"]).Kernel);
        Assert.Equal(1u | 6u | 8u | 1024u, MountFlags.Parse(["ro,noexec", "noatime"]).Kernel);
    }

    [Fact]
    public void Later_options_win_and_named_values_go_to_the_service()
    {
        MountFlags flags = MountFlags.Parse(["ro,rw", "noallow_other,attr_timeout=5s", "attr_timeout=1s"]);
        Assert.False(flags.ReadOnly);
        Assert.False(flags.AllowOther);
        Assert.Equal("1s", flags.Service["attr_timeout"]);
        Assert.True(flags.WithReadOnly(true).ReadOnly);
    }

    [Theory]
    [InlineData("bogus")]
    [InlineData("=value")]
    [InlineData("ro,sync")]
    public void A_word_that_is_no_option_is_refused_by_name(string list)
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(() => MountFlags.Parse([list]));
        Assert.Contains(list.Split(',')[^1], fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("state", "/", "/mnt", 60, "absolute")]
    [InlineData("/state", "data", "/mnt", 60, "start with")]
    [InlineData("/state", "/", "", 60, "no folder")]
    [InlineData("/state", "/", "/mnt", 0, "takeover timeout")]
    [InlineData("/state", "/", "/mnt", 100_000, "takeover timeout")]
    public void Options_out_of_range_are_refused_before_anything_is_mounted(
        string state, string tree, string mountPoint, double seconds, string reason)
    {
        MountKeeperOptions options = new()
        {
            StateFolder = state,
            TreePath = tree,
            MountPoint = mountPoint,
            TakeoverTimeout = TimeSpan.FromSeconds(seconds),
        };
        DataLayerException fault = Assert.Throws<DataLayerException>(options.Validate);
        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_path_longer_than_the_kernel_takes_is_refused()
    {
        MountKeeperOptions options = new() { StateFolder = "/" + new string('s', 100), TreePath = "/", MountPoint = "/mnt" };
        Assert.Contains("107", Assert.Throws<DataLayerException>(options.Validate).Message, StringComparison.Ordinal);
    }
}
