using DataLayer.TestSupport.Processes;

namespace DataLayer.EndToEndTests.Kubernetes;

/// <summary>The CSI driver as a process, with real mounts, called by a gRPC client of another make.</summary>
public sealed class CsiTests
{
    [Fact]
    public async Task A_real_client_finds_every_method_and_every_error_as_the_specification_has_them()
    {
        await using DriverProcess driver = await DriverProcess.StartAsync();
        CommandResult result = await driver.RunPythonAsync("csi_suite.py");
        string last = result.Output.TrimEnd().Split('\n')[^1];
        Assert.True(result.ExitCode == 0, $"{last}\n{Failed(result)}\n{result.Error}\n{driver.Log}");
        Assert.Matches("^[0-9]+ passed, 0 failed$", last);
        Assert.True(int.Parse(last.Split(' ')[0]) >= 76, last);
        Assert.Empty(driver.Log.Split('\n').Where(line => line.Contains(" fail: ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Pods_files_are_there_again_after_the_service_and_after_the_driver_were_killed()
    {
        await using DriverProcess driver = await DriverProcess.StartAsync();
        await StepAsync(driver, "begin");

        // The keeper holds the mount: an open file reads on through the service's death.
        await StepAsync(driver, "hold");
        await driver.Service.KillAsync();
        await driver.Service.RestartAsync();
        await StepAsync(driver, "look");

        // The keeper's own death takes the mount; the next driver makes it anew, with its binds.
        await driver.KillAndRestartAsync();
        await StepAsync(driver, "look");
        await StepAsync(driver, "end");
        Assert.DoesNotContain(driver.Kubelet, await File.ReadAllTextAsync("/proc/self/mountinfo"), StringComparison.Ordinal);
    }

    private static async Task StepAsync(DriverProcess driver, string step)
    {
        CommandResult result = await driver.RunPythonAsync("csi_pod.py", step);
        Assert.True(result.ExitCode == 0, $"{step}: {result.Output}{result.Error}\n{driver.Log}\n{driver.Service.Log}");
    }

    private static string Failed(CommandResult result) =>
        string.Join('\n', result.Output.Split('\n').Where(line => line.StartsWith("FAILED", StringComparison.Ordinal)));
}
