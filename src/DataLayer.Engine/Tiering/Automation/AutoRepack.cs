using System.Text.Json;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Automation;

/// <summary>
/// Finds the packs that are mostly dead and makes a job that writes them anew: the deadest first, some at a time.
/// </summary>
/// <remarks>
/// Left alone are packs that were written, or tried, less than a cool-down ago (the jobs know after a restart too),
/// those whose class is paid for for more days or has to be restored first, and those below a read-only attachment.
/// Where rules of the policy pack in certain windows only, packs are written anew in these too. Not safe for concurrent
/// use.
/// </remarks>
internal sealed class AutoRepack(AutoTieringParts parts, AutoTieringOptions options)
{
    private const int Page = 500;
    private const int MaxPacks = 64;
    private const int MaxJobs = 1000;

    /// <summary>Bytes that one job copies at most: as many as a pool of this machine moves in minutes.</summary>
    private const long MaxJobBytes = 1L << 30;

    private readonly Dictionary<long, DateTimeOffset> _tried = [];
    private readonly HashSet<long> _knownJobs = [];

    /// <summary>Packs of the last look that are mostly dead, a count.</summary>
    public int DeadPacks { get; private set; }

    /// <summary>What a job of packs that this made is taken to cost; 0 for others.</summary>
    public static double CostOf(JobRecord job) => SpecOf(job)?.Cost ?? 0;

    /// <summary>Whether rules that pack let packs be written at a moment.</summary>
    public static bool IsOpen(CompiledPolicy policy, PolicyMoment moment)
    {
        bool packs = false;
        foreach (PolicyRule rule in policy.Document.Rules)
        {
            if (rule.Decision.Pack)
            {
                packs = true;
                if (CompiledPolicy.IsInWindow(rule, moment.Now))
                {
                    return true;
                }
            }
        }

        return !packs;
    }

    /// <summary>Makes a job for the packs that are due.</summary>
    /// <param name="budget">What it may cost; null for no bound.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The job; 0 where nothing is due.</returns>
    public async ValueTask<long> StartAsync(double? budget, CancellationToken cancellationToken)
    {
        if (options.RepackShare is not { } share)
        {
            return 0;
        }

        await LoadTriedAsync(cancellationToken).ConfigureAwait(false);
        List<PackUse> dead = await FindAsync(share, cancellationToken).ConfigureAwait(false);
        DeadPacks = dead.Count;
        dead.Sort(static (a, b) => b.DeadShare.CompareTo(a.DeadShare));
        List<long> chosen = [];
        double cost = 0;
        long bytes = 0;
        foreach (PackUse use in dead)
        {
            if (await PriceAsync(use, cancellationToken).ConfigureAwait(false) is not { } price
                || (budget is { } most && cost + price > most))
            {
                continue;
            }

            chosen.Add(use.Pack.Id);
            cost += price;
            bytes += use.LiveBytes;
            if (chosen.Count == MaxPacks || bytes >= MaxJobBytes)
            {
                break;
            }
        }

        if (chosen.Count == 0)
        {
            return 0;
        }

        PackSpec spec = new()
        {
            Action = PackAction.Repack,
            Path = "/",
            DeadShare = share,
            Packs = chosen,
            Cost = cost,
        };
        (JobRecord job, _) = await parts.Jobs
            .AddAsync(PackRunner.KindName, spec.ToText(), AutoTiering.Owner, [], key: null, cancellationToken)
            .ConfigureAwait(false);
        return job.Id;
    }

    private async ValueTask<List<PackUse>> FindAsync(double share, CancellationToken cancellationToken)
    {
        TreeStore tree = parts.Engine.Context.Tree;
        List<PackUse> dead = [];
        IReadOnlyList<PackUse> page;
        long after = 0;
        do
        {
            page = await tree.ListPacksAsync(after, Page, cancellationToken).ConfigureAwait(false);
            foreach (PackUse use in page)
            {
                after = use.Pack.Id;
                if (use.Pack.State == PackState.Live && use.LiveCount > 0 && use.DeadShare >= share)
                {
                    dead.Add(use);
                }
            }
        }
        while (page.Count == Page);
        return dead;
    }

    /// <summary>What it costs to write a pack anew now; null where it is to be left alone.</summary>
    private async ValueTask<double?> PriceAsync(PackUse use, CancellationToken cancellationToken)
    {
        PackRecord pack = use.Pack;
        DateTimeOffset now = parts.Engine.Context.Time.GetUtcNow();
        DateTimeOffset written = UnixTime.ToTime(pack.CreatedTimeNanoseconds);
        if (now - written < options.CoolDown || _tried.ContainsKey(pack.Id)
            || parts.Engine.Context.Attachments.Find(pack.AttachmentId) is not { Mode: AttachmentMode.ReadWrite })
        {
            return null;
        }

        TreeStore tree = parts.Engine.Context.Tree;
        IReadOnlyList<InodeId> files = await tree
            .ListPackFilesAsync(pack.Id, cancellationToken).ConfigureAwait(false);
        if (files.Count == 0 || (await tree.GetContentAsync(files[0], cancellationToken).ConfigureAwait(false))
            ?.Object is not { } place)
        {
            return null;
        }

        PriceTable table = parts.Pricing.Table;
        StorageClassPrice from = table.Find(place.StorageClass) ?? table.DefaultClass;
        if (from.NeedsRestore || now - written < TimeSpan.FromDays(from.MinDays))
        {
            return null;
        }

        // Each file is read by a request of its own; the new pack is uploaded, compared and indexed as a whole.
        MoveCost reads = parts.Pricing.Requests(CostItem.Get, from, use.LiveCount, use.LiveBytes);
        MoveCost write = parts.Pricing.Pack(
            from, from, use.LiveBytes, coldBytes: 0, storedAt: null, now: now);
        return reads.Total + write.Total;
    }

    private async ValueTask LoadTriedAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = parts.Engine.Context.Time.GetUtcNow();
        foreach (JobRecord job in await parts.Jobs.ListAsync(long.MaxValue, MaxJobs, cancellationToken)
            .ConfigureAwait(false))
        {
            if (job.HasEnded && SpecOf(job) is { Packs: { } packs } && _knownJobs.Add(job.Id))
            {
                foreach (long pack in packs)
                {
                    _tried[pack] = UnixTime.ToTime(job.EndedTime);
                }
            }
        }

        foreach ((long pack, DateTimeOffset at) in _tried)
        {
            if (now - at >= options.CoolDown)
            {
                _tried.Remove(pack);
            }
        }
    }

    private static PackSpec? SpecOf(JobRecord job) =>
        job is { Kind: PackRunner.KindName, Owner: AutoTiering.Owner }
            ? JsonSerializer.Deserialize(job.Spec, PackJson.Default.PackSpec)
            : null;
}
