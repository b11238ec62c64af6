using System.Diagnostics;
using DataLayer.TestSupport.Processes;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>
/// A process that holds the file <c>held</c> of a mount open and does with it what it is told, a line an order, a line an answer. An
/// answer that does not come in a minute means that the process hangs in the mount, and fails the test.
/// </summary>
internal sealed class MountUser : IAsyncDisposable
{
    private const string Script = """
        import errno, os, sys
        f = os.open("held", os.O_RDWR | os.O_CREAT)
        os.write(f, b"one")
        print("open", flush=True)
        for order in sys.stdin:
            try:
                if order == "read\n":
                    print(os.pread(f, 100, 0).decode(), flush=True)
                elif order == "write\n":
                    os.pwrite(f, b"two", 0)
                    print("written", flush=True)
                else:
                    os.chdir("/")
                    try:
                        os.close(f)
                    except OSError:
                        pass
                    print("closed", flush=True)
            except OSError as e:
                print(errno.errorcode[e.errno], flush=True)
        """;

    private static readonly TimeSpan _limit = TimeSpan.FromMinutes(1);
    private readonly Process _process;

    private MountUser(Process process) => _process = process;

    /// <summary>Its process id.</summary>
    internal int ProcessId => _process.Id;

    /// <summary>Starts it; ends when the file is open and holds <c>one</c>.</summary>
    internal static async Task<MountUser> StartAsync(string mountPoint)
    {
        var start = new ProcessStartInfo("python3", ["-c", $"import os\nos.chdir({Quote(mountPoint)})\n{Script}"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        var process = Process.Start(start)!;
        OrphanWatch.Add(process.Id);
        var user = new MountUser(process);
        Assert.Equal("open", await user.AnswerAsync());
        return user;
    }

    /// <summary>Gives an order and returns the answer: <c>read</c>, <c>write</c> or <c>close</c>.</summary>
    internal async Task<string> AskAsync(string order)
    {
        await _process.StandardInput.WriteLineAsync(order);
        await _process.StandardInput.FlushAsync();
        return await AnswerAsync();
    }

    /// <summary>Gives an order until it is answered as wanted; at most for a minute.</summary>
    internal async Task<string> AskUntilAsync(string order, string wanted)
    {
        var start = Stopwatch.GetTimestamp();
        string answer;
        do
        {
            answer = await AskAsync(order);
        }
        while (answer != wanted && Stopwatch.GetElapsedTime(start) < _limit);
        return answer;
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task<string> AnswerAsync() =>
        await _process.StandardOutput.ReadLineAsync().WaitAsync(_limit) ?? throw new InvalidOperationException("The user of the mount ended.");

    private static string Quote(string text) => "\"" + text.Replace("\\", "\\\\").Replace("\"", "\\\"") + "\"";
}
