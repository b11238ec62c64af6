using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;

namespace DataLayer.TestSupport.Nodes;

/// <summary>Carries out <see cref="NodesScript"/> in one folder, as a mount's kernel would call.</summary>
public sealed class NodesWorker(NodeOperations nodes, InodeId folder)
{
    private static readonly NodeOwner _owner = new(0x1A4, 0, 0);

    /// <summary>The folder of a name below the root, made if need be.</summary>
    public static async Task<NodesWorker> OpenAsync(NodeOperations nodes, string name)
    {
        InodeAttributes folder = await nodes.LookupAsync(InodeId.Root, name, default)
            ?? await nodes.MakeDirectoryAsync(InodeId.Root, name, new NodeOwner(0x1ED, 0, 0), default);
        return new NodesWorker(nodes, folder.Inode);
    }

    /// <summary>Carries out one change.</summary>
    public async Task RunAsync(string line)
    {
        string[] parts = line.Split(' ');
        switch (parts[0])
        {
            case "create":
                await nodes.CreateAsync(folder, parts[1], _owner, default);
                break;
            case "rename":
                await nodes.RenameAsync(folder, parts[1], folder, parts[2], RenameFlags.None, default);
                break;
            case "unlink":
                await nodes.UnlinkAsync(folder, parts[1], default);
                break;
            default:
                await WithFileAsync(parts);
                break;
        }
    }

    /// <summary>
    /// Writes a file, removes its name and leaves it open; tells "orphan inode length seed" when that was acknowledged.
    /// </summary>
    public async Task OpenOrphanAsync(string name, int length, int seed, Action<string> tell)
    {
        (InodeAttributes made, OpenFile file) = await nodes.CreateAndOpenAsync(folder, name, _owner, default);
        nodes.Hold(made.Inode);
        await file.WriteAsync(0, NodesScript.Bytes(seed, length / 2), default);
        await nodes.UnlinkAsync(folder, name, default);
        await file.AppendAsync(NodesScript.Bytes(seed, length).AsMemory(length / 2), default);
        tell(FormattableString.Invariant($"orphan {made.Inode.Value} {length} {seed}"));
    }

    /// <summary>What the folder holds now.</summary>
    public async Task<Dictionary<string, byte[]>> ReadAllAsync()
    {
        Dictionary<string, byte[]> files = [];
        foreach (DirectoryEntry entry in await nodes.ListAsync(folder, null, 1000, default))
        {
            await using OpenFile file = await nodes.OpenAsync(entry.Attributes.Inode, write: false, default);
            byte[] bytes = new byte[entry.Attributes.SizeBytes];
            int read = await file.ReadAsync(0, bytes, default);
            files[entry.Name] = bytes[..read];
        }

        return files;
    }

    private async Task WithFileAsync(string[] parts)
    {
        InodeAttributes found = (await nodes.LookupAsync(folder, parts[1], default))!;
        await using OpenFile file = await nodes.OpenAsync(found.Inode, write: true, default);
        switch (parts[0])
        {
            case "write":
                byte[] bytes = NodesScript.Bytes(NodesScript.Number(parts[4]), NodesScript.Number(parts[3]));
                await file.WriteAsync(NodesScript.Number(parts[2]), bytes, default);
                await file.PublishAsync(default);
                break;
            case "truncate":
                await file.TruncateAsync(NodesScript.Number(parts[2]), default);
                break;
            default:
                await file.FlushAsync(dataOnly: false, default);
                break;
        }
    }
}
