using System.Diagnostics;
using DataLayer.TestSupport.Ceph;

namespace DataLayer.Workloads.Cold;

/// <summary>Runs rclone against the gateway; <c>eng/bench</c> installs Debian's package.</summary>
internal sealed class Rclone(CephCluster cluster)
{
    /// <summary>Reads an object to nowhere.</summary>
    public Task CatAsync(string bucket, string key) => CallAsync("cat", "--discard", $"rgw:{bucket}/{key}");

    /// <summary>Copies all objects below a prefix to a folder, 32 at a time.</summary>
    public Task CopyAsync(string bucket, string prefix, string folder) =>
        CallAsync("copy", "--transfers", "32", "--checkers", "32", $"rgw:{bucket}/{prefix}", folder);

    /// <summary>What names the cluster's gateway as the remote <c>rgw</c>, without a configuration file.</summary>
    public static Dictionary<string, string> EnvironmentFor(CephCluster cluster) => new(StringComparer.Ordinal)
    {
        ["RCLONE_CONFIG"] = "/dev/null",
        ["RCLONE_CONFIG_RGW_TYPE"] = "s3",
        ["RCLONE_CONFIG_RGW_PROVIDER"] = "Ceph",
        ["RCLONE_CONFIG_RGW_ENDPOINT"] = cluster.Endpoint.ToString(),
        ["RCLONE_CONFIG_RGW_ACCESS_KEY_ID"] = cluster.AccessKey,
        ["RCLONE_CONFIG_RGW_SECRET_ACCESS_KEY"] = cluster.SecretKey,
    };

    private static async Task<int> RunAsync(string program, string[] arguments, Dictionary<string, string> environment)
    {
        ProcessStartInfo start = new(program, arguments);
        start.Environment.Remove("AWS_CA_BUNDLE"); // The gateway speaks plain HTTP, and rclone trips over a bundle.
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    private async Task CallAsync(params string[] arguments)
    {
        if (await RunAsync("rclone", arguments, EnvironmentFor(cluster)) is not 0 and int code)
        {
            throw new InvalidOperationException($"rclone {string.Join(' ', arguments)} ended with {code}.");
        }
    }
}
