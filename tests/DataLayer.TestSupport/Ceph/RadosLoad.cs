using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.TestSupport.Ceph;

/// <summary>
/// Writes, cuts and flushes one striped content on a RADOS target, a line before and after each change (<c>w OFFSET LENGTH FILL</c>,
/// <c>t SIZE</c>, <c>f</c>), until it kills itself (SIGKILL) at a step between two changes of objects.
/// </summary>
public static class RadosLoad
{
    /// <summary>The content's largest size, bytes: three objects and a piece.</summary>
    public const int LimitBytes = 13_000_000;

    /// <summary>Runs until the process ends.</summary>
    public static async Task RunAsync(string address, int seed, int killAtStep, TextWriter output)
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

        HotTierOptions options = new()
        {
            Pools = [new PoolOptions { Name = "default", Directories = [], Rados = [address], ReserveBytes = 0 }],
            StepHook = Step,
        };
        await using HotTier tier = await HotTier.OpenAsync(options, TimeProvider.System, NullLogger<HotTier>.Instance, default);
        ContentId content = new(new InodeId(1), 1);
        StripedPlacement placement = tier.PlaceStriped(null, content, LimitBytes);
        Random random = new(seed);
        while (true)
        {
            int kind = random.Next(8);
            int at = random.Next(LimitBytes);
            int length = Math.Min(LimitBytes - at, random.Next(1, random.Next(4) == 0 ? 6_000_000 : 100_000));
            byte fill = (byte)random.Next(1, 256);
            string line = kind < 5 ? $"w {at} {length} {fill}" : kind == 5 ? $"t {at}" : "f";
            Tell(output, $"> {line}");
            if (kind < 5)
            {
                byte[] bytes = new byte[length];
                Array.Fill(bytes, fill);
                await tier.WriteAsync(content, placement, at, bytes, default);
            }
            else if (kind == 5)
            {
                await tier.TruncateAsync(content, placement, at, default);
            }
            else if (steps > 0)
            {
                await tier.FlushAsync(content, placement, default);
            }

            Tell(output, $"< {line}");
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
