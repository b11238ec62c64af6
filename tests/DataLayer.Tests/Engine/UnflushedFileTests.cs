using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Files.State;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.Tests.Engine;

public sealed class UnflushedFileTests
{
    private const long MiB = 1 << 20;

    [Fact]
    public void What_was_left_survives_a_change_of_the_setting_and_the_file_changes_when_nothing_is_left()
    {
        using TempFolder folder = new("unflushed");
        string path = folder.Combine("unflushed");
        ContentId content = new(new InodeId(7), 3);
        using (UnflushedFile file = UnflushedFile.Open(path, 8 * MiB))
        {
            file.Publish(file.TakeSlot(), content, 12345, 99);
        }

        using (UnflushedFile file = UnflushedFile.Open(path, 4 * MiB))
        {
            UnflushedRecord left = Assert.Single(file.ListLeft());
            Assert.Equal(content, left.Content);
            Assert.Equal(12345, left.SizeBytes);
            Assert.Equal(8 * MiB, file.AreaBytes);
            file.FreeSlot(left.Slot);
        }

        using (UnflushedFile file = UnflushedFile.Open(path, 4 * MiB))
        {
            Assert.Empty(file.ListLeft());
            Assert.Equal(4 * MiB, file.AreaBytes);
        }
    }

    [Fact]
    public void On_a_full_disk_it_is_refused_with_the_remedy_and_made_once_there_is_room()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(12);
        string path = Path.Combine(disk.Path, "unflushed");
        string ballast = Path.Combine(disk.Path, "ballast");
        File.WriteAllBytes(ballast, new byte[8 * MiB]);
        DataLayerException refused = Assert.Throws<DataLayerException>(() => UnflushedFile.Open(path, 6 * MiB));
        Assert.Equal(ErrorCode.NoSpace, refused.Code);
        Assert.Contains("set engine.unflushed lower", refused.Message, StringComparison.Ordinal);
        File.Delete(ballast);
        using UnflushedFile file = UnflushedFile.Open(path, 6 * MiB);
        Assert.Equal(6 * MiB, file.AreaBytes);
    }

    [Fact]
    public void A_disk_that_fills_up_later_takes_nothing_from_what_is_staged()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(8);
        string path = Path.Combine(disk.Path, "unflushed");
        using UnflushedFile file = UnflushedFile.Open(path, 4 * MiB);
        using (FileStream ballast = File.Create(Path.Combine(disk.Path, "ballast"), bufferSize: 1))
        {
            Assert.ThrowsAny<IOException>(void () => Fill(ballast));
        }

        // Without its pages set aside, the first touch of one would end the process (SIGBUS).
        int count = 0;
        for (int slot = file.TakeSlot(); slot >= 0 && file.TryGrow(slot, 64 << 10, 0); slot = file.TakeSlot())
        {
            Span<byte> bytes = file.SpanOf(file.ExtentOf(slot));
            bytes.Fill((byte)slot);
            Assert.Equal(-1, bytes.IndexOfAnyExcept((byte)slot));
            count++;
        }

        Assert.InRange(count, 32, 64);
    }

    private static void Fill(FileStream file)
    {
        while (true)
        {
            file.Write(new byte[64 << 10]);
        }
    }
}
