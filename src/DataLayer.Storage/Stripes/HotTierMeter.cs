using System.Diagnostics.Metrics;

namespace DataLayer.Storage.Stripes;

/// <summary>The meter <c>DataLayer.Stripes</c>.</summary>
internal sealed class HotTierMeter : IDisposable
{
    private readonly Meter _meter = new("DataLayer.Stripes");

    internal HotTierMeter()
    {
        ReadBytes = _meter.CreateCounter<long>("datalayer.stripes.read", "By", "Bytes read and verified.");
        WrittenBytes = _meter.CreateCounter<long>("datalayer.stripes.written", "By", "Bytes written, copies not "
            + "counted.");
        Flushes = _meter.CreateCounter<long>("datalayer.stripes.flushes", "{flush}", "Flushes asked for.");
        FlushFailures = _meter.CreateCounter<long>("datalayer.stripes.flush_failures", "{flush}", "Flushes that "
            + "failed.");
        BadCopies = _meter.CreateCounter<long>("datalayer.stripes.bad_copies", "{chunk}", "Chunks or records that "
            + "could not be read or failed their checksum.");
        Repairs = _meter.CreateCounter<long>("datalayer.stripes.repairs", "{chunk}", "Chunks or records replaced "
            + "from another copy.");
        Lost = _meter.CreateCounter<long>("datalayer.stripes.lost", "{chunk}", "Chunks or records without any good "
            + "copy.");
    }

    internal Counter<long> ReadBytes { get; }

    internal Counter<long> WrittenBytes { get; }

    internal Counter<long> Flushes { get; }

    internal Counter<long> FlushFailures { get; }

    internal Counter<long> BadCopies { get; }

    internal Counter<long> Repairs { get; }

    internal Counter<long> Lost { get; }

    public void Dispose() => _meter.Dispose();
}
