using System.Runtime.InteropServices;
using DataLayer.Engine.Tiering.Simulation;

namespace DataLayer.Workloads.Tiering;

/// <summary>
/// Makes the accesses of a research group over 90 days and the 60 before them, from a seed. Four kinds of use share the tree:
/// <list type="bullet">
/// <item>Training: datasets of some hundred files. At any time a few are in use; each use lasts days to weeks, one to three passes a day
/// over all files in shuffled order, then another dataset's turn comes, an old one or a new one (drift). Weekends and
/// holidays half of the uses pause.</item>
/// <item>End of day: each trading day a folder of new files is written at 17:00, and read at 18:00 together with those of the last 20
/// trading days; on the last trading day of a week with those of 60.</item>
/// <item>Checkpoints: uses in training write one an hour while they run; most are deleted after two weeks, each tenth is kept.</item>
/// <item>Ad hoc: people read single files in working hours, nine of ten of them used lately, one any; and every week there is a
/// burst: hundreds of files of some dataset within an hour.</item>
/// </list>
/// </summary>
internal sealed class ResearchTrace
{
    private const int HistoryDays = 60;
    private const int Days = 90;
    private const int DatasetCount = 120;
    private const int UsesAtOnce = 6;
    private const long KiB = 1L << 10;
    private const long MiB = 1L << 20;
    private readonly Random _random;
    private readonly List<TraceFile> _files = [];
    private readonly List<TraceEvent> _events = [];
    private readonly List<long> _sizes = [];
    private readonly List<double> _births = [];
    private readonly Dictionary<int, double> _deaths = [];
    private readonly Dictionary<int, List<int>> _usedByDay = [];
    private readonly List<List<int>> _datasets = [];
    private readonly List<(int Day, List<int> Files)> _tradingDays = [];
    private readonly DateTimeOffset _start = new(2026, 3, 2, 0, 0, 0, TimeSpan.Zero);
    private readonly HashSet<int> _holidays = [];

    private ResearchTrace(int seed) => _random = new Random(seed);

    /// <summary>Makes the trace. Equal seeds make equal traces.</summary>
    public static AccessTrace Make(int seed) => new ResearchTrace(seed).Make();

    private AccessTrace Make()
    {
        for (int day = -HistoryDays; day < Days; day++)
        {
            if (_random.NextDouble() < 0.03)
            {
                _holidays.Add(day);
            }
        }

        MakeDatasets();
        Train();
        for (int day = -HistoryDays; day < Days; day++)
        {
            EndOfDay(day);
        }

        for (int day = -HistoryDays; day < Days; day++)
        {
            AdHoc(day);
        }

        _events.Sort(static (a, b) => a.At != b.At ? a.At.CompareTo(b.At) : a.File.CompareTo(b.File));
        return new AccessTrace { Start = _start, Length = TimeSpan.FromDays(Days), Files = _files, Events = _events };
    }

    private bool IsWorkday(int day) =>
        _start.AddDays(day).DayOfWeek is not (DayOfWeek.Saturday or DayOfWeek.Sunday) && !_holidays.Contains(day);

    /// <summary>Two thirds of the datasets are there from before; the rest arrive one by one (drift).</summary>
    private void MakeDatasets()
    {
        for (int i = 0; i < DatasetCount; i++)
        {
            double day = i < DatasetCount * 2 / 3 ? -HistoryDays - (_random.NextDouble() * 300) : -HistoryDays + (_random.NextDouble() * (HistoryDays + Days - 10));
            int count = 250 + _random.Next(500);
            long typical = (long)(MiB * Math.Pow(2, _random.NextDouble() * 6)); // 1 to 64 MiB
            List<int> files = [];
            for (int k = 0; k < count; k++)
            {
                long size = (long)(typical * (0.5 + _random.NextDouble()));
                files.Add(Add($"/research/datasets/set-{i:d3}/part-{k:d4}.bin", $"set-{i:d3}", size, Math.Max(day, -HistoryDays) + (k * 1e-5)));
            }

            _datasets.Add(files);
        }
    }

    private void Train()
    {
        for (int lane = 0; lane < UsesAtOnce; lane++)
        {
            double day = -HistoryDays + 1 + (_random.NextDouble() * 5);
            while (day < Days)
            {
                int dataset = PickDataset(day);
                double length = 4 + (_random.NextDouble() * 16);
                Use(dataset, day, Math.Min(Days, day + length), lane);
                day += length + (_random.NextDouble() * 2);
            }
        }
    }

    /// <summary>Half of the uses take one of the ten newest datasets there are, the others any.</summary>
    private int PickDataset(double day)
    {
        List<int> there = [.. Enumerable.Range(0, DatasetCount).Where(i => BirthOf(i) <= day - 0.1).OrderByDescending(BirthOf)];
        return there[_random.NextDouble() < 0.5 ? _random.Next(Math.Min(10, there.Count)) : _random.Next(there.Count)];
    }

