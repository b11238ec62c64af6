using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>What changes below a read-write attachment owe the bucket, and in which order.</summary>
public abstract class TreeJournals : TreeConformance
{
    [Fact]
    public async Task A_new_file_is_uploaded_under_its_key()
    {
        await using TreeFixture t = await OpenAsync();
        await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.MakeFolderAsync("/d/x");
        InodeAttributes file = await t.PublishAsync("/d/x/f");
        Assert.Equal(["upload p/x/f"], await t.JournalAsync());
        Assert.Equal("p/x/f", await t.Tree.GetObjectKeyAsync(file.Inode, default));
        await t.MakeFileAsync("/d/empty");
        Assert.Equal(["upload p/x/f", "upload p/empty"], await t.JournalAsync());
    }

    [Fact]
    public async Task Many_changes_of_a_file_are_one_upload()
    {
        await using TreeFixture t = await OpenAsync();
        await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.MakeFileAsync("/d/f");
        await t.PublishAsync("/d/f");
        InodeAttributes file = await t.PublishAsync("/d/f");
        await t.Tree.UpdateContentAsync(new ContentUpdate { Content = file.Content, ContentChanges = true }, default);
        Assert.Single(await t.Tree.ListJournalAsync(JournalKind.UploadObject, 0, 10, default));
    }

