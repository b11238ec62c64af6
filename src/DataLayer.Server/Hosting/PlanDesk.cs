using System.Collections.Frozen;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Server.Configuration;

namespace DataLayer.Server.Hosting;

/// <summary>A policy to plan with.</summary>
/// <param name="Compiled">The policy.</param>
/// <param name="Version">Its stored version; null for a text that came with a command.</param>
internal sealed record PlanPolicy(CompiledPolicy Compiled, long? Version);

/// <summary>
/// Makes plans of the node that is open: brings together its facts, fills, prices and policies. Safe for concurrent
/// use.
/// </summary>
internal sealed class PlanDesk(NodeHost node, ServerConfiguration configuration, TimeProvider time) : IDisposable
{
    private readonly Lock _lock = new();
    private StorageNode? _of;
    private PlanMaker? _maker;

    /// <summary>The plans kept.</summary>
    /// <exception cref="DataLayerException">ShuttingDown: the node is not open.</exception>
    public PlanStore Store => Maker.Store;

    /// <summary>The prices in force.</summary>
    public TierPricing Pricing { get; } = PricingOf(configuration);

    private PlanMaker Maker
    {
        get
        {
            StorageNode open = node.Open;
            lock (_lock)
            {
                if (_maker is null || _of != open)
                {
                    _maker?.Dispose();
                    _of = open;
                    _maker = new PlanMaker(open.Engine.Facts.ReadAsync, open.Plans, Pricing, time);
                }

                return _maker;
            }
        }
    }

    /// <summary>Reads a policy that came with a command.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: every error with its line and column.</exception>
    public static PlanPolicy ParsePolicy(string text)
    {
        PolicyParseResult read = PolicyDocument.Parse(text);
        if (read.Policy is { } policy)
        {
            return new PlanPolicy(policy.Compile(), Version: null);
        }

        StringBuilder message = new("The policy has errors:");
        foreach (PolicyError error in read.Errors)
        {
            message.Append('\n').Append(error);
        }

        throw new DataLayerException(ErrorCode.InvalidArgument, message.ToString());
    }

    /// <summary>The active policy.</summary>
    /// <exception cref="DataLayerException">NotFound: none is active.</exception>
    public async ValueTask<PlanPolicy> GetActivePolicyAsync(CancellationToken cancellationToken) =>
        await FindActivePolicyAsync(cancellationToken)
        ?? throw new DataLayerException(
            ErrorCode.NotFound,
            "No policy is active: activate one, or give its text with the command (--policy FILE).");

    /// <summary>Makes and keeps a plan.</summary>
    /// <exception cref="DataLayerException">NotFound, Overloaded, NoSpace.</exception>
    public async ValueTask<TieringPlan> MakeAsync(
        string path, PlanPolicy policy, IProgress<PlanProgress>? progress, CancellationToken cancellationToken)
    {
        PlanOptions options = await FrameAsync(
            configuration, node.Engine, path, policy.Compiled.Hash, policy.Version, cancellationToken);
        IReadOnlyDictionary<string, double> fills = PoolFill.Read(node.Hot);
        return await Maker.MakeAsync(
            now => PolicyAtMoment.Make(policy.Compiled, now, fills, FrozenSet<int>.Empty), options, progress,
            cancellationToken);
    }

    /// <summary>Why a plan would be refused now; empty where it would not.</summary>
    public async ValueTask<IReadOnlyList<string>> FindStaleAsync(
        TieringPlan plan, CancellationToken cancellationToken)
    {
        PlanPolicy? active = await FindActivePolicyAsync(cancellationToken);
        return PlanStaleness.Find(plan, active?.Compiled.Hash, Pricing.Table.ComputeHash(), time.GetUtcNow());
    }

    /// <inheritdoc/>
    public void Dispose() => _maker?.Dispose();

    /// <summary>The frame of a plan under a policy.</summary>
    public static async ValueTask<PlanOptions> FrameAsync(
        ServerConfiguration configuration, FileEngine engine, string path, string hash, long? version,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<Attachment> attachments = await engine.ListAttachmentsAsync(cancellationToken);
        FrozenSet<string> folders = configuration.ObjectStores.Where(s => s.Kind == "directory").Select(s => s.Name)
            .ToFrozenSet(StringComparer.Ordinal);
        return new PlanOptions
        {
            Path = path,
            PolicyHash = hash,
            PolicyVersion = version,
            Validity = configuration.Tiering.PlanValidity,
            Horizon = configuration.Tiering.PlanHorizon,
            HeatHalfLife = configuration.Engine.Heat.HalfLife,
            ReadOnlyAttachments = attachments.Where(a => a.Mode == AttachmentMode.ReadOnly).Select(a => a.Id)
                .ToFrozenSet(),
            ClasslessAttachments = attachments.Where(a => folders.Contains(a.StoreName)).Select(a => a.Id)
                .ToFrozenSet(),
        };
    }

    /// <summary>The prices that a configuration puts in force.</summary>
    public static TierPricing PricingOf(ServerConfiguration configuration) =>
        new(configuration.Tiering.Prices, ShapeOf(configuration));

    private static TransferShape ShapeOf(ServerConfiguration configuration)
    {
        TransferShape shape = new()
        {
            ReadBytes = configuration.Engine.MaxRequestBytes,
            PackBytes = configuration.Tiering.Packs.PackBytes,
        };
        return configuration.ObjectStores.Count == 0
            ? shape
            : shape with
            {
                MultipartThresholdBytes = configuration.ObjectStores[0].MultipartThresholdBytes,
                PartBytes = configuration.ObjectStores[0].PartBytes,
            };
    }

    private async ValueTask<PlanPolicy?> FindActivePolicyAsync(CancellationToken cancellationToken) =>
        await node.Open.Policies.GetActiveAsync(cancellationToken) is { } active
            ? new PlanPolicy(active.Policy, active.Version)
            : null;
}
