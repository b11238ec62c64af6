using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.TestSupport.Trees;

/// <summary>A tree of its own for one test, with the short forms the tests speak in.</summary>
public sealed class TreeFixture : IAsyncDisposable
{
    private readonly TempFolder _folder = new("tree");
    private readonly TreeStoreOptions _options;

    private TreeFixture(PostgresOptions? postgres, Func<TreeStoreOptions, TreeStoreOptions>? configure)
    {
        TreeStoreOptions options = new()
        {
            DatabasePath = _folder.Combine("tree.db"),
            UploadDelay = TimeSpan.Zero,
            Postgres = postgres,
            ReadConnectionCount = postgres is null ? 4 : 2,
        };
        _options = configure is null ? options : configure(options);
    }

    /// <summary>The tree.</summary>
    public TreeStore Tree { get; private set; } = null!;

    /// <summary>The clock, which moves only when told to.</summary>
    public ManualClock Clock { get; } = new();

    /// <summary>The database file.</summary>
    public string DatabasePath => _options.DatabasePath;

    /// <summary>Opens an empty tree on SQLite.</summary>
    public static Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
        OpenAsync(postgres: null, configure);

    /// <summary>Opens a tree in a PostgreSQL database, or on SQLite.</summary>
    public static async Task<TreeFixture> OpenAsync(
        PostgresOptions? postgres, Func<TreeStoreOptions, TreeStoreOptions>? configure = null)
    {
        TreeFixture fixture = new(postgres, configure);
        await fixture.OpenTreeAsync();
        return fixture;
    }

    /// <summary>Closes and opens the tree again.</summary>
    public async Task ReopenAsync()
    {
        await Tree.DisposeAsync();
        await OpenTreeAsync();
    }

    /// <summary>Opens the tree after it was closed by the test itself.</summary>
    public async Task OpenTreeAsync() =>
        Tree = await TreeStore.OpenAsync(_options, Clock, NullLogger<TreeStore>.Instance, CancellationToken.None);

    /// <summary>Makes a folder by path; its parent must exist.</summary>
    public async Task<InodeAttributes> MakeFolderAsync(string path)
    {
        (InodeId parent, string name) = await SplitAsync(path);
        return await Tree.MakeDirectoryAsync(parent, name, new NewInode(0x1ED), default);
    }

    /// <summary>Makes an empty file by path.</summary>
    public async Task<InodeAttributes> MakeFileAsync(string path)
    {
        (InodeId parent, string name) = await SplitAsync(path);
        return await Tree.CreateFileAsync(parent, name, new NewInode(0x1A4), default);
    }

    /// <summary>Removes a file's name by path.</summary>
    public async Task<InodeAttributes> UnlinkAsync(string path)
    {
        (InodeId parent, string name) = await SplitAsync(path);
        return await Tree.UnlinkAsync(parent, name, default);
    }

    /// <summary>Renames by path.</summary>
    public async Task<RenameResult> RenameAsync(string from, string to, RenameFlags flags = RenameFlags.None)
    {
        (InodeId fromParent, string fromName) = await SplitAsync(from);
        (InodeId toParent, string toName) = await SplitAsync(to);
        return await Tree.RenameAsync(fromParent, fromName, toParent, toName, flags, default);
    }

    /// <summary>Writes a whole content: begin, publish.</summary>
    public async Task<InodeAttributes> PublishAsync(string path, long sizeBytes = 100)
    {
        (InodeId parent, string name) = await SplitAsync(path);
        PendingContent pending = await Tree.BeginReplaceAsync(parent, name, Place, default);
        return await Tree.PublishAsync(Request(pending, sizeBytes), default);
    }

    /// <summary>A publication of a begun content.</summary>
    public static PublishRequest Request(PendingContent pending, long sizeBytes = 100) => new()
    {
        Pending = pending,
        SizeBytes = sizeBytes,
        Placement = pending.Placement,
        NewInode = new NewInode(0x1A4),
    };

    /// <summary>A placement of its own for each content.</summary>
    public static Placement Place(ContentId content) =>
        new StripedPlacement("pool" + content.Inode.Value % 2, 65536, 1, 1, [(int)content.Generation]);

    /// <summary>What a path leads to, without following a last link; null if nothing.</summary>
    public async Task<InodeAttributes?> FindAsync(string path)
    {
        (InodeId parent, string name) = await SplitAsync(path);
        return await Tree.LookupAsync(parent, name, default);
    }

    /// <summary>A path's content.</summary>
    public async Task<FileContent> ContentAsync(string path) =>
        (await Tree.GetContentAsync((await FindAsync(path))!.Inode, default))!;

    /// <summary>The names in a folder.</summary>
    public async Task<string[]> NamesAsync(string path)
    {
        InodeAttributes folder = await Tree.ResolveAsync(path, true, default);
        return [.. (await Tree.ListAsync(folder.Inode, null, 10_000, default)).Select(entry => entry.Name)];
    }

    /// <summary>Attaches a bucket at a new folder.</summary>
    public async Task<Attachment> AttachAsync(string path, AttachmentMode mode)
    {
        InodeAttributes folder = await MakeFolderAsync(path);
        return await Tree.AddAttachmentAsync(
            new Attachment { Folder = folder.Inode, Path = path, Source = "s3://bucket/p", StoreName = "default", Mode = mode },
            default);
    }

    /// <summary>Imports objects of 10 bytes with the ETag "e-" and their path.</summary>
    public async Task<ImportResult> ImportAsync(Attachment attachment, params string[] paths) =>
        await Tree.ImportAsync(attachment.Id, [.. paths.Select(path => Object(path))], null, default);

    /// <summary>A listed object.</summary>
    public static ImportedObject Object(string path, string? etag = null, long sizeBytes = 10) =>
        new(path, "p/" + path, etag ?? "e-" + path, null, sizeBytes, 5);

    /// <summary>The journal as text, one entry a line: kind, key or placement, ETag in brackets.</summary>
    public async Task<string[]> JournalAsync()
    {
        IReadOnlyList<JournalEntry> entries = await Tree.ListJournalAsync(null, 0, 10_000, default);
        return [.. entries.Select(entry => entry.Kind switch
        {
            JournalKind.UploadObject => $"upload {entry.Key}{(entry.ETag is null ? "" : $" [{entry.ETag}]")}",
            JournalKind.DeleteObject => $"delete {entry.Key}{(entry.ETag is null ? "" : $" [{entry.ETag}]")}",
            JournalKind.DeleteHotCopy => $"drop {entry.Content}",
            _ => $"{entry.Kind} {entry.Content}",
        })];
    }

    /// <summary>Checks that the tree has no fault, and gives what it holds back.</summary>
    public async ValueTask DisposeAsync()
    {
        IReadOnlyList<TreeProblem> problems = await Tree.CheckAsync(default);
        await Tree.DisposeAsync();
        _folder.Dispose();
        Assert.Empty(problems);
    }

    /// <summary>Gives back what it holds without a check, after a test that damaged the tree.</summary>
    public async Task AbandonAsync()
    {
        await Tree.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>The folder and name of a path.</summary>
    public async Task<(InodeId Folder, string Name)> SplitAsync(string path)
    {
        int slash = path.LastIndexOf('/');
        InodeAttributes folder = await Tree.ResolveAsync(path[..(slash + 1)], true, default);
        return (folder.Inode, path[(slash + 1)..]);
    }
}
