using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.Tests.Metadata;

/// <summary>
/// A tree under a read-write attachment, a bucket, and workers that take the journal's work in any order it allows, answer late, or die. Contents are
/// words, never twice the same. After every step each file's bytes, and each orphan's, must be where the tree says they are.
/// </summary>
internal sealed class BucketSimulation(TreeFixture t, Attachment attachment, Random random)
{
    private readonly Dictionary<string, (string Word, string ETag)> _bucket = new(StringComparer.Ordinal);
    private readonly Dictionary<InodeId, string> _words = [];
    private readonly List<(JournalEntry Entry, ContentId Content, long Version, string ETag)> _underWay = [];
    private int _next;

    private readonly List<string> _steps = [];
    private readonly HashSet<long> _taken = [];

    /// <summary>The last steps, newest last, with the journal after them.</summary>
    public async Task<string> TraceAsync() =>
        string.Join('\n', _steps.TakeLast(60)) + "\njournal: " + string.Join("; ", await t.JournalAsync());

    /// <summary>Puts an object into the bucket and the tree.</summary>
    public async Task AddObjectAsync(string path)
    {
        string word = NextWord();
        _bucket["p/" + path] = (word, "e" + word);
        await t.Tree.ImportAsync(attachment.Id, [TreeFixture.Object(path, "e" + word)], null, default);
        _words[(await t.FindAsync("/d/" + path))!.Inode] = word;
    }

    /// <summary>Does one thing, by a user or a worker.</summary>
    public async Task StepAsync()
    {
        t.Clock.Advance(TimeSpan.FromSeconds(5));
        switch (random.Next(20))
        {
            case < 5:
                await RenameAsync(DrawPath(), DrawPath(), RenameFlags.None);
                break;
            case 5:
                await RenameAsync(DrawPath(), DrawPath(), RenameFlags.Exchange);
                break;
            case 6:
                await RenameAsync(DrawFolder(), DrawFolder(), RenameFlags.None);
                break;
            case 7:
                await UnlinkAsync(DrawPath());
                break;
            case < 10:
                await PublishAsync(DrawPath());
                break;
            case 10:
                await LinkAsync(DrawPath(), DrawPath());
                break;
            case < 13:
                await ChangeTierAsync(DrawPath());
                break;
            case < 16:
                await StartUploadAsync();
                break;
            case < 18:
                await FinishUploadAsync();
                break;
            case 18:
                await DeleteAsync();
                break;
            default:
                await (random.Next(4) == 0 ? RestartAsync() : ReleaseOrphanAsync());
                break;
        }
    }

    /// <summary>Checks that no bytes are lost.</summary>
    public async Task CheckAsync(string what)
    {
        foreach (FileContent file in (await t.Tree.WalkFilesAsync(attachment.Folder, null, 1000, default)).Files)
        {
            CheckReadable(file, what);
        }

        foreach (InodeId orphan in await t.Tree.ListOrphansAsync(default))
        {
            CheckReadable((await t.Tree.GetContentAsync(orphan, default))!, what + ", an orphan");
        }
    }

    /// <summary>Lets the workers finish and compares the bucket with the tree.</summary>
    public async Task DrainAsync(string what)
    {
        Assert.Empty(await t.Tree.CheckAsync(default));
        for (int round = 0; round < 1000 && (await t.JournalAsync()).Length > 0; round++)
        {
            await ReleaseOrphanAsync();
            await StartUploadAsync();
            await FinishUploadAsync();
            await DeleteAsync();
            await DropHotCopiesAsync();
            t.Clock.Advance(TimeSpan.FromMinutes(2));
            await CheckAsync(what);
        }

        Assert.Empty(await t.JournalAsync());
        Dictionary<string, string> expected = [];
        foreach (FileContent file in (await t.Tree.WalkFilesAsync(attachment.Folder, null, 1000, default)).Files)
        {
            string key = (await t.Tree.GetObjectKeyAsync(file.Attributes.Inode, default))!;
            Assert.True(file.Attributes.State != TierState.Hot, $"{what}: {key} was not uploaded");
            expected[key] = _words[file.Attributes.Inode];
        }

        Assert.Equal(
            expected.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"),
            _bucket.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value.Word}"));
    }

    private void CheckReadable(FileContent file, string what)
    {
        bool needsObject = file.Object is not null && file.Attributes.SizeBytes > 0
            && (file.Attributes.State != TierState.Hot || !file.Residency.IsFull);
        if (needsObject && !file.Residency.IsFull)
        {
            string word = _words[file.Attributes.Inode];
            Assert.True(
                _bucket.TryGetValue(file.Object!.Key, out var found) && found.Word == word && found.ETag == file.Object.ETag,
                $"{what}: {word} should be at {file.Object.Key}, there is {found.Word ?? "nothing"}");
        }
    }

    private Task RenameAsync(string from, string to, RenameFlags flags) =>
        TryAsync($"rename {from} {to} {flags}", () => t.RenameAsync(from, to, flags));

    private Task UnlinkAsync(string path) => TryAsync($"unlink {path}", () => t.UnlinkAsync(path));

    private Task PublishAsync(string path)
    {
        string word = NextWord();
        return TryAsync($"publish {path} {word}", async () => _words[(await t.PublishAsync(path, 10)).Inode] = word);
    }

