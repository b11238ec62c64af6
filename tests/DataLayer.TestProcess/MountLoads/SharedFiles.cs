using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using DataLayer.TestSupport.Posix;

namespace DataLayer.TestProcess.MountLoads;

/// <summary>
/// What the clients share: a log that all append to (each record one O_APPEND write, through a descriptor that stays open all the time),
/// and a counter that each reads and writes under a lock of its own open file. Verified at the end.
/// </summary>
internal sealed class SharedFiles
{
    private const int RecordLength = 64;
    private readonly string _log;
    private readonly int[] _logs;
    private readonly int[] _counters;
    private readonly int[] _appended;
    private readonly int[] _counted;

    internal SharedFiles(string root, int clients)
    {
        _log = root + "/log";
        _appended = new int[clients];
        _counted = new int[clients];
        _logs = [.. Enumerable.Range(0, clients).Select(_ => Open(_log, OpenFlags.WriteOnly | OpenFlags.Append))];
        _counters = [.. Enumerable.Range(0, clients).Select(_ => Open(root + "/counter", OpenFlags.ReadWrite))];
        Sys.Write(_counters[0], new byte[8], 0);
    }

    internal void Append(LoadClient client)
    {
        var record = Record(client.Id, _appended[client.Id]);
        var written = client.Call("append to the log", () => Sys.Write(_logs[client.Id], record));
        client.Check("append to the log", written == RecordLength ? null : FormattableString.Invariant($"{written} bytes"));
        _appended[client.Id]++;
    }

    internal void Count(LoadClient client)
    {
        var file = _counters[client.Id];
        var bytes = new byte[8];
        client.Call("lock the counter", () => Lock(file, LockFlags.Write));
        client.Call("read the counter", () => Sys.Read(file, bytes, 0));
        BinaryPrimitives.WriteInt64LittleEndian(bytes, BinaryPrimitives.ReadInt64LittleEndian(bytes) + 1);
        client.Call("write the counter", () => Sys.Write(file, bytes, 0));
        client.Call("unlock the counter", () => Lock(file, LockFlags.Unlock));
        _counted[client.Id]++;
    }

    /// <summary>Each record must be there once and whole, those of a client in their order, and the counter must have lost no step.</summary>
    internal void Verify(LoadReport report)
    {
        foreach (var file in _logs)
        {
            var closed = Sys.Close(file);
            if (closed < 0)
            {
                report.Error(-1, "close the log", closed);
            }
        }

        var lines = File.ReadAllBytes(_log);
        var next = new int[_appended.Length];
        for (var at = 0; at < lines.Length; at += RecordLength)
        {
            var record = lines.AsSpan(at, Math.Min(RecordLength, lines.Length - at));
            var text = Encoding.ASCII.GetString(record);
            var isOfClient = int.TryParse(text.Split(' ')[0], CultureInfo.InvariantCulture, out var client) && client < next.Length;
            if (!isOfClient || !record.SequenceEqual(Record(client, next[client]++)))
            {
                report.Wrong(-1, FormattableString.Invariant($"log record at {at}: '{text.Replace('\0', '~')}'"));
            }
        }

        if (!next.SequenceEqual(_appended))
        {
            report.Wrong(-1, $"log: {string.Join(' ', next)} records instead of {string.Join(' ', _appended)}");
        }

        var counter = new byte[8];
        Sys.Read(_counters[0], counter, 0);
        if (BinaryPrimitives.ReadInt64LittleEndian(counter) != _counted.Sum())
        {
            report.Wrong(-1, FormattableString.Invariant(
                $"counter: {BinaryPrimitives.ReadInt64LittleEndian(counter)} instead of {_counted.Sum()}"));
        }

        foreach (var file in _counters)
        {
            Sys.Close(file);
        }
    }

    private static byte[] Record(int client, int number) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{client} {number} ").PadRight(RecordLength - 1, '.') + "\n");

    private static long Lock(int file, short kind)
    {
        LockRange range = new() { Kind = kind, Length = 8 };
        return Sys.Lock(file, LockFlags.SetOwnedWait, ref range);
    }

    private static int Open(string path, int flags)
    {
        var opened = Sys.Open(path, flags | OpenFlags.Create, 0x1A4);
        return opened >= 0 ? (int)opened : throw new InvalidOperationException($"open {path}: {(Errno)(-opened)}");
    }
}
