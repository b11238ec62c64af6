using System.Diagnostics;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Processes;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>
/// The keeper alone, with the smallest service there can be on the other side: one descriptor goes from process to process under
/// readers, and the kernel sends again what was in flight.
/// </summary>
public sealed class DescriptorHandoverTests(ITestOutputHelper output)
{
    private const string Readers = """
        import sys
        def compare():
            with open("data", "rb", buffering=0) as f:
                at = 0
                while chunk := f.read(1 << 20):
                    assert chunk == reference[at:at + len(chunk)], at
                    at += len(chunk)
                assert at == 64 << 20, at
        offsets = bytes(((at * 31) & 255) for at in range(256))
        reference = b"".join(bytes(b ^ (page & 255) for b in offsets) * 16 for page in range((64 << 20) >> 12))
        children = []
        for reader in range(3):
            pid = os.fork()
            if pid == 0:
                while not os.path.exists(sys.argv[1]):
                    compare()
                    print("pass", flush=True)
                os._exit(0)
            children.append(pid)
        sys.exit(max(abs(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])) for pid in children))
        """;

    [Fact]
    public async Task Twelve_kills_of_the_server_give_its_readers_no_error_and_no_wrong_byte()
    {
        using var folder = new TempFolder("handover");
        var state = folder.MakeFolder("state");
        var at = folder.MakeFolder("mnt");
        var stop = folder.Combine("stop");
        var program = BuiltProgram.Find("DataLayer.TestProcess", "DataLayer.TestProcess");
        var service = await StartAsync(program, "mount-service", Path.Combine(state, "keeper.sock"));
        using var keeper = await StartAsync(program, "keep-mount", state, at, "30");
        try
        {
            using var readers = Command.Start("python3", ["-c", $"import os\nos.chdir(\"{at}\")\n{Readers}", stop], environment: null);
            OrphanWatch.Add(readers.Id);
            var faults = readers.StandardError.ReadToEndAsync();
            for (var kill = 0; kill < 12; kill++)
            {
                Assert.NotNull(await readers.StandardOutput.ReadLineAsync());
                service.Kill();
                await service.WaitForExitAsync();
                service.Dispose();
                service = await StartAsync(program, "mount-service", Path.Combine(state, "keeper.sock"));
            }

            await File.WriteAllTextAsync(stop, "");
            var rest = readers.StandardOutput.ReadToEndAsync();
            await readers.WaitForExitAsync();
            Assert.True(readers.ExitCode == 0, await faults);
            output.WriteLine((await rest).Length.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
        finally
        {
            MountTable.DetachBelow(at);
            service.Kill();
            await keeper.WaitForExitAsync();
            service.Dispose();
        }
    }

    private static async Task<Process> StartAsync(string program, params string[] arguments)
    {
        var process = Command.Start("dotnet", [program, .. arguments], environment: null);
        OrphanWatch.Add(process.Id);
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.StartsWith("ready", StringComparison.Ordinal))
            {
                _ = process.StandardOutput.ReadToEndAsync();
                return process;
            }
        }

        throw new InvalidOperationException(await process.StandardError.ReadToEndAsync());
    }
}
