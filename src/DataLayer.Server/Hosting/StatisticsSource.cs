using System.Diagnostics;
using DataLayer.Engine.Files;
using DataLayer.Protocol.Http;
using DataLayer.Server.Http;
using DataLayer.Server.Mounts;
using DataLayer.Storage.Cache;

namespace DataLayer.Server.Hosting;

/// <summary>Gathers the counters of all parts into one report.</summary>
internal sealed class StatisticsSource(NodeHost host, MountHost mounts, RequestGate gate, TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();

    /// <summary>Collects now.</summary>
    /// <exception cref="Core.Errors.DataLayerException">ShuttingDown: the node is not open.</exception>
    public StatisticsReport Collect()
    {
        EngineStatistics engine = host.Engine.GetStatistics();
        StorageNode node =
            host.Node ?? throw new Core.Errors.DataLayerException(Core.Errors.ErrorCode.ShuttingDown, host.Why);
        return new StatisticsReport
        {
            UptimeSeconds = time.GetElapsedTime(_start).TotalSeconds,
            Engine = ToReport(engine),
            Cache = ToReport(node.Cache.GetStatistics()),
            Targets = [.. node.Hot.GetTargets().Select(WireReports.ToReport)],
            Origin =
            [
                .. node
                    .Stores.GetRequestCounts()
                    .Select(c => new OriginReport
                    {
                        Dataset = c.Dataset,
                        Verb = c.Verb,
                        Requests = c.Requests,
                        Failures = c.Failures,
                        Bytes = c.Bytes,
                    }),
            ],
            Mounts = mounts.List().Mounts,
            Process = GetProcess(node.MemoryBudgetBytes),
            Http = new RequestReport
            {
                Requests = gate.Requests,
                Active = gate.Active,
                Refused = gate.Refused,
                ServerErrors = gate.ServerErrors,
            },
        };
    }

    private static ProcessReport GetProcess(long budget)
    {
        using Process process = Process.GetCurrentProcess();
        return new ProcessReport
        {
            ProcessId = process.Id,
            ResidentBytes = process.WorkingSet64,
            ManagedBytes = GC.GetTotalMemory(forceFullCollection: false),
            ProcessorSeconds = process.TotalProcessorTime.TotalSeconds,
            Collections = [GC.CollectionCount(0), GC.CollectionCount(1), GC.CollectionCount(2)],
            MemoryBudgetBytes = budget,
        };
    }

    private static EngineReport ToReport(EngineStatistics engine) =>
        new()
        {
            Reads = engine.Reads,
            ReadBytes = engine.ReadBytes,
            MemoryHits = engine.MemoryHits,
            MemoryHitBytes = engine.MemoryHitBytes,
            HotReads = engine.HotReads,
            HotReadBytes = engine.HotReadBytes,
            ColdReads = engine.ColdReads,
            ColdReadBytes = engine.ColdReadBytes,
            OriginBytes = engine.OriginBytes,
            WrittenBytes = engine.WrittenBytes,
            UploadedBytes = engine.UploadedBytes,
            PendingUploads = engine.PendingUploads,
            ReadaheadBytes = engine.ReadaheadBytes,
            ReadWaitNanoseconds = engine.ReadWaitNanoseconds,
        };

    private static CacheReport ToReport(BlockCacheStatistics cache) =>
        new()
        {
            CapacityBytes = cache.CapacityBytes,
            UsedBytes = cache.UsedBytes,
            BlockCount = cache.BlockCount,
            PinnedBytes = cache.PinnedBytes,
            Hits = cache.Hits,
            HitBytes = cache.HitBytes,
            Misses = cache.Misses,
            Fills = cache.Fills,
            FillsRefused = cache.FillsRefused,
            Evictions = cache.Evictions,
            SpillHits = cache.SpillHits,
            SpillBytes = cache.SpillBytes,
            BadBlocks = cache.BadBlocks,
        };
}
