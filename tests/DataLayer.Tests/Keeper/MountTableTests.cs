using DataLayer.Keeper.Mounts;

namespace DataLayer.Tests.Keeper;

public sealed class MountTableTests
{
    private const string State = "/var/lib/datalayer";

    private const string Mark = "0000beef";

    private const string Text = """
        22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
        40 22 0:39 / /mnt/alive rw,nosuid,nodev,relatime shared:7 master:2 - fuse.datalayer /var/lib/datalayer/mounts/0000beefaaaaaaaa rw,user_id=0
        41 22 0:40 / /mnt/with\040space\011tab\134 ro,nosuid - fuse.datalayer /var/lib/datalayer/mounts/0000beefbbbbbbbb ro,user_id=0
        42 22 0:41 / /mnt/other rw - fuse.datalayer /srv/other/mounts/0000beefcccccccc rw
        43 22 0:42 / /mnt/s3fs rw - fuse.s3fs s3fs rw
        44 40 0:43 / /mnt/alive/inner rw - fuse.datalayer /var/lib/datalayer/mounts/0000beefdddddddd rw
        45 22 0:44 /sub /mnt/größe rw - tmpfs tmpfs rw
        not a line of the table
        46 22 0:45 / /cut rw
        """;

    [Fact]
    public void Each_line_gives_point_type_source_and_device_with_escapes_undone()
    {
        IReadOnlyList<MountEntry> entries = MountTable.Parse(Text);

        Assert.Equal(7, entries.Count);
        Assert.Equal(
            new MountEntry("0:40", "/mnt/with space\ttab\\", "ro,nosuid", "fuse.datalayer", State + "/mounts/0000beefbbbbbbbb"), entries[2]);
        Assert.Equal(
            new MountEntry("0:39", "/mnt/alive", "rw,nosuid,nodev,relatime", "fuse.datalayer", State + "/mounts/0000beefaaaaaaaa"), entries[1]);
        Assert.True(entries[2].IsReadOnly);
        Assert.False(entries[1].IsReadOnly);
        Assert.Equal("/mnt/größe", entries[6].MountPoint);
        Assert.Equal(40, MountTable.MinorOf("0:40"));
    }

    [Fact]
    public void The_kernels_own_table_is_understood()
    {
        IReadOnlyList<MountEntry> entries = MountTable.Read();
        Assert.Equal(File.ReadLines("/proc/self/mountinfo").Count(), entries.Count);
        Assert.NotNull(MountTable.FindAt(entries, "/proc"));
    }

    [Fact]
    public void The_topmost_mount_at_a_path_is_the_one_that_counts()
    {
        IReadOnlyList<MountEntry> entries = MountTable.Parse("""
            1 0 0:1 / /m rw - tmpfs below rw
            2 1 0:2 / /m rw - tmpfs above rw
            """);
        Assert.Equal("above", MountTable.FindAt(entries, "/m")!.Source);
        Assert.Null(MountTable.FindAt(entries, "/m/x"));
    }

    [Fact]
    public void Only_mounts_of_dead_keepers_of_this_state_folder_are_stale_and_the_deepest_goes_first()
    {
        IReadOnlyList<MountEntry> stale = StaleMounts.Find(
            MountTable.Parse(Text), State, Mark, record => record.EndsWith("aaaa", StringComparison.Ordinal));
        Assert.Equal([State + "/mounts/0000beefdddddddd", State + "/mounts/0000beefbbbbbbbb"], stale.Select(entry => entry.Source));
    }

    [Fact]
    public void A_folder_whose_name_begins_alike_is_another_state_folder() =>
        Assert.Empty(StaleMounts.Find(MountTable.Parse(Text), "/var/lib/data", Mark, _ => false));

    [Fact]
    public void Mounts_of_another_folder_at_the_same_path_are_not_ours() =>
        Assert.Empty(StaleMounts.Find(MountTable.Parse(Text), State, "12345678", _ => false));
}