    private Task LinkAsync(string existing, string path) => TryAsync($"link {existing} {path}", async () =>
    {
        InodeAttributes file = await t.Tree.ResolveAsync(existing, false, default);
        if (file.Kind == FileKind.Regular)
        {
            (InodeId folder, string name) = await t.SplitAsync(path);
            await t.Tree.LinkAsync(file.Inode, folder, name, default);
        }
    });

    private Task ChangeTierAsync(string path) => TryAsync($"release or recall {path}", async () =>
    {
        FileContent file = (await t.Tree.GetContentAsync((await t.Tree.ResolveAsync(path, false, default)).Inode, default))!;
        if (file.Attributes.State == TierState.Hot)
        {
            return;
        }

        bool hot = file.Placement is not null;
        await t.Tree.UpdateContentAsync(
            new ContentUpdate
            {
                Content = file.Attributes.Content,
                State = hot ? TierState.Released : TierState.Premigrated,
                ClearPlacement = hot,
                Placement = hot ? null : TreeFixture.Place(file.Attributes.Content),
                SetResident = hot ? null : [0],
            },
            default);
    });

    private async Task StartUploadAsync()
    {
        foreach (JournalEntry entry in await t.Tree.TakeJournalAsync(JournalKind.UploadObject, TimeSpan.FromMinutes(1), 2, default))
        {
            // As the engine does: nothing is started for a key that something is under way for.
            if (_underWay.Exists(other => other.Entry.Key == entry.Key))
            {
                continue;
            }

            FileContent file = (await t.Tree.GetContentAsync(entry.Content.Inode, default))!;
            string word = _words[file.Attributes.Inode];
            if (file.Object is not null && file.Residency.ResidentCount == 0)
            {
                Assert.Equal(word, _bucket[file.Object.Key].Word);
            }

            // As the engine does: the expected object, none, the same bytes, what may be ours, or what an earlier try
            // of this upload wrote (the engine keeps a print of it); else it is a conflict.
            (string Word, string ETag)? there = _bucket.TryGetValue(entry.Key, out var found) ? found : null;
            string? expected = file.Object?.Key == entry.Key ? file.Object.ETag : entry.ETag;
            bool mayBeOurs = (entry.MayReplace && entry.ETag is null) || !_taken.Add(entry.Id);
            Assert.True(
                there is null || there.Value.ETag == expected || there.Value.Word == word || mayBeOurs,
                $"{entry.Key} should have the ETag {expected ?? "none"}, it has {there}");
            _bucket[entry.Key] = (word, "e" + NextWord());
            _underWay.Add((entry, file.Attributes.Content, file.Attributes.Version, _bucket[entry.Key].ETag));
            _steps.Add($"upload {entry.Key} started");
        }
    }

    private async Task FinishUploadAsync()
    {
        if (_underWay.Count > 0)
        {
            int i = random.Next(_underWay.Count);
            (JournalEntry entry, ContentId content, long version, string etag) = _underWay[i];
            _underWay.RemoveAt(i);
            ObjectReference uploaded = new(attachment.Id, entry.Key, etag, null, 10);
            await t.Tree.CompleteUploadAsync(entry.Id, content, version, uploaded, default);
            _steps.Add($"upload {entry.Key} finished");
        }
    }

    private async Task DeleteAsync()
    {
        foreach (JournalEntry entry in await t.Tree.TakeJournalAsync(JournalKind.DeleteObject, TimeSpan.FromMinutes(1), 3, default))
        {
            if (_underWay.Exists(other => other.Entry.Key == entry.Key))
            {
                continue;
            }

            if (_bucket.TryGetValue(entry.Key, out var found) && (entry.ETag is null || entry.ETag == found.ETag))
            {
                _bucket.Remove(entry.Key);
            }

            await t.Tree.CompleteJournalAsync(entry.Id, default);
            _steps.Add($"delete {entry.Key}");
        }
    }

    private async Task DropHotCopiesAsync()
    {
        foreach (JournalEntry entry in await t.Tree.TakeJournalAsync(JournalKind.DeleteHotCopy, TimeSpan.FromMinutes(1), 100, default))
        {
            await t.Tree.CompleteJournalAsync(entry.Id, default);
        }
    }

    private async Task ReleaseOrphanAsync()
    {
        if (await t.Tree.ListOrphansAsync(default) is { Count: > 0 } orphans)
        {
            await t.Tree.ReleaseOrphanAsync(orphans[random.Next(orphans.Count)], default);
            _steps.Add("orphan released");
        }
    }

    private async Task RestartAsync()
    {
        _underWay.Clear();
        await t.ReopenAsync();
        Assert.Empty(await t.Tree.CheckAsync(default));
        _steps.Add("restart");
    }

    private async Task TryAsync(string what, Func<Task> action)
    {
        try
        {
            await action();
            _steps.Add(what);
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.NotFound or ErrorCode.AlreadyExists or ErrorCode.NotEmpty
            or ErrorCode.IsADirectory or ErrorCode.NotADirectory or ErrorCode.CrossAttachment or ErrorCode.InvalidArgument)
        {
        }
    }

    private string DrawFolder() => "/d/" + "xyz"[random.Next(3)];

    private string DrawPath() => (random.Next(2) == 0 ? "/d/" : DrawFolder() + "/") + "abc"[random.Next(3)];

    private string NextWord() => "w" + (++_next).ToString(CultureInfo.InvariantCulture);
}
