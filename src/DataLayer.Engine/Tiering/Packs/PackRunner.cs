using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Packs;

/// <summary>What a job does to packs.</summary>
public enum PackAction
{
    /// <summary>Writes packs anew of which much is dead, and deletes those that nobody needs.</summary>
    Repack = 0,

    /// <summary>Gives files in packs objects of their own again.</summary>
    Unpack = 1,

    /// <summary>Makes the indexes again, each from its tar.</summary>
    Index = 2,
}

/// <summary>What a job of packs shall do.</summary>
public sealed record PackSpec
{
    /// <summary>What is done.</summary>
    public required PackAction Action { get; init; }

    /// <summary>The files at or below this path, and the packs that hold such files.</summary>
    public required string Path { get; init; }

    /// <summary>From which share of dead bytes on a pack is written anew; null as configured.</summary>
    public double? DeadShare { get; init; }

    /// <summary>The packs that are meant, by number; null for all at the path.</summary>
    public IReadOnlyList<long>? Packs { get; init; }

    /// <summary>What it is taken to cost, in the price table's currency; null where nobody reckoned.</summary>
    public double? Cost { get; init; }

    /// <summary>As text for <see cref="JobRecord.Spec"/>.</summary>
    public string ToText() => JsonSerializer.Serialize(this, PackJson.Default.PackSpec);
}

/// <summary>What came of a job of packs.</summary>
public sealed record PackOutcome
{
    /// <summary>Files packed, unpacked or indexed, a count.</summary>
    public long Files { get; init; }

    /// <summary>Packs written anew, or indexed, a count.</summary>
    public long Packs { get; init; }

    /// <summary>Packs deleted because nobody needed them, a count.</summary>
    public long Collected { get; init; }

    /// <summary>Files or packs with which it did not work, a count.</summary>
    public long Failed { get; init; }

    /// <summary>The first reasons.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];
}

/// <summary>
/// Carries out jobs of packs. Each step looks at what is there, so a job that was cut goes on by beginning again.
/// </summary>
/// <param name="packer">Packs.</param>
public sealed class PackRunner(Packer packer) : IJobRunner
{
    /// <summary>The kind of these jobs.</summary>
    public const string KindName = "packs";

    private const int Page = 500;
    private const int StepFiles = 256;
    private const int MaxProblems = 20;

    /// <inheritdoc/>
    public string Kind => KindName;

    private TreeStore Tree => packer.Engine.Context.Tree;

    /// <inheritdoc/>
    public async Task<JobOutcome> RunAsync(JobRun run, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(run);
        PackSpec spec = JsonSerializer.Deserialize(run.Job.Spec, PackJson.Default.PackSpec)!;
        PackOutcome outcome = await RunAsync(spec, p => run.Report(p), cancellationToken).ConfigureAwait(false);
        return new JobOutcome(
            JsonSerializer.Serialize(outcome, PackJson.Default.PackOutcome),
            outcome.Failed == 0 ? null : $"{outcome.Failed} could not be dealt with; the result names reasons.");
    }

    /// <inheritdoc/>
    public void Forget(JobRecord job)
    {
        // Its spec refers to nothing.
    }

    /// <summary>Does what a job shall do, outside of one.</summary>
    internal ValueTask<PackOutcome> RunAsync(
        PackSpec spec, Action<JobProgress> report, CancellationToken cancellationToken) => spec.Action switch
        {
            PackAction.Unpack => UnpackAsync(report, spec, cancellationToken),
            PackAction.Index => IndexAsync(report, spec, cancellationToken),
            _ => RepackAsync(report, spec, cancellationToken),
        };

    private async ValueTask<PackOutcome> RepackAsync(
        Action<JobProgress> report, PackSpec spec, CancellationToken cancellationToken)
    {
        double share = spec.DeadShare ?? packer.Options.RepackShare;
        PackOutcome outcome = new();
        List<PackFile> files = [];
        long packs = 0;
        await foreach ((PackUse use, IReadOnlyList<FileContent> members) in ListAsync(spec, cancellationToken)
            .ConfigureAwait(false))
        {
            if (use.Pack.State == PackState.Live && use.LiveCount > 0 && use.DeadShare >= share)
            {
                packs++;
                foreach (FileContent member in members)
                {
                    // Into the class they are in.
                    files.Add(new PackFile(
                        member.Attributes.Inode, member.Attributes.Version, member.Object?.StorageClass));
                }
            }
        }

        Report(report, outcome, files.Count);
        IReadOnlyList<string?> reasons = await packer.PackAsync(files, again: true, cancellationToken)
            .ConfigureAwait(false);
        List<InodeId> alone = [];
        for (int i = 0; i < files.Count; i++)
        {
            if (reasons[i] is null)
            {
                outcome = outcome with { Files = outcome.Files + 1 };
            }
            else if (reasons[i] is PackReasons.Alone or PackReasons.Names)
            {
                alone.Add(files[i].Inode);
            }
            else if (reasons[i] is not (PackReasons.Changed or PackReasons.Gone or PackReasons.NoObject))
            {
                outcome = WithProblem(outcome, reasons[i]!);
            }
        }

        // What is the last of its pack needs none.
        await packer.UnpackAsync(alone, cancellationToken).ConfigureAwait(false);
        int collected = await Tree.CollectPacksAsync(unfinished: false, cancellationToken).ConfigureAwait(false);
        packer.Engine.Context.JournalSignal?.Invoke();
        outcome = outcome with { Files = outcome.Files + alone.Count, Packs = packs, Collected = collected };
        Report(report, outcome, files.Count);
        return outcome;
    }

