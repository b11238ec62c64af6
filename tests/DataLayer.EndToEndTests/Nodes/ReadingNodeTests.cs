using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.EndToEndTests.Faults;
using DataLayer.EndToEndTests.Load;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Postgres;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests.Nodes;

/// <summary>Two services on one tree in PostgreSQL, each with a mount: one writes, one reads.</summary>
public sealed class ReadingNodeTests
{
    private static readonly TimeSpan _look = TimeSpan.FromMilliseconds(20);

    [Fact]
    public async Task What_is_closed_renamed_and_removed_on_one_mount_is_so_on_another_nodes_mount()
    {
        await using PostgresServer server = await PostgresServer.StartAsync(isDurable: false);
        await using Installation it = await Installation.StartWithOriginAsync(settings => With(server, settings, "writer"));
        await it.AttachAsync(AttachmentMode.ReadWrite, flush: FlushMode.WriteThrough);
        await using ServiceProcess reader = await ServiceProcess.StartAsync(
            With(server, it.Service.Settings with { StateFolder = it.Folder.Combine("reader") }, "reader"));
        await using KeptMount a = await KeptMount.StartAsync(it.Service.Endpoint, "/data", it.Folder.Combine("a"));
        await using KeptMount b = await KeptMount.StartAsync(reader.Endpoint, "/data", it.Folder.Combine("b"));
        await UntilAsync(async () => (await it.Service.Http.GetStringAsync(ApiRoutes.Metrics)).Contains("datalayer_nodes_live 2", StringComparison.Ordinal));
        NodeReport[] nodes = [.. await reader.Client.Admin.ListNodesAsync()];
        Assert.Equal(["reader", "writer"], nodes.Select(n => n.Role).Order());
        Assert.All(nodes, n => Assert.True(n.Live));

        // Close-to-open: the same file again and again, in other lengths, and each time also through memory and kernel of the reader.
        for (int i = 0; i < 5; i++)
        {
            byte[] content = new Content((ulong)i, 200_000 + (i % 2 * 3_000_000)).ToBytes();
            await File.WriteAllBytesAsync(a.Path + "/f", content);
            Assert.Equal(content, await File.ReadAllBytesAsync(b.Path + "/f"));
            Assert.Equal(content, await ReadAsync(reader, "/data/f"));
        }

        File.Move(a.Path + "/f", a.Path + "/g");
        await UntilAsync(() => Task.FromResult(File.Exists(b.Path + "/g") && !File.Exists(b.Path + "/f")));
        File.Delete(a.Path + "/g");
        await UntilAsync(() => Task.FromResult(!File.Exists(b.Path + "/g")));
        Assert.Empty(Directory.GetFileSystemEntries(b.Path));

        // The writing node is not needed for what memory and bucket hold; a change is refused in both ways.
        byte[] kept = new Content(9, 500_000).ToBytes();
        await it.Client.WriteFileAsync("/data/kept", kept);
        Assert.ThrowsAny<IOException>(() => File.WriteAllBytes(b.Path + "/new", kept));
        DataLayerException refused = await Installation.FailureOf(async () => await reader.Client.WriteFileAsync("/data/new", kept));
        Assert.Equal(ErrorCode.ReadOnly, refused.Code);
        await it.Service.KillAsync();
        Assert.Equal(kept, await File.ReadAllBytesAsync(b.Path + "/kept"));
        await it.Service.RestartAsync();
        await File.WriteAllTextAsync(a.Path + "/kept", "anew");
        Assert.Equal("anew", await File.ReadAllTextAsync(b.Path + "/kept"));
    }

    [Fact]
    public async Task A_file_that_only_the_writing_node_holds_is_an_error_that_names_it()
    {
        await using PostgresServer server = await PostgresServer.StartAsync(isDurable: false);
        await using Installation it = await Installation.StartAsync(settings => With(server, settings, "writer"));
        await it.Client.WriteFileAsync("/hot", new Content(1, 300_000).ToBytes());
        await it.Client.WriteFileAsync("/empty", Array.Empty<byte>());
        await using ServiceProcess reader = await ServiceProcess.StartAsync(
            With(server, it.Service.Settings with { StateFolder = it.Folder.Combine("reader") }, "reader"));

        Assert.Equal(300_000, (await reader.Client.StatAsync("/hot")).SizeBytes);
        DataLayerException error = await Installation.FailureOf(() => ReadAsync(reader, "/hot"));
        Assert.Contains("only in the hot tier of node 'writer'", error.Message, StringComparison.Ordinal);
        Assert.Empty(await ReadAsync(reader, "/empty"));
        await it.CheckCleanAsync();
    }

    private static ServiceSettings With(PostgresServer server, ServiceSettings settings, string role)
    {
        Directory.CreateDirectory(settings.StateFolder);
        return settings with
        {
            More = PostgresServiceTests.Section(server, settings.StateFolder, "30s")
                + $"  uploadDelay: 0s\nnode:\n  name: {role}\n  role: {role}\n  heartbeat: 200ms\n",
        };
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using CancellationTokenSource patience = new(TimeSpan.FromMinutes(1));
        while (!await condition())
        {
            await Task.Delay(_look, patience.Token);
        }
    }

    private static async Task<byte[]> ReadAsync(ServiceProcess service, string path)
    {
        using FileBytes bytes = await service.Client.ReadFileAsync(path);
        return bytes.Memory.ToArray();
    }
}
