using System.Collections.Immutable;
using System.Globalization;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.TestProcess;

/// <summary>
/// Changes a tree until it is killed. Each worker has a folder of its own and writes a line before each change ("&gt; worker change") and
/// after it was acknowledged ("&lt; worker change"), so the killer knows what must be there and what may be.
/// </summary>
internal static class TreeLoad
{
    private const int WorkerCount = 8;

    /// <summary>Runs until the process ends.</summary>
    public static async Task RunAsync(string database, int seed, TextWriter output)
    {
        TreeStoreOptions options = new() { DatabasePath = database };
        await using TreeStore tree = await TreeStore.OpenAsync(
            options, TimeProvider.System, NullLogger<TreeStore>.Instance, CancellationToken.None);
        Task[] workers = new Task[WorkerCount];
        for (int i = 0; i < WorkerCount; i++)
        {
            string name = "w" + i.ToString(CultureInfo.InvariantCulture);
            InodeAttributes folder = await tree.LookupAsync(InodeId.Root, name, default)
                ?? await tree.MakeDirectoryAsync(InodeId.Root, name, new NewInode(0x1ED), default);
            workers[i] = new Worker(tree, folder.Inode, name, new Random((seed * 100) + i), output).RunAsync();
        }

        await Task.WhenAll(workers);
    }

    private sealed class Worker(TreeStore tree, InodeId folder, string id, Random random, TextWriter output)
    {
        public async Task RunAsync()
        {
            List<string> names = [];
            foreach (DirectoryEntry entry in await tree.ListAsync(folder, null, 10_000, default))
            {
                names.Add(entry.Name);
            }

            while (true)
            {
                await ChangeAsync(names);
            }
        }

        private async Task ChangeAsync(List<string> names)
        {
            string name = "n" + random.Next(40).ToString(CultureInfo.InvariantCulture);
            string? some = names.Count == 0 ? null : names[random.Next(names.Count)];
            int draw = random.Next(4);
            if (draw == 0 && some is not null)
            {
                await DoAsync($"unlink {some}", () => tree.UnlinkAsync(folder, some, default).AsTask());
                names.Remove(some);
            }
            else if (draw == 1 && some is not null && some != name)
            {
                await DoAsync(
                    $"rename {some} {name}", () => tree.RenameAsync(folder, some, folder, name, RenameFlags.None, default).AsTask());
                names.Remove(some);
                AddOnce(names, name);
            }
            else
            {
                int size = random.Next(1, 1000);
                await DoAsync($"publish {name} {size}", () => PublishAsync(name, size));
                AddOnce(names, name);
            }
        }

        private static void AddOnce(List<string> names, string name)
        {
            if (!names.Contains(name))
            {
                names.Add(name);
            }
        }

        private async Task PublishAsync(string name, int size)
        {
            PendingContent pending = await tree.BeginReplaceAsync(folder, name, Place, default);
            PublishRequest request = new()
            {
                Pending = pending,
                SizeBytes = size,
                Placement = pending.Placement,
                NewInode = new NewInode(0x1A4),
            };
            await tree.PublishAsync(request, default);
        }

        private static StripedPlacement Place(ContentId content) =>
            new("p", 65536, 1, 1, ImmutableArray.Create((int)content.Generation));

        private async Task DoAsync(string change, Func<Task> action)
        {
            Write('>', change);
            await action();
            Write('<', change);
        }

        private void Write(char mark, string change)
        {
            lock (output)
            {
                output.WriteLine($"{mark} {id} {change} .");
                output.Flush();
            }
        }
    }
}
