using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace DataLayer.Workloads.Mounts;

/// <summary>
/// The client of the mount's benchmark: a process of its own (this program, started again), so that what it costs is
/// not counted as
/// the server's and its page faults do not meet the server's garbage collector.
/// </summary>
internal static partial class MountClient
{
    /// <summary>The first argument that makes this program a client.</summary>
    public const string Verb = "--mount-client";

    private const int OpenDirect = 0x4000; // O_DIRECT of x86-64.

    /// <summary>Runs one case in a client process; returns the seconds it took.</summary>
    public static async Task<double> RunAsync(string @case, string path, params object[] arguments)
    {
        string output = await RunProcessAsync(
            [Verb, @case, path, .. arguments.Select(a => Convert.ToString(a, CultureInfo.InvariantCulture)!)]);
        return double.Parse(output, CultureInfo.InvariantCulture);
    }

    /// <summary>Starts this program again; returns what it wrote.</summary>
    /// <exception cref="IOException">It ended with another code than 0.</exception>
    public static async Task<string> RunProcessAsync(IReadOnlyList<string> arguments)
    {
        ProcessStartInfo start = new(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Add(typeof(MountClient).Assembly.Location);
        }

        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["DOTNET_TieredPGO"] = "0";
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? output
            : throw new IOException($"The client '{string.Join(' ', arguments.Take(3))}' ended with {process.ExitCode}.");
    }

    /// <summary>What the client process does.</summary>
    public static int Run(string[] arguments)
    {
        string path = arguments[2];
        long[] numbers = [.. arguments.Skip(3).Select(text => long.Parse(text, CultureInfo.InvariantCulture))];
        double seconds = arguments[1] switch
        {
            "seq" => Time(1, _ => ReadSequential(path)),
            "rand" => Time((int)numbers[2], thread => ReadRandom(path, numbers[0], (int)numbers[1], thread)),
            "small" => Time(
                (int)numbers[1],
                thread => ReadSmall(
                    path, (int)(numbers[0] * thread / numbers[1]), (int)(numbers[0] * (thread + 1) / numbers[1]),
                    (int)numbers[2])),
            "create" => Time(1, _ => Create(path, (int)numbers[0])),
            _ => throw new NotSupportedException(arguments[1]),
        };
        Console.Write(seconds.ToString("R", CultureInfo.InvariantCulture));
        return 0;
    }

    internal static double Time(int threads, Action<int> work)
    {
        using Barrier barrier = new(threads + 1);
        Thread[] all = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            int number = i;
            all[i] = new Thread(() =>
            {
                barrier.SignalAndWait();
                work(number);
            });
            all[i].Start();
        }

        barrier.SignalAndWait();
        long start = Stopwatch.GetTimestamp();
        foreach (Thread thread in all)
        {
            thread.Join();
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static unsafe void ReadSequential(string path)
    {
        byte* buffer = (byte*)NativeMemory.AlignedAlloc(1 << 20, 4096);
        int file = Check(Open(path, 0, 0));
        while (Check(Read(file, buffer, 1 << 20)) > 0)
        {
            // The bytes are not looked at: the reader's own work is no part of the case.
        }

        _ = Close(file);
        NativeMemory.AlignedFree(buffer);
    }

    private static unsafe void ReadRandom(string path, long fileBytes, int count, int thread)
    {
        Random random = new(thread + 1);
        byte* buffer = (byte*)NativeMemory.AlignedAlloc(4096, 4096);
        int file = Check(Open(path, OpenDirect, 0));
        for (int i = 0; i < count; i++)
        {
            if (Check(Pread(file, buffer, 4096, random.NextInt64(fileBytes / 4096) * 4096)) != 4096)
            {
                throw new IOException("short");
            }
        }

        _ = Close(file);
        NativeMemory.AlignedFree(buffer);
    }

    private static unsafe void ReadSmall(string folder, int from, int to, int passes)
    {
        byte* buffer = (byte*)NativeMemory.AlignedAlloc(1 << 16, 4096);
        for (int pass = 0; pass < passes; pass++)
        {
            for (int i = from; i < to; i++)
            {
                int file = Check(Open(string.Create(CultureInfo.InvariantCulture, $"{folder}/f{i}"), 0, 0));
                if (Check(Read(file, buffer, 16_384)) != 16_384)
                {
                    throw new IOException("short");
                }

                _ = Close(file);
            }
        }

        NativeMemory.AlignedFree(buffer);
    }

    private static unsafe void Create(string folder, int count)
    {
        byte* buffer = (byte*)NativeMemory.AlignedAlloc(16_384, 4096);
        new Random(3).NextBytes(new Span<byte>(buffer, 16_384));
        for (int i = 0; i < count; i++)
        {
            const int WriteCreateExclusive = 0xC1;
            int file = Check(Open(
                string.Create(CultureInfo.InvariantCulture, $"{folder}/f{i}"), WriteCreateExclusive, 0x1A4));
            _ = Check(Write(file, buffer, 16_384));
            if (i % 100 == 99)
            {
                _ = Check(Fsync(file));
            }

            _ = Close(file);
        }

        NativeMemory.AlignedFree(buffer);
    }

    internal static int Check(nint result) =>
        result >= 0 ? (int)result : throw new Win32Exception(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    internal static unsafe partial nint Read(int file, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    private static unsafe partial nint Pread(int file, byte* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static unsafe partial nint Write(int file, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int file);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int file);
}
