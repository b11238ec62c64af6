using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Upkeep;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>Adds up what a warm-up does, and reports each file. Any thread.</summary>
internal sealed class WarmTally(WarmOutcome start, long totalFiles, long totalBytes, JobRun run)
{
    private const int MaxGaps = 100;
    private readonly Lock _lock = new();
    private WarmOutcome _outcome = start;
    private long _totalFiles = totalFiles;
    private long _totalBytes = totalBytes;

    /// <summary>What came out so far.</summary>
    public WarmOutcome Outcome
    {
        get
        {
            lock (_lock)
            {
                return _outcome;
            }
        }
    }

    /// <summary>How far it is.</summary>
    public JobProgress Progress
    {
        get
        {
            lock (_lock)
            {
                return new JobProgress(
                    _outcome.Files, Math.Max(_totalFiles, _outcome.Files), _outcome.Bytes,
                    Math.Max(_totalBytes, _outcome.Bytes), _outcome.Missing);
            }
        }
    }

    public void AddResident(FileWarmth file, bool compared) => Add(o => o with
    {
        Files = o.Files + 1,
        Bytes = o.Bytes + file.SizeBytes,
        Resident = o.Resident + 1,
        Checksummed = o.Checksummed + (compared ? 1 : 0),
        AlreadyHot = o.AlreadyHot + (file.AlreadyHot ? 1 : 0),
        BroughtBytes = o.BroughtBytes + (file.AlreadyHot ? 0 : file.SizeBytes),
    });

    public void AddEvicted(long sizeBytes, EvictResult result) => Add(o => o with
    {
        Files = o.Files + 1,
        Bytes = o.Bytes + sizeBytes,
        Released = o.Released + result.ReleasedFiles,
        ReleasedBytes = o.ReleasedBytes + result.ReleasedBytes,
        Kept = o.Kept + result.KeptFiles,
    });

    public void AddGap(string path, long sizeBytes, string reason) => Add(o => o with
    {
        Files = o.Files + 1,
        Bytes = o.Bytes + sizeBytes,
        Missing = o.Missing + 1,
        Gaps = o.Gaps.Count < MaxGaps ? [.. o.Gaps, new WarmGap(path, reason)] : o.Gaps,
    });

    /// <summary>It is known now how much there is to do.</summary>
    public void SetTotals(long files, long bytes)
    {
        lock (_lock)
        {
            _totalFiles = files;
            _totalBytes = bytes;
        }
    }

    /// <summary>Shows how many bytes are there already, of files that are only counted at the end.</summary>
    public void ReportBytes(long bytes) => run.Report(Progress with { DoneBytes = bytes });

    public void AddGone() => Add(o => o with { Files = o.Files + 1 });

    private void Add(Func<WarmOutcome, WarmOutcome> change)
    {
        lock (_lock)
        {
            _outcome = change(_outcome);
        }

        run.Report(Progress);
    }
}
