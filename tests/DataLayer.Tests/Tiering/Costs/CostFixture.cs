using DataLayer.Core.Objects;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Origins;
using DataLayer.TestSupport.Trees;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Tiering.Costs;

/// <summary>A meter over real parts: a tree, an empty hot tier, an S3 store over HTTP, and prices that are easy to add up.</summary>
internal sealed class CostFixture : IAsyncDisposable
{
    public const string Bucket = "bucket";
    private readonly TempFolder _folder = new("costs");
    private bool _originIsGone;

    public TreeFixture Tree { get; private set; } = null!;

    public ScriptedS3 Origin { get; private set; } = null!;

    public ObjectStoreRegistry Stores { get; private set; } = null!;

    public HotTier Hot { get; private set; } = null!;

    public SpendGate Gate { get; private set; } = null!;

    public CostMeter Meter { get; private set; } = null!;

    public IObjectStore Store => Stores.Open("default", ObjectSource.Parse($"s3://{Bucket}"), "/data");

    public CostOptions Options { get; set; } = new() { FlushInterval = TimeSpan.FromMinutes(10) };

    public bool HedgedReads { get; init; }

    /// <summary>A GET costs 1, a HEAD 1, a write 10, a listing 10, a delete 2; a GiB read 1,000 of retrieval and 100 of egress.</summary>
    public static PriceTable Prices { get; } = new(
        "test",
        [
            new StorageClassPrice
            {
                Name = "STANDARD", PerGibMonth = 30, PutPer1000 = 10_000, GetPer1000 = 1000, DeletePer1000 = 2000, RetrievalPerGib = 1000,
            },
            new StorageClassPrice { Name = "COLD", PerGibMonth = 3, PutPer1000 = 20_000, GetPer1000 = 5000, MinObjectBytes = 1 << 20, IndexBytes = 1024 },
        ])
    { HotPerGibMonth = 300, EgressPerGib = 100 };

    public async Task<CostFixture> StartAsync()
    {
        Tree = await TreeFixture.OpenAsync();
        Origin = await ScriptedS3.StartAsync();
        Origin.MakeBucket(Bucket);
        Stores = new ObjectStoreRegistry(
            [
                new ObjectStoreOptions
                {
                    Name = "default", Kind = "s3", Endpoint = Origin.Endpoint.ToString().TrimEnd('/'), AccessKey = "a", SecretKey = "b",
                    RetryDelay = TimeSpan.FromMilliseconds(1), HedgedReads = HedgedReads,
                },
            ],
            TimeProvider.System,
            NullLoggerFactory.Instance);
        Hot = await HotTier.OpenAsync(
            new HotTierOptions
            {
                Pools = [new PoolOptions { Name = "default", Directories = [_folder.MakeFolder("target")], ReserveBytes = 0 }],
                StateDirectory = _folder.MakeFolder("hot"),
            },
            TimeProvider.System,
            NullLogger<HotTier>.Instance,
            CancellationToken.None);
        Make();
        return this;
    }

    /// <summary>Another meter over the same parts, as a service that starts has it; the one before is gone without a word.</summary>
    public void Make()
    {
        Gate = new SpendGate(TimeProvider.System, Options.ThrottledRequestsPerSecond);
        Meter = new CostMeter(
            new CostMeterParts(Tree.Tree, Stores, Hot, Gate), new TierPricing(Prices, new TransferShape()), Options, Tree.Clock,
            NullLogger<CostMeter>.Instance);
    }

    /// <summary>From here on nobody listens where the origin was.</summary>
    public async Task StopOriginAsync()
    {
        if (!_originIsGone)
        {
            _originIsGone = true;
            await Origin.DisposeAsync();
        }
    }

    public async Task<IReadOnlyList<CostRow>> RowsAsync(CostLevel level = CostLevel.Month)
    {
        await Meter.FlushAsync(CancellationToken.None);
        return await Meter.ListAsync(level, 0, long.MaxValue, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await Meter.DisposeAsync();
        await Stores.DisposeAsync();
        await Hot.DisposeAsync();
        await Tree.DisposeAsync();
        await StopOriginAsync();
        _folder.Dispose();
    }
}
