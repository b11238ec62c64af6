using System.Diagnostics;
using System.Runtime.InteropServices;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;

namespace DataLayer.Workloads.Feeds;

/// <summary>The baseline of small records: a loop of memcpy in C on one thread, records of a random order into batches one after the other.</summary>
internal sealed unsafe class GatherLibrary : IDisposable
{
    private const string Source = """
        #include <stdint.h>
        #include <string.h>
        void gather(const uint8_t *records, const int64_t *order, int64_t count, int64_t size, int64_t batch, uint8_t *slabs, int64_t slab_count)
        {
            for (int64_t i = 0; i < count; i++)
            {
                uint8_t *slab = slabs + (i / batch % slab_count) * batch * size;
                memcpy(slab + i % batch * size, records + order[i] * size, size);
            }
        }
        """;

    private readonly TempFolder _folder;
    private readonly nint _library;
    private readonly delegate* unmanaged<byte*, long*, long, long, long, byte*, long, void> _gather;

    private GatherLibrary(TempFolder folder, nint library)
    {
        _folder = folder;
        _library = library;
        _gather = (delegate* unmanaged<byte*, long*, long, long, long, byte*, long, void>)NativeLibrary.GetExport(library, "gather");
    }

    /// <summary>Compiles and loads it; needs a C compiler.</summary>
    public static GatherLibrary Build()
    {
        TempFolder folder = new("bench-gather");
        string source = folder.Combine("gather.c");
        File.WriteAllText(source, Source);
        string library = folder.Combine("libgather.so");
        Command.Run("cc", "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source);
        return new GatherLibrary(folder, NativeLibrary.Load(library));
    }

    /// <summary>Passes over all records; records a second.</summary>
    public double Run(byte[] records, int size, int batch, int passes)
    {
        const int Slabs = 4;
        int count = records.Length / size;
        long[] order = [.. Enumerable.Range(0, count).Select(i => (long)i)];
        new Random(1).Shuffle(order);
        byte[] slabs = new byte[Slabs * batch * size];
        long start = Stopwatch.GetTimestamp();
        for (int pass = 0; pass < passes; pass++)
        {
            fixed (byte* from = records, to = slabs)
            fixed (long* places = order)
            {
                _gather(from, places, count, size, batch, to, Slabs);
            }
        }

        return (double)count * passes / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public void Dispose()
    {
        NativeLibrary.Free(_library);
        _folder.Dispose();
    }
}
