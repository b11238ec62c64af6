using System.Globalization;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;

namespace DataLayer.TestSupport.Nodes;

/// <summary>
/// <see cref="NodesScript"/> with clones in it: also <c>clone n m</c> (m has what n has; m may be there), <c>punch n from count</c> and
/// <c>copy n m</c> (copy_file_range of the whole into a new m). Files are mostly of a size that stripes take.
/// </summary>
public static class CloneScript
{
    /// <summary>The folder of the files.</summary>
    public const string Folder = "c";

    private const int MaxBytes = 500_000;

    /// <summary>A random change; with <paramref name="copies"/> also <c>copies n k</c>: n gets k hot copies.</summary>
    public static string Draw(Random random, IReadOnlyCollection<string> names, bool copies = false)
    {
        if (copies && names.Count > 0 && random.Next(3) == 0)
        {
            return FormattableString.Invariant($"copies {names.ElementAt(random.Next(names.Count))} {random.Next(1, 4)}");
        }

        string name = "n" + random.Next(9).ToString(CultureInfo.InvariantCulture);
        if (!names.Contains(name))
        {
            return names.Count == 0 || random.Next(3) == 0 ? $"create {name}" : $"copy {names.ElementAt(random.Next(names.Count))} {name}";
        }

        string other = "n" + random.Next(9).ToString(CultureInfo.InvariantCulture);
        int offset = random.Next(MaxBytes);
        return random.Next(20) switch
        {
            0 => $"unlink {name}",
            1 => $"rename {name} {other}",
            2 => FormattableString.Invariant($"truncate {name} {(random.Next(3) == 0 ? 0 : offset)}"),
            3 or 4 => FormattableString.Invariant($"punch {name} {offset} {random.Next(1, 300_000)}"),
            5 => $"fsync {name}",
            6 when names.Contains(other) => $"unlink {other}",
            < 13 when other != name => $"clone {name} {other}",
            < 16 => FormattableString.Invariant($"write {name} {offset} {random.Next(1, MaxBytes - offset + 1)} {random.Next(250)}"),
            _ => FormattableString.Invariant($"write {name} {offset} {random.Next(1, 6_000)} {random.Next(250)}"),
        };
    }

    /// <summary>Applies a change to the model.</summary>
    public static void Apply(IDictionary<string, byte[]> files, string line)
    {
        string[] parts = line.Split(' ');
        switch (parts[0])
        {
            case "clone" or "copy":
                files[parts[2]] = files[parts[1]];
                break;
            case "punch":
                byte[] punched = (byte[])files[parts[1]].Clone();
                int from = Math.Min(NodesScript.Number(parts[2]), punched.Length);
                punched.AsSpan(from, Math.Min(NodesScript.Number(parts[3]), punched.Length - from)).Clear();
                files[parts[1]] = punched;
                break;
            case "copies":
                break;
            default:
                NodesScript.Apply(files, line);
                break;
        }
    }

    /// <summary>Carries out a change, as a mount's kernel and the API would call.</summary>
    public static async Task RunAsync(FileEngine engine, NodesWorker worker, string line)
    {
        string[] parts = line.Split(' ');
        switch (parts[0])
        {
            case "clone":
                await engine.CloneFileAsync(PathOf(parts[1]), PathOf(parts[2]), new CloneOptions { KeepAttributes = true }, default);
                break;
            case "copy":
                await CopyAsync(engine, PathOf(parts[1]), parts[2]);
                break;
            case "copies":
                await worker.RunAsync($"fsync {parts[1]}");
                InodeAttributes copied = await engine.StatAsync(PathOf(parts[1]), followLast: true, default);
                int count = NodesScript.Number(parts[2]);
                if (copied.SizeBytes > 0 && !await engine.Mover.ChangeCopiesAsync(copied.Inode, copied.Version, count, default))
                {
                    throw new InvalidOperationException($"{parts[1]} was not given {count} copies.");
                }

                break;
            case "punch":
                InodeAttributes found = await engine.StatAsync(PathOf(parts[1]), followLast: true, default);
                await using (OpenFile file = await engine.Nodes.OpenAsync(found.Inode, write: true, default))
                {
                    await file.AllocateAsync(
                        NodesScript.Number(parts[2]), NodesScript.Number(parts[3]), FallocateMode.PunchHole, default);
                }

                break;
            default:
                await worker.RunAsync(line);
                break;
        }
    }

    private static string PathOf(string name) => $"/{Folder}/{name}";

    private static async Task CopyAsync(FileEngine engine, string from, string name)
    {
        NodeOwner owner = new(0x1A4, 0, 0);
        InodeAttributes folder = await engine.StatAsync("/" + Folder, followLast: true, default);
        InodeAttributes source = await engine.StatAsync(from, followLast: true, default);
        (InodeAttributes made, OpenFile to) = await engine.Nodes.CreateAndOpenAsync(folder.Inode, name, owner, default);
        await using (to)
        {
            await using OpenFile read = await engine.Nodes.OpenAsync(source.Inode, write: false, default);
            long copied = await to.CopyRangeAsync(read, 0, 0, Math.Max(1, source.SizeBytes), default);
            if (copied != source.SizeBytes || made.Inode == InodeId.None)
            {
                throw new IOException($"{copied} of {source.SizeBytes} bytes were copied.");
            }
        }
    }
}
