using System.Globalization;
using DataLayer.TestSupport.Nodes;

namespace DataLayer.TestProcess;

/// <summary>
/// Clones, writes, cuts and removes files of one folder, a line before and after each change, until it kills itself (SIGKILL) at a given
/// step between two system calls or transactions (a number counts all steps, a name those of the name after the first few); the last
/// line names the step.
/// </summary>
internal static class CloneLoad
{
    /// <summary>Runs until the process ends.</summary>
    public static async Task RunAsync(string folder, int seed, int shape, string killAt, TextWriter output)
    {
        bool isNumber = int.TryParse(killAt, NumberStyles.None, CultureInfo.InvariantCulture, out int killAtStep);
        int steps = 0;
        void Step(string name)
        {
            if ((isNumber || name == killAt) && Interlocked.Increment(ref steps) == (isNumber ? killAtStep : 2))
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
            string line = CloneScript.Draw(random, files.Keys, copies: shape == 3);
            Tell(output, $"> {line}");
            await CloneScript.RunAsync(opened.Engine, worker, line);
            CloneScript.Apply(files, line);
            Tell(output, $"< {line}");
        }
    }

    /// <summary>Shape 0: one target; 1: two columns; 2: two copies; 3: three columns, and copies are made and dropped.</summary>
    internal static Task<NodesEngine> OpenAsync(string folder, int shape, Action<string>? step) => NodesEngine.OpenAsync(
        folder, keepOrphans: false, TimeSpan.FromMilliseconds(100), NodesEngine.TargetsOf(shape), shape == 2 ? 2 : 1, step);

    private static void Tell(TextWriter output, string line)
    {
        lock (output)
        {
            output.WriteLine(line + " .");
            output.Flush();
        }
    }
}
