using System.Globalization;
using DataLayer.Engine.Files;
using DataLayer.TestSupport.Nodes;

namespace DataLayer.TestProcess;

/// <summary>
/// Changes files through <see cref="FileEngine.Nodes"/> until it is killed; each worker in a folder of its own, one line before each
/// change ("&gt; worker change") and one after ("&lt; worker change"). A worker also keeps one open file without a name, written once.
/// </summary>
internal static class NodesLoad
{
    private const int WorkerCount = 4;

    /// <summary>Runs until the process ends.</summary>
    public static async Task RunAsync(string folder, int seed, TextWriter output)
    {
        await using NodesEngine opened = await NodesEngine.OpenAsync(folder, keepOrphans: true, TimeSpan.FromMilliseconds(100));
        await Task.WhenAll(Enumerable.Range(0, WorkerCount).Select(i => Task.Run(() => WorkAsync(opened, i, seed, output))));
    }

    private static async Task WorkAsync(NodesEngine opened, int index, int seed, TextWriter output)
    {
        string id = "w" + index.ToString(CultureInfo.InvariantCulture);
        Random random = new((seed * 10) + index);
        NodesWorker worker = await NodesWorker.OpenAsync(opened.Engine.Nodes, id);
        Dictionary<string, byte[]> files = await worker.ReadAllAsync();
        await worker.OpenOrphanAsync(
            $"orphan{seed}", random.Next(2, 200_000), index, line => Tell(output, $"< {id} {line}"));
        while (true)
        {
            string line = NodesScript.Draw(random, files.Keys);
            Tell(output, $"> {id} {line}");
            await worker.RunAsync(line);
            NodesScript.Apply(files, line);
            Tell(output, $"< {id} {line}");
        }
    }

    private static void Tell(TextWriter output, string line)
    {
        lock (output)
        {
            output.WriteLine(line + " .");
            output.Flush();
        }
    }
}
