using System.Collections.Concurrent;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Metadata.Nodes;
using DataLayer.TestSupport.Postgres;
using DataLayer.TestSupport.Trees;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>A store that only reads a tree, and follows what the one that writes changes.</summary>
public sealed class TreeFollowerTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<TreeChange> _changes = [];
    private PostgresServer _server = null!;
    private PostgresOptions _options = null!;
    private TreeFixture _writer = null!;
    private TreeFixture _reader = null!;
    private int _gaps;

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        _server = await PostgresServer.GetSharedAsync();
        _options = _server.NewTree();
        _writer = await TreeFixture.OpenAsync(_options);
        await _writer.MakeFolderAsync("/a");
        _reader = await TreeFixture.OpenAsync(_options, options => options.ToReader());
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        await _reader.DisposeAsync();
        await _writer.DisposeAsync();
    }

    [Fact]
    public async Task What_the_writer_commits_is_known_after_a_confirmation()
    {
        await using TreeFollower follower = await FollowAsync();
        InodeId folder = (await _writer.FindAsync("/a"))!.Inode;
        InodeAttributes made = await _writer.PublishAsync("/a/f", 3 << 20);
        await _writer.RenameAsync("/a/f", "/a/g");
        await follower.ConfirmAsync(default);

        Assert.Equal(made.Inode, (await _reader.FindAsync("/a/g"))!.Inode);
        Assert.Contains(_changes, c => c is { Kind: TreeChangeKind.Name, Name: "f" } && c.Inode == folder);
        Assert.Contains(_changes, c => c is { Kind: TreeChangeKind.Name, Name: "g" } && c.Inode == folder);

        // A second content: the blocks of the first are named, all of them; then of the last name.
        _changes.Clear();
        await _writer.PublishAsync("/a/g", 10);
        await _writer.Tree.SetXattrAsync(folder, "user.x", "y"u8.ToArray(), XattrCondition.None, default);
        await follower.ConfirmAsync(default);
        Assert.Contains(
            new TreeChange(TreeChangeKind.Content, made.Inode, made.Generation, 3, null), _changes);
        Assert.Contains(_changes, c => c.Kind == TreeChangeKind.Attributes && c.Inode == folder);

        _changes.Clear();
        await _writer.UnlinkAsync("/a/g");
        await _writer.AttachAsync("/bucket", AttachmentMode.ReadOnly);
        await follower.ConfirmAsync(default);
        Assert.Contains(_changes, c => c is { Kind: TreeChangeKind.Name, Name: "g" });
        Assert.Contains(_changes, c => c.Kind == TreeChangeKind.Attachments);
        Assert.Null(await _reader.FindAsync("/a/g"));
        Assert.Equal(0, _gaps);
    }

    [Fact]
    public async Task Changes_arrive_by_themselves_also_after_a_cut_connection()
    {
        // A server of its own: others read from the shared one.
        await using PostgresServer server = await PostgresServer.StartAsync(isDurable: false);
        PostgresOptions options = server.NewTree();
        await using TreeFixture writer = await TreeFixture.OpenAsync(options);
        await using TreeFixture reader = await TreeFixture.OpenAsync(options, o => o.ToReader());
        await using TreeFollower follower = await OpenAsync(reader);
        Start(follower);
        for (int i = 0; i < 3; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"n{i}");
            await server.QueryAsync(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity "
                + "WHERE application_name IN ('datalayer follower', 'datalayer reader')");
            await writer.MakeFileAsync("/" + name);
            await NodeRegistryTests.UntilAsync(() => _changes.Any(c => c.Name == name));
        }

        Assert.Equal(0, _gaps);
    }

    [Fact]
    public async Task A_writer_that_starts_anew_is_followed_without_a_gap()
    {
        await using TreeFollower follower = await FollowAsync();
        await _writer.MakeFileAsync("/a/before");
        await _writer.ReopenAsync();
        await _writer.MakeFileAsync("/a/after");
        await follower.ConfirmAsync(default);

        Assert.Equal(0, _gaps);
        Assert.Contains(_changes, c => c.Name == "before");
        Assert.Contains(_changes, c => c.Name == "after");
    }

    [Fact]
    public async Task Who_is_too_far_behind_is_told_that_anything_may_have_changed()
    {
        await using TreeFollower follower = await OpenAsync(_reader);
        for (int i = 0; i < ChangeRows.Limit + 2; i++)
        {
            await _writer.MakeFileAsync(string.Create(CultureInfo.InvariantCulture, $"/a/{i}"));
        }

        Start(follower);
        await follower.ConfirmAsync(default);
        Assert.Equal(1, _gaps);
        Assert.Empty(_changes);

        await _writer.MakeFileAsync("/a/last");
        await follower.ConfirmAsync(default);
        Assert.Equal(1, _gaps);
        Assert.Contains(_changes, c => c.Name == "last");
    }

    [Fact]
    public async Task A_database_that_lost_transactions_is_not_followed_any_more()
    {
        await using TreeFollower follower = await FollowAsync();
        await _writer.MakeFileAsync("/a/f");
        await follower.ConfirmAsync(default);

        // As after a crash with changes that did not wait for the disk, and a writer that went on from there.
        await _server.QueryAsync($"UPDATE {_options.Schema}.tree_changes SET epoch = epoch + 1");

        for (int i = 0; i < 2; i++)
        {
            DataLayerException lost = await Assert.ThrowsAsync<DataLayerException>(async () => await follower.ConfirmAsync(default));
            Assert.Equal(ErrorCode.TargetFailed, lost.Code);
            Assert.Contains("Restart this service", lost.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_reader_changes_nothing_and_shows_no_hot_copy()
    {
        InodeAttributes file = await _writer.PublishAsync("/a/f");
        Assert.NotNull((await _writer.ContentAsync("/a/f")).Placement);
        Assert.Null((await _reader.ContentAsync("/a/f")).Placement);

        DataLayerException[] refused =
        [
            await Assert.ThrowsAsync<DataLayerException>(() => _reader.MakeFileAsync("/a/g")),
            await Assert.ThrowsAsync<DataLayerException>(() => _reader.UnlinkAsync("/a/f")),
            await Assert.ThrowsAsync<DataLayerException>(
                async () => await _reader.Tree.Relaxed.ReleaseOrphanAsync(file.Inode, default)),
        ];
        Assert.All(refused, error => Assert.Equal(ErrorCode.ReadOnly, error.Code));
        await _reader.Tree.FlushAsync(default);
        Assert.Equal(["f"], await _writer.NamesAsync("/a"));
    }

    [Fact]
    public async Task A_reader_needs_a_tree_in_PostgreSQL_that_is_there()
    {
        DataLayerException file = await Assert.ThrowsAsync<DataLayerException>(
            () => TreeFixture.OpenAsync(options => options.ToReader()));
        DataLayerException none = await Assert.ThrowsAsync<DataLayerException>(
            () => TreeFixture.OpenAsync(_server.NewTree(), options => options.ToReader()));

        Assert.Equal((ErrorCode.InvalidArgument, ErrorCode.NotFound), (file.Code, none.Code));
    }

    private async Task<TreeFollower> FollowAsync()
    {
        TreeFollower follower = await OpenAsync(_reader);
        Start(follower);
        return follower;
    }

    private static async Task<TreeFollower> OpenAsync(TreeFixture reader) => await TreeFollower.OpenAsync(
        reader.Tree, TimeProvider.System, NullLogger<TreeFollower>.Instance, default);

    private void Start(TreeFollower follower) => follower.Start((changes, _) =>
    {
        foreach (TreeChange change in changes ?? [])
        {
            _changes.Enqueue(change);
        }

        _gaps += changes is null ? 1 : 0;
        return ValueTask.CompletedTask;
    });
}
