using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Moving;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;
using DataLayer.Tests.Engine;
using DataLayer.Tests.Tiering.Planning;
using DataLayer.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Tiering.Moving;

/// <summary>An engine with plans, a mover and jobs over it, at round prices; it can be closed and opened again.</summary>
internal sealed class MoveFixture : IAsyncDisposable
{
    private readonly TempFolder _plans = new("plans");
    private Mover? _mover;
    private Packer? _packer;

    public EngineFixture Engine { get; } = new();

    public PlanStore Plans { get; private set; } = null!;

    public Mover Mover => _mover!;

    public JobService Jobs { get; private set; } = null!;

    public TreeStore Tree => Engine.Tree;

    /// <summary>Why plans may not be applied.</summary>
    public List<string> Stale { get; } = [];

    public static async Task<MoveFixture> OpenAsync()
    {
        MoveFixture fixture = new();
        await fixture.Engine.StartAsync();
        await fixture.OpenJobsAsync();
        await fixture.Engine.AttachAsync();
        return fixture;
    }

    /// <summary>Closes all of it as a crash does not (its rows stay) and opens it again.</summary>
    public async Task ReopenAsync()
    {
        await CloseJobsAsync();
        await Engine.ReopenAsync();
        await OpenJobsAsync();
    }

    /// <summary>Writes a file below the attached folder; it is uploaded when this returns.</summary>
    public async Task<byte[]> WriteAsync(string name, int bytes)
    {
        byte[] content = new byte[bytes];
        new Random(bytes).NextBytes(content);
        await Engine.WriteFileAsync("/data/" + name, content);
        await Engine.Engine.FlushUploadsAsync("/data/" + name, CancellationToken.None);
        return content;
    }

    public async Task<FileFacts> FactsAsync(string name) =>
        (await Engine.Engine.Facts.ReadAsync("/data/" + name, CancellationToken.None).ToListAsync()).Single();

    public Task<TieringPlan> PlanAsync(PlacementTier place) => PlanAsync((in FileFacts _) => PriceFixture.Decision(place));

    public async Task<TieringPlan> PlanAsync(PlacementRule rule)
    {
        using PlanMaker maker = new(Engine.Engine.Facts.ReadAsync, Plans, PriceFixture.Pricing, TimeProvider.System);
        return await maker.MakeAsync(
            _ => rule, new PlanOptions { PolicyHash = "p", PolicyVersion = 17 }, null, CancellationToken.None);
    }

    /// <summary>Applies a plan to its end.</summary>
    public async Task<JobRecord> ApplyAsync(TieringPlan plan, MoveLimits? limits = null) =>
        await EndAsync((await StartAsync(plan, limits)).Id);

    public async Task<JobRecord> StartAsync(TieringPlan plan, MoveLimits? limits = null) => await AddAsync(
        ApplyRunner.KindName, new ApplySpec { Plan = plan.Id, Limits = limits ?? new MoveLimits() }.ToText());

    /// <summary>Undoes a job to its end.</summary>
    public async Task<JobRecord> UndoAsync(JobRecord job) =>
        await EndAsync((await AddAsync(UndoRunner.KindName, new UndoSpec { Job = job.Id }.ToText())).Id);

    public async Task<JobRecord> EndAsync(long id)
    {
        JobRecord job = (await Jobs.GetAsync(id, CancellationToken.None))!;
        while (!job.HasEnded)
        {
            job = (await Jobs.WaitAsync(id, job.Sequence, CancellationToken.None))!;
        }

        return job;
    }

    public async Task<IReadOnlyList<MoveEntry>> MovesAsync(JobRecord job) =>
        await Tree.ListMovesAsync(job.Id, 0, 1000, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await CloseJobsAsync();
        await Engine.DisposeAsync();
        _plans.Dispose();
    }

    private async Task<JobRecord> AddAsync(string kind, string spec) =>
        (await Jobs.AddAsync(kind, spec, "tester", [], null, CancellationToken.None)).Job;

    private async Task OpenJobsAsync()
    {
        Plans = new PlanStore(Tree, new PlanStoreOptions { Folder = _plans.Path });
        _packer = new Packer(Engine.Engine, new PackOptions());
        _mover = new Mover(Engine.Engine, PriceFixture.Pricing, _packer);
        IReadOnlyList<JobRecord> open = await Tree.ListOpenJobsAsync(CancellationToken.None);
        await _mover.SettleAsync(id => open.Any(j => j.Id == id), CancellationToken.None);
        Jobs = await JobService.OpenAsync(
            Tree,
            [new ApplyRunner(_mover, Plans, (_, _) => new(Stale)), new UndoRunner(_mover), new PackRunner(_packer)],
            new JobServiceOptions(), TimeProvider.System, NullLogger<JobService>.Instance, CancellationToken.None);
    }

    private async Task CloseJobsAsync()
    {
        await Jobs.DisposeAsync();
        await _mover!.DisposeAsync();
        await _packer!.DisposeAsync();
    }
}
