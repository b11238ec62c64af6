using DataLayer.TestSupport.Mounts;

namespace DataLayer.TestProcess;

/// <summary>
/// A mounted tree in a process of its own, so that its users may map files and fault on them. Each line of input unmounts, drops all that
/// memory holds and mounts again; the end of the input ends it.
/// </summary>
internal static class TreeServing
{
    /// <summary>Serves; says <c>ready PATH</c> after each mount.</summary>
    public static async Task RunAsync(TextReader input, TextWriter output)
    {
        await using var tree = await MountedTree.StartAsync(new MountedTreeOptions { IsPrivileged = true });
        do
        {
            await output.WriteLineAsync($"ready {tree.Path}");
            await output.FlushAsync();
            if (await input.ReadLineAsync() is null)
            {
                return;
            }

            await tree.RemountAsync();
        }
        while (true);
    }
}