    private double BirthOf(int dataset) => _births[_datasets[dataset][0]];

    private void Use(int dataset, double from, double until, int lane)
    {
        int passes = 1 + _random.Next(3);
        int[] order = [.. _datasets[dataset]];
        int checkpoint = 0;
        for (double day = from; day < until; day += 1.0 / passes)
        {
            if (!IsWorkday((int)Math.Floor(day)) && _random.NextDouble() < 0.5)
            {
                continue;
            }

            _random.Shuffle(order);
            double step = 0.8 / passes / order.Length;
            for (int i = 0; i < order.Length; i++)
            {
                Read(order[i], day + (i * step), _sizes[order[i]]);
            }

            int saved = Add($"/research/checkpoints/lane-{lane}/set-{dataset:d3}-{(int)(from * 10):d4}/step-{checkpoint++:d4}.pt", null, 300 * MiB + _random.NextInt64(400 * MiB), day + (0.85 / passes));
            if (_random.Next(10) != 0)
            {
                Delete(saved, day + 14);
            }
        }
    }

    private void EndOfDay(int day)
    {
        if (!IsWorkday(day))
        {
            return;
        }

        List<int> files = [];
        for (int i = 0; i < 80; i++)
        {
            long size = (long)(4 * MiB * Math.Pow(2, _random.NextDouble() * 4));
            files.Add(Add($"/market/{_start.AddDays(day):yyyy-MM-dd}/feed-{i:d3}.parquet", "market", size, day + (17.0 / 24) + (i * 1e-4)));
        }

        _tradingDays.Add((day, files));
        bool isWeekly = !IsWorkday(day + 1);
        double at = day + (18.0 / 24);
        foreach ((_, List<int> old) in _tradingDays.TakeLast(isWeekly ? 60 : 20))
        {
            foreach (int file in old)
            {
                Read(file, at, _sizes[file]);
                at += 1e-5;
            }
        }
    }

    private void AdHoc(int day)
    {
        int reads = IsWorkday(day) ? 400 : 60;
        for (int i = 0; i < reads; i++)
        {
            double at = day + ((8 + (_random.NextDouble() * 11)) / 24);
            int file = PickFile(at);
            if (file >= 0)
            {
                Read(file, at, Math.Max(64 * KiB, (long)(_sizes[file] * _random.NextDouble())));
            }
        }

        if (_random.NextDouble() < 0.15)
        {
            // A burst: somebody looks through a part of some dataset.
            double at = day + ((9 + (_random.NextDouble() * 8)) / 24);
            List<int> files = _datasets[_random.Next(DatasetCount)];
            int first = _random.Next(files.Count);
            for (int i = first; i < Math.Min(files.Count, first + 300) && _births[files[i]] < at; i++)
            {
                Read(files[i], at + ((i - first) * 1e-4), _sizes[files[i]]);
            }
        }
    }

    /// <summary>
    /// Nine of ten reads fall on what was used lately (a day back in time by an exponential law of three days, then any access of that
    /// day), the others on any file.
    /// </summary>
    private int PickFile(double at)
    {
        for (int attempt = 0; attempt < 20; attempt++)
        {
            List<int>? day = _random.NextDouble() < 0.9
                ? _usedByDay.GetValueOrDefault((int)(at + (3 * Math.Log(1 - _random.NextDouble()))))
                : null;
            int file = day is { Count: > 0 } ? day[_random.Next(day.Count)] : _random.Next(_files.Count);
            if (_births[file] < at && !(_deaths.TryGetValue(file, out double death) && death <= at))
            {
                return file;
            }
        }

        return -1;
    }

    private int Add(string path, string? dataset, long bytes, double day)
    {
        int file = _files.Count;
        _files.Add(new TraceFile(path, dataset, path.Split('/')[1]));
        _sizes.Add(bytes);
        _births.Add(day);
        _events.Add(new TraceEvent(TimeSpan.FromDays(day), TraceAction.Write, file, bytes));
        return file;
    }

    private void Read(int file, double day, long bytes)
    {
        if (day < Days)
        {
            _events.Add(new TraceEvent(TimeSpan.FromDays(day), TraceAction.Read, file, bytes));
            ref List<int>? used = ref CollectionsMarshal.GetValueRefOrAddDefault(_usedByDay, (int)Math.Floor(day), out _);
            (used ??= []).Add(file);
        }
    }

    private void Delete(int file, double day)
    {
        _deaths[file] = day;
        if (day < Days)
        {
            _events.Add(new TraceEvent(TimeSpan.FromDays(day), TraceAction.Delete, file, 0));
        }
    }
}
