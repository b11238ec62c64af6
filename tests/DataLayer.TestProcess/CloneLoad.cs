using DataLayer.TestSupport.Nodes;

namespace DataLayer.TestProcess;

/// <summary>
/// Clones, writes, cuts and removes files of one folder, a line before and after each change, until it kills itself (SIGKILL) at a given
/// step between two system calls or transactions; the last line names the step.
/// </summary>
internal static class CloneLoad
{
    /// <summary>Runs until the process ends.</summary>
    public static async Task RunAsync(string folder, int seed, int shape, int killAtStep, TextWriter output)
    {
        int steps = 0;
        void Step(string name)
        {
            if (Interlocked.Increment(ref steps) == killAtStep)
            {
                Tell(output, $"! {name}");
                using System.Diagnostics.Process self = System.Diagnostics.Process.GetCurrentProcess();
                self.Kill();
                using ManualResetEventSlim never = new();
                never.Wait(); // Nothing more is done here until the signal came.
            }
        }

        await using NodesEngine opened = await OpenAsync(folder, shape, Step);
        NodesWorker worker = await NodesWorker.OpenAsync(opened.Engine.Nodes, CloneScript.Folder);
        Dictionary<string, byte[]> files = await worker.ReadAllAsync();
        Random random = new(seed);
        while (true)
        {
            string line = CloneScript.Draw(random, files.Keys);
            Tell(output, $"> {line}");
            await CloneScript.RunAsync(opened.Engine, worker, line);
            CloneScript.Apply(files, line);
            Tell(output, $"< {line}");
        }
    }

    /// <summary>Shape 0: one target; 1: two columns; 2: two copies.</summary>
    internal static Task<NodesEngine> OpenAsync(string folder, int shape, Action<string>? step) => NodesEngine.OpenAsync(
        folder, keepOrphans: false, TimeSpan.FromMilliseconds(100), shape == 0 ? ["target"] : ["t0", "t1"], shape == 2 ? 2 : 1, step);

    private static void Tell(TextWriter output, string line)
    {
        lock (output)
        {
            output.WriteLine(line + " .");
            output.Flush();
        }
    }
}
