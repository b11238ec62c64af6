using System.Diagnostics.Metrics;

namespace DataLayer.Metadata.Commit;

/// <summary>The meter "DataLayer.Metadata": commits, changes a commit, commit latency, queue length.</summary>
internal sealed class MetadataMeter : IDisposable
{
    private readonly Meter _meter = new("DataLayer.Metadata");
    private readonly Counter<long> _commits;
    private readonly Histogram<int> _changes;
    private readonly Histogram<double> _seconds;

    /// <summary>Starts the instruments; <paramref name="queueLength"/> is asked when somebody collects.</summary>
    public MetadataMeter(Func<int> queueLength)
    {
        _commits = _meter.CreateCounter<long>("datalayer.metadata.commits", "{commit}", "Transactions committed by "
            + "the metadata writer.");
        _changes = _meter.CreateHistogram<int>("datalayer.metadata.commit.changes", "{change}", "Changes that "
            + "shared one commit.");
        _seconds = _meter.CreateHistogram<double>("datalayer.metadata.commit.duration", "s", "Time from taking a "
            + "batch to its answer.");
        _meter.CreateObservableGauge("datalayer.metadata.queue.length", queueLength, "{change}", "Changes that wait "
            + "for the metadata writer.");
    }

    /// <summary>Counts one batch.</summary>
    public void RecordCommit(int changes, TimeSpan duration)
    {
        _commits.Add(1);
        _changes.Record(changes);
        _seconds.Record(duration.TotalSeconds);
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
