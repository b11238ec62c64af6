using DataLayer.Fuse.Interop;

namespace DataLayer.Fuse;

/// <summary>
/// Counts what one mount does. Counters are spread over slots, so that reader threads do not share a line.
/// </summary>
internal sealed class FuseCounters
{
    private const int Opcodes = 64;
    private const int SlotCount = 16;
    private const int SlotLength = Opcodes + 16;
    private const int ReadBytesAt = Opcodes;
    private const int WrittenBytesAt = Opcodes + 1;
    private readonly long[] _slots = new long[SlotCount * SlotLength];

    /// <summary>Bytes answered to READ.</summary>
    internal long ReadBytes => Sum(ReadBytesAt);

    /// <summary>Bytes taken by WRITE.</summary>
    internal long WrittenBytes => Sum(WrittenBytesAt);

    internal void Count(Opcode opcode) => Add((int)Math.Min((uint)opcode, Opcodes - 1), 1);

    internal void AddRead(int bytes) => Add(ReadBytesAt, bytes);

    internal void AddWritten(int bytes) => Add(WrittenBytesAt, bytes);

    /// <summary>How many requests of a kind came.</summary>
    internal long CountOf(Opcode opcode) => Sum((int)opcode);

    /// <summary>How many requests of each kind came, those that came at all.</summary>
    internal List<(Opcode Opcode, long Count)> Requests()
    {
        List<(Opcode, long)> found = [];
        for (int i = 0; i < Opcodes; i++)
        {
            long count = Sum(i);
            if (count > 0)
            {
                found.Add(((Opcode)i, count));
            }
        }

        return found;
    }

    private void Add(int at, long value)
    {
        int slot = Environment.CurrentManagedThreadId % SlotCount;
        Interlocked.Add(ref _slots[(slot * SlotLength) + at], value);
    }

    private long Sum(int at)
    {
        long sum = 0;
        for (int slot = 0; slot < SlotCount; slot++)
        {
            sum += Volatile.Read(ref _slots[(slot * SlotLength) + at]);
        }

        return sum;
    }
}
