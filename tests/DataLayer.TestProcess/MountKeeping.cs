using DataLayer.Keeper;
using Microsoft.Extensions.Logging;

namespace DataLayer.TestProcess;

/// <summary>A keeper as a process of its own: mounts, says so on its output, and ends with the mount.</summary>
internal static class MountKeeping
{
    /// <summary>Keeps a mount; the exit code is the number of its end (<see cref="KeeperEnd"/>).</summary>
    public static async Task<int> RunAsync(string state, string mountPoint, double takeoverSeconds, TextWriter output)
    {
        var options = new MountKeeperOptions
        {
            StateFolder = state,
            TreePath = "/",
            MountPoint = mountPoint,
            TakeoverTimeout = TimeSpan.FromSeconds(takeoverSeconds),
        };
        await using var keeper = await MountKeeper.StartAsync(options, new LineLog(output));
        await output.WriteLineAsync($"ready {keeper.MountPoint}");
        await output.FlushAsync();
        return (int)await keeper.Ended;
    }

    private sealed class LineLog(TextWriter output) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (output)
            {
                output.WriteLine($"{logLevel}: {formatter(state, exception)} {exception}");
                output.Flush();
            }
        }
    }
}