    [Fact]
    public async Task A_verified_upload_makes_the_file_premigrated()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        InodeAttributes file = await t.PublishAsync("/d/f");
        await UploadAsync(t, a, "e1");
        FileContent content = await t.ContentAsync("/d/f");
        Assert.Equal((TierState.Premigrated, "e1"), (content.Attributes.State, content.Object!.ETag));
        Assert.Equal(file.Version, content.Attributes.Version);
        Assert.Empty(await t.JournalAsync());
    }

    [Fact]
    public async Task A_content_that_changed_during_its_upload_is_uploaded_again_over_what_was_written()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        InodeAttributes file = await t.PublishAsync("/d/f");
        JournalEntry entry = await TakeOneAsync(t, JournalKind.UploadObject);
        await t.Tree.UpdateContentAsync(new ContentUpdate { Content = file.Content, ContentChanges = true }, default);
        Assert.False(await t.Tree.CompleteUploadAsync(entry.Id, file.Content, file.Version, Reference(a, "p/f", "e1"), default));
        Assert.Equal(["upload p/f [e1]"], await t.JournalAsync());
        Assert.Equal(TierState.Hot, (await t.ContentAsync("/d/f")).Attributes.State);
        await UploadAsync(t, a, "e2");
        Assert.Equal((TierState.Premigrated, "e2"), ((await t.ContentAsync("/d/f")).Attributes.State, (await t.ContentAsync("/d/f")).Object!.ETag));
    }

    [Fact]
    public async Task An_overwritten_object_is_uploaded_against_its_ETag()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f");
        await t.PublishAsync("/d/f");
        Assert.Equal(["upload p/f [e-f]"], await t.JournalAsync());
    }

    [Fact]
    public async Task Unlinking_deletes_the_object_once_no_reader_needs_it()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f");
        InodeAttributes orphan = await t.UnlinkAsync("/d/f");
        Assert.Equal(["delete p/f [e-f]"], await t.JournalAsync());
        Assert.Empty(await TakeAsync(t, JournalKind.DeleteObject));
        await t.Tree.ReleaseOrphanAsync(orphan.Inode, default);
        Assert.Equal("p/f", (await TakeOneAsync(t, JournalKind.DeleteObject)).Key);
    }

    [Fact]
    public async Task Unlinking_a_file_that_was_never_uploaded_asks_nothing_of_the_bucket()
    {
        await using TreeFixture t = await OpenAsync();
        await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.PublishAsync("/d/f");
        await t.UnlinkAsync("/d/f");
        Assert.Empty(await t.JournalAsync());
    }

    [Fact]
    public async Task Unlinking_during_an_upload_deletes_what_it_wrote()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        InodeAttributes file = await t.PublishAsync("/d/f");
        JournalEntry entry = await TakeOneAsync(t, JournalKind.UploadObject);
        await t.UnlinkAsync("/d/f");
        Assert.Equal(["delete p/f"], await t.JournalAsync());
        Assert.False(await t.Tree.CompleteUploadAsync(entry.Id, file.Content, file.Version, Reference(a, "p/f", "e1"), default));
        Assert.Equal(["delete p/f"], await t.JournalAsync());
    }

    [Fact]
    public async Task A_late_upload_is_deleted_where_nothing_is_journalled_any_more()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        InodeAttributes file = await t.PublishAsync("/d/f");
        JournalEntry entry = await TakeOneAsync(t, JournalKind.UploadObject);
        await t.UnlinkAsync("/d/f");
        await t.Tree.CompleteJournalAsync((await TakeOneAsync(t, JournalKind.DeleteObject)).Id, default);
        await t.Tree.CompleteUploadAsync(entry.Id, file.Content, file.Version, Reference(a, "p/f", "e1"), default);
        Assert.Equal(["delete p/f [e1]"], await t.JournalAsync());
    }

    [Fact]
    public async Task A_name_used_again_is_uploaded_over_the_object_that_was_to_go()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f");
        InodeAttributes old = await t.UnlinkAsync("/d/f");
        await t.PublishAsync("/d/f");
        Assert.Equal(["upload p/f [e-f]"], await t.JournalAsync());
        Assert.Empty(await TakeAsync(t, JournalKind.UploadObject));
        await t.Tree.ReleaseOrphanAsync(old.Inode, default);
        Assert.Single(await TakeAsync(t, JournalKind.UploadObject));
    }

    [Fact]
    public async Task A_delete_under_way_comes_before_the_upload_of_its_key()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f");
        InodeAttributes old = await t.UnlinkAsync("/d/f");
        await t.Tree.ReleaseOrphanAsync(old.Inode, default);
        JournalEntry delete = await TakeOneAsync(t, JournalKind.DeleteObject);
        await t.PublishAsync("/d/f");
        Assert.Equal(["delete p/f [e-f]", "upload p/f"], await t.JournalAsync());
        Assert.Empty(await TakeAsync(t, JournalKind.UploadObject));
        await t.Tree.CompleteJournalAsync(delete.Id, default);
        Assert.Single(await TakeAsync(t, JournalKind.UploadObject));
    }

    [Fact]
    public async Task A_renamed_object_is_uploaded_first_and_deleted_then()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f");
        await t.RenameAsync("/d/f", "/d/g");
        Assert.Equal(["upload p/g", "delete p/f [e-f]"], await t.JournalAsync());
        Assert.Empty(await TakeAsync(t, JournalKind.DeleteObject));
        await UploadAsync(t, a, "e2");
        FileContent moved = await t.ContentAsync("/d/g");
        Assert.Equal((TierState.Released, "p/g", "e2"), (moved.Attributes.State, moved.Object!.Key, moved.Object.ETag));
        Assert.Equal("p/f", (await TakeOneAsync(t, JournalKind.DeleteObject)).Key);
    }

    [Fact]
    public async Task A_new_file_renamed_is_uploaded_under_its_last_name_only()
    {
        await using TreeFixture t = await OpenAsync();
        await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.PublishAsync("/d/tmp");
        await t.RenameAsync("/d/tmp", "/d/final");
        Assert.Equal(["upload p/final"], await t.JournalAsync());
    }

    [Fact]
    public async Task Write_and_rename_over_replaces_the_object_in_one_step()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f");
        await t.PublishAsync("/d/f.tmp");
        RenameResult result = await t.RenameAsync("/d/f.tmp", "/d/f");
        Assert.Equal(["upload p/f [e-f]"], await t.JournalAsync());
        await t.Tree.ReleaseOrphanAsync(result.Replaced!.Inode, default);
        await UploadAsync(t, a, "e2");
        Assert.Equal("e2", (await t.ContentAsync("/d/f")).Object!.ETag);
        Assert.Empty(await t.JournalAsync());
    }

    [Fact]
    public async Task Renamed_back_before_anything_was_copied_nothing_is_owed()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f");
        await t.RenameAsync("/d/f", "/d/g");
        await t.RenameAsync("/d/g", "/d/f");
        Assert.Empty(await t.JournalAsync());
        Assert.Equal("p/f", (await t.ContentAsync("/d/f")).Object!.Key);
    }

    [Fact]
    public async Task Two_released_files_that_change_names_over_a_third_keep_their_bytes()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "a", "b");
        await t.RenameAsync("/d/a", "/d/t");
        await t.RenameAsync("/d/b", "/d/a");
        await t.RenameAsync("/d/t", "/d/b");
        await AssertBucketFollowsAsync(t, a, new() { ["p/a"] = "e-a", ["p/b"] = "e-b" }, new() { ["a"] = "e-b", ["b"] = "e-a" });
    }

    [Fact]
    public async Task Exchanging_names_needs_both_contents_hot()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "a");
        await t.PublishAsync("/d/b");
        await UploadAsync(t, a, "e-b");
        await FailsAsync(ErrorCode.CrossAttachment, () => t.RenameAsync("/d/a", "/d/b", RenameFlags.Exchange));
        FileContent content = await t.ContentAsync("/d/a");
        await t.Tree.UpdateContentAsync(
            new ContentUpdate
            {
                Content = content.Attributes.Content,
                Placement = TreeFixture.Place(content.Attributes.Content),
                SetResident = [0],
                State = TierState.Premigrated,
            },
            default);
        await t.RenameAsync("/d/a", "/d/b", RenameFlags.Exchange);
        Assert.Equal(TierState.Hot, (await t.ContentAsync("/d/a")).Attributes.State);
        Assert.Equal(TierState.Hot, (await t.ContentAsync("/d/b")).Attributes.State);
        await AssertBucketFollowsAsync(t, a, new() { ["p/a"] = "e-a", ["p/b"] = "e-b" }, new() { ["a"] = "hot", ["b"] = "hot" });
    }

    [Fact]
    public async Task A_renamed_folder_takes_all_its_objects_along()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "x/1", "x/y/2", "xx/3");
        await t.MakeFolderAsync("/d/to");
        await t.RenameAsync("/d/x", "/d/to/z");
        Assert.Equal(
            ["delete p/x/1 [e-x/1]", "delete p/x/y/2 [e-x/y/2]", "upload p/to/z/1", "upload p/to/z/y/2"],
            (await t.JournalAsync()).Order(StringComparer.Ordinal));
        await AssertBucketFollowsAsync(
            t,
            a,
            new() { ["p/x/1"] = "e-x/1", ["p/x/y/2"] = "e-x/y/2", ["p/xx/3"] = "e-xx/3" },
            new() { ["to/z/1"] = "e-x/1", ["to/z/y/2"] = "e-x/y/2", ["xx/3"] = "e-xx/3" });
    }

    [Fact]
    public async Task A_folder_with_more_files_than_the_limit_is_left_to_clients()
    {
        await using TreeFixture t = await OpenAsync(o => new TreeStoreOptions
        {
            DatabasePath = o.DatabasePath,
            Postgres = o.Postgres,
            FolderRenameLimit = 2,
        });
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "x/1", "x/2", "x/3", "y/1", "y/2");
        await FailsAsync(ErrorCode.CrossAttachment, () => t.RenameAsync("/d/x", "/d/z"));
        await t.RenameAsync("/d/y", "/d/z");
        Assert.Equal(["x", "z"], await t.NamesAsync("/d"));
    }

    [Fact]
    public async Task The_object_follows_the_name_that_stays_when_the_keyed_one_goes()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "f");
        InodeAttributes file = (await t.FindAsync("/d/f"))!;
        await t.Tree.LinkAsync(file.Inode, a.Folder, "other", default);
        Assert.Empty(await t.JournalAsync());
        await t.RenameAsync("/d/other", "/d/second");
        Assert.Empty(await t.JournalAsync());
        await t.UnlinkAsync("/d/f");
        Assert.Equal(["upload p/second", "delete p/f [e-f]"], await t.JournalAsync());
        Assert.Equal("p/second", await t.Tree.GetObjectKeyAsync(file.Inode, default));
    }

    [Fact]
    public async Task A_plain_file_moves_into_an_attachment_and_back()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.PublishAsync("/f");
        await t.RenameAsync("/f", "/d/f");
        Assert.Equal(["upload p/f"], await t.JournalAsync());
        await UploadAsync(t, a, "e1");
        await t.RenameAsync("/d/f", "/f");
        FileContent back = await t.ContentAsync("/f");
        Assert.Equal((TierState.Hot, null, 0L), (back.Attributes.State, back.Object, back.Attributes.AttachmentId));
        Assert.Equal(["delete p/f [e1]"], await t.JournalAsync());
    }

    [Fact]
    public async Task What_cannot_cross_attachments_in_one_transaction_is_left_to_clients()
    {
        await using TreeFixture t = await OpenAsync();
        Attachment a = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.AttachAsync("/e", AttachmentMode.ReadWrite);
        await t.ImportAsync(a, "released", "x/");
        InodeAttributes linked = await t.PublishAsync("/d/linked");
        await t.Tree.LinkAsync(linked.Inode, a.Folder, "linked2", default);
        await FailsAsync(ErrorCode.CrossAttachment, () => t.RenameAsync("/d/released", "/f"));
        await FailsAsync(ErrorCode.CrossAttachment, () => t.RenameAsync("/d/x", "/x"));
        await FailsAsync(ErrorCode.CrossAttachment, () => t.RenameAsync("/d/linked", "/e/linked"));
        await FailsAsync(ErrorCode.CrossAttachment, async () => await t.Tree.LinkAsync(linked.Inode, InodeId.Root, "l", default));
        await t.RenameAsync("/d/released", "/e/released");
        Assert.Contains("upload p/released", await t.JournalAsync());
        Assert.Contains("delete p/released [e-released]", await t.JournalAsync());
        Assert.Equal(a.Id, (await t.ContentAsync("/e/released")).Object!.AttachmentId);
    }

    [Fact]
    public async Task A_key_longer_than_a_store_holds_is_refused_when_the_name_is_made()
    {
        await using TreeFixture t = await OpenAsync();
        await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        string path = "/d";
        for (int i = 0; i < 4; i++)
        {
            path += "/" + new string((char)('a' + i), 250);
            await t.MakeFolderAsync(path);
        }

        await t.MakeFileAsync(path + "/" + new string('f', 18));
        await FailsAsync(ErrorCode.NameTooLong, () => t.MakeFileAsync(path + "/" + new string('f', 19)));
        await FailsAsync(ErrorCode.NameTooLong, () => t.PublishAsync(path + "/" + new string('f', 19)));
    }

    [Fact]
    public async Task Taken_work_is_not_handed_out_again_until_its_lease_ends_or_the_store_restarts()
    {
        await using TreeFixture t = await OpenAsync();
        await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.PublishAsync("/d/f");
        Assert.Single(await TakeAsync(t, JournalKind.UploadObject));
        Assert.Empty(await TakeAsync(t, JournalKind.UploadObject));
        t.Clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Single(await TakeAsync(t, JournalKind.UploadObject));
        await t.ReopenAsync();
        Assert.Single(await TakeAsync(t, JournalKind.UploadObject));
    }

    [Fact]
    public async Task Postponed_work_comes_back_at_its_time_with_its_failures_counted()
    {
        await using TreeFixture t = await OpenAsync();
        await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        await t.PublishAsync("/d/f");
        JournalEntry entry = await TakeOneAsync(t, JournalKind.UploadObject);
        await t.Tree.PostponeJournalAsync(entry.Id, t.Clock.NowNanoseconds + 1000, default);
        Assert.Empty(await TakeAsync(t, JournalKind.UploadObject));
        t.Clock.Advance(TimeSpan.FromMicroseconds(2));
        Assert.Equal(1, (await TakeOneAsync(t, JournalKind.UploadObject)).FailureCount);
    }

    [Fact]
    public async Task Added_entries_are_announced_after_their_commit()
    {
        await using TreeFixture t = await OpenAsync();
        await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        int seen = 0;
        t.Tree.JournalAdded = kinds => Interlocked.Or(ref seen, kinds);
        await t.MakeFolderAsync("/x");
        Assert.Equal(0, seen);
        await t.PublishAsync("/d/f");
        await t.UnlinkAsync("/d/f");
        Assert.Equal((1 << (int)JournalKind.UploadObject) | (1 << (int)JournalKind.PendingWrite), seen);
    }

    [Fact]
    public async Task Entries_of_callers_are_kept_until_completed()
    {
        await using TreeFixture t = await OpenAsync();
        ContentId content = new(new InodeId(5), 1);
        long id = await t.Tree.AddJournalAsync(
            new JournalEntry { Kind = JournalKind.DeleteHotCopy, Content = content, Placement = "segment:p:1:0:1:1" }, default);
        await t.ReopenAsync();
        Assert.Equal(id, Assert.Single(await t.Tree.ListJournalOfAsync(content.Inode, default)).Id);
        Assert.Equal(1, await t.Tree.CountJournalAsync(JournalKind.DeleteHotCopy, default));
        await t.Tree.CompleteJournalAsync(id, default);
        await t.Tree.CompleteJournalAsync(id, default);
        Assert.Empty(await t.JournalAsync());
    }

    private static ObjectReference Reference(Attachment a, string key, string etag) => new(a.Id, key, etag, null, 100);

    private static async Task<IReadOnlyList<JournalEntry>> TakeAsync(TreeFixture t, JournalKind kind) =>
        await t.Tree.TakeJournalAsync(kind, TimeSpan.FromMinutes(1), 100, default);

    private static async Task<JournalEntry> TakeOneAsync(TreeFixture t, JournalKind kind) => Assert.Single(await TakeAsync(t, kind));

    private static async Task UploadAsync(TreeFixture t, Attachment a, string etag)
    {
        JournalEntry entry = await TakeOneAsync(t, JournalKind.UploadObject);
        InodeAttributes file = (await t.Tree.GetAsync(entry.Content.Inode, default))!;
        Assert.True(await t.Tree.CompleteUploadAsync(entry.Id, file.Content, file.Version, Reference(a, entry.Key, etag), default));
    }

    /// <summary>
    /// Plays the workers over a bucket given as key → bytes until the journal is empty, and compares the bucket with what the tree should make of it. A
    /// file that is hot as a whole uploads "hot"; any other copies the bytes its object has, and fails the test where they are not what they were.
    /// </summary>
    private static async Task AssertBucketFollowsAsync(
        TreeFixture t, Attachment a, Dictionary<string, string> bucket, Dictionary<string, string> expected)
    {
        Dictionary<InodeId, string> bytesOf = [];
        foreach (FileContent file in (await t.Tree.WalkFilesAsync(a.Folder, null, 1000, default)).Files)
        {
            bool hot = file.Attributes.State == TierState.Hot;
            bytesOf[file.Attributes.Inode] = hot ? "hot" : bucket[file.Object!.Key];
        }

        bool progress = true;
        while (progress)
        {
            progress = false;
            foreach (JournalEntry entry in await TakeAsync(t, JournalKind.UploadObject))
            {
                progress = true;
                FileContent file = (await t.Tree.GetContentAsync(entry.Content.Inode, default))!;
                string bytes = file.Attributes.State == TierState.Hot ? "hot" : bucket[file.Object!.Key];
                Assert.Equal(bytesOf[file.Attributes.Inode], bytes);
                bucket[entry.Key] = bytes;
                await t.Tree.CompleteUploadAsync(
                    entry.Id, file.Attributes.Content, file.Attributes.Version, Reference(a, entry.Key, bytes), default);
            }

            foreach (JournalEntry entry in await TakeAsync(t, JournalKind.DeleteObject))
            {
                progress = true;
                bucket.Remove(entry.Key);
                await t.Tree.CompleteJournalAsync(entry.Id, default);
            }
        }

        Assert.Empty(await t.JournalAsync());
        Assert.Equal(
            expected.ToDictionary(pair => "p/" + pair.Key, pair => pair.Value).OrderBy(pair => pair.Key, StringComparer.Ordinal),
            bucket.OrderBy(pair => pair.Key, StringComparer.Ordinal));
    }
}