    private async ValueTask<PackOutcome> UnpackAsync(
        Action<JobProgress> report, PackSpec spec, CancellationToken cancellationToken)
    {
        PackOutcome outcome = new();
        List<InodeId> step = new(StepFiles);
        long total = 0;
        await foreach (FileFacts file in packer.Engine.Facts.ReadAsync(spec.Path, cancellationToken)
            .ConfigureAwait(false))
        {
            if (!file.IsPacked)
            {
                continue;
            }

            total++;
            step.Add(file.Inode);
            if (step.Count == StepFiles)
            {
                outcome = await UnpackStepAsync(step, outcome, cancellationToken).ConfigureAwait(false);
                Report(report, outcome, total);
            }
        }

        outcome = await UnpackStepAsync(step, outcome, cancellationToken).ConfigureAwait(false);
        Report(report, outcome, total);
        return outcome;
    }

    private async ValueTask<PackOutcome> UnpackStepAsync(
        List<InodeId> step, PackOutcome outcome, CancellationToken cancellationToken)
    {
        try
        {
            await packer.UnpackAsync(step, cancellationToken).ConfigureAwait(false);
            outcome = outcome with { Files = outcome.Files + step.Count };
        }
        catch (DataLayerException error) when (error.Code != ErrorCode.ShuttingDown)
        {
            // The journal goes on with those that can be uploaded.
            outcome = WithProblem(outcome, error.Message);
        }

        step.Clear();
        return outcome;
    }

    private async ValueTask<PackOutcome> IndexAsync(
        Action<JobProgress> report, PackSpec spec, CancellationToken cancellationToken)
    {
        PackOutcome outcome = new();
        await foreach ((PackUse use, _) in ListAsync(spec, cancellationToken).ConfigureAwait(false))
        {
            if (use.Pack.State != PackState.Live)
            {
                continue;
            }

            try
            {
                await packer.IndexAsync(use.Pack, cancellationToken).ConfigureAwait(false);
                outcome = outcome with { Packs = outcome.Packs + 1, Files = outcome.Files + use.Pack.MemberCount };
            }
            catch (DataLayerException error) when (error.Code != ErrorCode.ShuttingDown)
            {
                outcome = WithProblem(outcome, error.Message);
            }

            Report(report, outcome, outcome.Files);
        }

        return outcome;
    }

    /// <summary>The packs that a job is about, with the files they hold.</summary>
    private async IAsyncEnumerable<(PackUse Use, IReadOnlyList<FileContent> Members)> ListAsync(
        PackSpec spec, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        HashSet<long>? meant = spec.Packs is null ? null : [.. spec.Packs];
        string prefix = spec.Path.TrimEnd('/') + "/";
        IReadOnlyList<PackUse> page;
        long after = 0;
        do
        {
            page = await Tree.ListPacksAsync(after, Page, cancellationToken).ConfigureAwait(false);
            foreach (PackUse use in page)
            {
                after = use.Pack.Id;
                if (meant is not null && !meant.Contains(after))
                {
                    continue;
                }

                List<FileContent> members = [];
                bool isBelow = prefix == "/";
                foreach (InodeId inode in await Tree.ListPackFilesAsync(use.Pack.Id, cancellationToken)
                    .ConfigureAwait(false))
                {
                    if (await Tree.GetContentAsync(inode, cancellationToken).ConfigureAwait(false) is { } member)
                    {
                        members.Add(member);
                        isBelow = isBelow || ((await Tree.GetPathAsync(inode, cancellationToken)
                            .ConfigureAwait(false) ?? string.Empty) + "/")
                            .StartsWith(prefix, StringComparison.Ordinal);
                    }
                }

                if (isBelow)
                {
                    yield return (use, members);
                }
            }
        }
        while (page.Count == Page);
    }

    private static PackOutcome WithProblem(PackOutcome outcome, string problem) => outcome with
    {
        Failed = outcome.Failed + 1,
        Problems = outcome.Problems.Count < MaxProblems
            ? [.. outcome.Problems, problem]
            : outcome.Problems,
    };

    private static void Report(Action<JobProgress> report, PackOutcome outcome, long total) => report(
        new JobProgress(outcome.Files, Math.Max(total, outcome.Files), 0, 0, outcome.Failed));
}
