using DataLayer.Core.Errors;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Keeper;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Keeper;

public sealed class MountRecordTests
{
    private static readonly KeeperHello _mount = new() { MountId = "00ff", TreePath = "/", MountPoint = "/mnt/x" };

    [Fact]
    public void A_record_lives_as_long_as_its_keeper_and_is_gone_after()
    {
        using TempFolder state = new("record");
        string path;
        using (MountRecord record = MountRecord.Create(state.Path, _mount))
        {
            path = record.Path;
            Assert.True(MountRecord.IsAlive(path));
            Assert.Equal([path], MountRecord.ListAlive(state.Path));
            Assert.Equal("/mnt/x", MountRecord.TryRead(path)!.MountPoint);
        }

        Assert.False(MountRecord.IsAlive(path));
        Assert.False(File.Exists(path));
        Assert.Empty(MountRecord.ListAlive(state.Path));
    }

    [Fact]
    public void A_record_without_a_lock_is_a_dead_keepers_and_is_cleaned()
    {
        using TempFolder state = new("record");
        using MountRecord living = MountRecord.Create(state.Path, _mount);
        string dead = state.Combine("mounts", "dead");
        File.WriteAllText(dead, "{}");

        Assert.False(MountRecord.IsAlive(dead));
        Assert.Equal([living.Path], MountRecord.ListAlive(state.Path));
        Assert.Empty(StaleMounts.Clean(state.Path));
        Assert.False(File.Exists(dead));
        Assert.True(File.Exists(living.Path));
    }

    [Fact]
    public void A_state_folder_without_mounts_has_none() =>
        Assert.Empty(MountRecord.ListAlive("/nowhere/at/all"));

    [Fact]
    public void A_state_folder_that_cannot_be_written_is_a_fault_that_names_it()
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(() => MountRecord.Create("/proc/nowhere", _mount));
        Assert.Contains("/proc/nowhere", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mounts_name_tells_its_state_folder_from_another_at_the_same_path()
    {
        using TempFolder folder = new("record");
        string state = folder.MakeFolder("state");
        string id = MountRecord.NewId(state);
        string mark = MountRecord.MarkOf(state);
        string source = Path.Combine(state, "mounts", id);
        Assert.Matches("^[0-9a-f]{16}$", id);
        Assert.NotEqual(id, MountRecord.NewId(state));
        Assert.True(MountRecord.IsOf(source, state, mark));

        Directory.Move(state, folder.Combine("moved"));
        Directory.CreateDirectory(state);
        Assert.NotEqual(mark, MountRecord.MarkOf(state));
        Assert.Equal(mark, MountRecord.MarkOf(folder.Combine("moved")));
        Assert.False(MountRecord.IsOf(source, state, MountRecord.MarkOf(state)));
        Assert.Throws<DataLayerException>(() => MountRecord.MarkOf(folder.Combine("absent")));
    }
}
