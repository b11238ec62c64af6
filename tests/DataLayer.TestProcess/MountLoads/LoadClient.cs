using System.Diagnostics;
using DataLayer.TestSupport.Posix;

namespace DataLayer.TestProcess.MountLoads;

/// <summary>
/// One client: does what its seed says in a folder of its own, and compares what it finds with a model of every byte, size and name. Of a
/// fault it tells the report, and starts anew in another folder.
/// </summary>
internal sealed partial class LoadClient(string root, int id, int seed, LoadReport report, SharedFiles shared)
{
    private const int NameCount = 20;
    private const int MaxLength = 768 << 10;
    private const int MaxDescriptors = 12;
    private readonly Random _random = new((seed * 1000) + id);
    private readonly byte[] _buffer = new byte[MaxLength];
    private readonly Dictionary<string, LoadFile> _names = new(StringComparer.Ordinal);
    private readonly List<LoadFile> _orphans = [];
    private string _folder = "";
    private int _folderCount;
    private int _writeCount;

    /// <summary>Operations done so far.</summary>
    internal long Operations { get; private set; }

    /// <summary>Works until it is told to stop, then verifies all it has.</summary>
    internal void Run(CancellationToken stop)
    {
        StartFolder();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                Step();
                if (++Operations % 20 == 0)
                {
                    report.Beat(id, Operations);
                }
            }
            catch (LoadFaultException)
            {
                StartFolder();
            }
        }

        try
        {
            VerifyAll();
        }
        catch (LoadFaultException)
        {
            // Reported where it was found.
        }
    }

    /// <summary>Each file's path below the root, and its content, for a check after a remount.</summary>
    internal IEnumerable<(string Path, LoadFile File)> Files() => _names.Select(name => ($"{_folder}/{name.Key}"[(root.Length + 1)..], name.Value));

    private void StartFolder()
    {
        foreach (var file in _names.Values.Concat(_orphans).Where(file => file.Descriptor >= 0))
        {
            Sys.Close(file.Descriptor);
            file.Descriptor = -1;
        }

        _names.Clear();
        _orphans.Clear();
        _folder = $"{root}/client-{id}-{_folderCount++}";
        var made = Sys.Mkdir(_folder, 0x1ED);
        if (made < 0)
        {
            report.Error(id, "mkdir of its folder", made);
        }
    }

    private void Step()
    {
        switch (_random.Next(100))
        {
            case < 18: Replace(); break;
            case < 36: WriteAt(); break;
            case < 41: Append(); break;
            case < 46: Cut(); break;
            case < 56: Rename(); break;
            case < 61: Unlink(); break;
            case < 64: Link(); break;
            case < 72: WriteMapped(); break;
            case < 77: ReadMapped(); break;
            case < 85: ReadRange(); break;
            case < 89: ReadWhole(); break;
            case < 92: ListFolder(); break;
            case < 94: Sync(); break;
            case < 95: Attribute(); break;
            case < 96: VerifyOrphan(); break;
            case < 98: shared.Append(this); break;
            default: shared.Count(this); break;
        }
    }

    /// <summary>Makes a call that must succeed.</summary>
    internal long Call(string what, Func<long> call)
    {
        var started = Stopwatch.GetTimestamp();
        var result = call();
        report.Took(id, what, started);
        if (result < 0)
        {
            report.Error(id, what, result);
            throw new LoadFaultException();
        }

        return result;
    }

    /// <summary>Tells of something wrong where there is something.</summary>
    internal void Check(string what, string? difference)
    {
        if (difference is not null)
        {
            report.Wrong(id, $"{what}: {difference}");
            throw new LoadFaultException();
        }
    }

    /// <summary>This client's number.</summary>
    internal int Id => id;

    private string P(string name) => $"{_folder}/{name}";

    private string AnyName() => FormattableString.Invariant($"n{_random.Next(NameCount)}");

    private bool Pick(out string name, out LoadFile file)
    {
        (name, file) = ("", null!);
        if (_names.Count == 0)
        {
            return false;
        }

        (name, file) = _names.ElementAt(_random.Next(_names.Count));
        return true;
    }

    /// <summary>The file's own descriptor; opens it where it has none, and closes another's where there are too many.</summary>
    private int Descriptor(string name, LoadFile file)
    {
        if (file.Descriptor < 0)
        {
            var open = _names.Values.Distinct().Where(other => other.Descriptor >= 0).ToList();
            if (open.Count >= MaxDescriptors)
            {
                Close(open[_random.Next(open.Count)]);
            }

            file.Descriptor = (int)Call($"open {name}", () => Sys.Open(P(name), OpenFlags.ReadWrite));
        }

        return file.Descriptor;
    }

    private void Close(LoadFile file)
    {
        var descriptor = file.Descriptor;
        file.Descriptor = -1;
        Call("close", () => Sys.Close(descriptor));
    }

    private void Drop(LoadFile file)
    {
        if (--file.NameCount > 0)
        {
            return;
        }

        if (file.Descriptor < 0)
        {
            return;
        }

        _orphans.Add(file);
        if (_orphans.Count > 4)
        {
            var oldest = _orphans[0];
            _orphans.RemoveAt(0);
            VerifyOpen("an unlinked file", oldest);
            Close(oldest);
        }
    }

    private void VerifyOpen(string what, LoadFile file)
    {
        Sys.Stat(file.Descriptor, out var status);
        Check(what, status.Size == file.Length ? null : FormattableString.Invariant($"size {status.Size} instead of {file.Length}"));
        VerifyRange(what, file.Descriptor, file, 0, file.Length);
    }

    private void VerifyRange(string what, int descriptor, LoadFile file, int offset, int length)
    {
        var found = 0;
        while (found < length)
        {
            var at = found;
            var read = (int)Call($"read {what}", () => Sys.Read(descriptor, _buffer.AsSpan(at, length - at), offset + at));
            if (read == 0)
            {
                break;
            }

            found += read;
        }

        Check($"read {what}", LoadContent.Difference(_buffer.AsSpan(0, found), file.Content.Slice(offset, length), offset));
    }
}
