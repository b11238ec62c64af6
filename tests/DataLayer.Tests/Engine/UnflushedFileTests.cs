using DataLayer.Core.Identity;
using DataLayer.Engine.Files.State;
using DataLayer.TestSupport;

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
}
