using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Upkeep;
using DataLayer.Engine.Tiering.Profiles;
using DataLayer.Engine.Tiering.Recurrence;

namespace DataLayer.Engine.Tiering.Jobs;

/// <content>Warm-ups of a profile, and of what was used lately.</content>
public sealed partial class WarmRunner
{
    /// <summary>So many of the last uses tell what the next one reads.</summary>
    private const int LearnedUses = 3;

    /// <summary>
    /// Replays a profile, then looks at each of its files: hot as far as the profile reads it, and sound. What is gone
    /// is no gap: nothing can be missing of it. A run that was cut short begins anew; what is hot is only looked at.
    /// </summary>
    private async Task RunProfileAsync(WarmSpec spec, WarmTally tally, CancellationToken cancellationToken)
    {
        AccessProfile profile = await _engine.Profiles.GetAsync(spec.Profile!, cancellationToken)
            .ConfigureAwait(false);
        InodeId[] inodes = await _engine.Profiles.FindAsync(profile, cancellationToken).ConfigureAwait(false);
        List<uint>[] blocks = new List<uint>[inodes.Length];
        long[] bytes = new long[inodes.Length];
        foreach (ProfileEntry entry in profile.Entries)
        {
            List<uint> list = blocks[entry.File] ??= [];
            for (uint i = 0; i < entry.BlockCount; i++)
            {
                list.Add(entry.FirstBlock + i);
                bytes[entry.File] += BlockLayout.BlockLength(
                    entry.FirstBlock + i, profile.Files[entry.File].SizeBytes);
            }
        }

        tally.SetTotals(inodes.Length, profile.SizeBytes);
        bool[] wasHot = new bool[inodes.Length];
        for (int i = 0; i < inodes.Length; i++)
        {
            wasHot[i] = inodes[i] != InodeId.None
                && await _engine.Warmer.LookAtAsync(inodes[i], blocks[i] ?? [], cancellationToken)
                    .ConfigureAwait(false) is { IsResident: true };
        }

        string? error = null;
        if (spec.Mode == WarmMode.Warm)
        {
            Progress progress = new(tally);
            ProfileReplayResult replayed = await _engine.Profiles
                .ReplayAsync(spec.Profile!, isDryRun: false, progress, cancellationToken).ConfigureAwait(false);
            error = replayed.FirstError;
        }

        await Parallel.ForAsync(
            0, inodes.Length, Degree(cancellationToken),
            async (i, token) =>
            {
                FileContent? file = inodes[i] == InodeId.None
                    ? null
                    : await _engine.Context.Tree.GetContentAsync(inodes[i], token).ConfigureAwait(false);
                FileWarmth? warmth = file is null
                    ? null
                    : await _engine.Warmer.LookAtAsync(inodes[i], blocks[i] ?? [], token).ConfigureAwait(false);
                if (warmth is not { } found)
                {
                    tally.AddGone();
                    return;
                }

                found = found with { SizeBytes = bytes[i], AlreadyHot = wasHot[i], Reason = error ?? found.Reason };
                await JudgeAsync(spec, file!, profile.Files[i].Path, found, tally, token).ConfigureAwait(false);
            }).ConfigureAwait(false);
    }

    /// <summary>Warms what the last uses of a path read, and what was written since. Always null: one step.</summary>
    private async ValueTask<string?> StepLearnedAsync(
        WarmSpec spec, WarmCursor cursor, WarmTally tally, CancellationToken cancellationToken)
    {
        string path = spec.Paths[cursor.Source];
        try
        {
            DateTimeOffset? learned = spec.UsedSince is { } times
                ? times[cursor.Source]
                : await LearnSinceAsync(path, cancellationToken).ConfigureAwait(false);
            if (learned is { } since)
            {
                await foreach (List<FileContent> files in UsedSinceAsync(path, since, cancellationToken)
                    .ConfigureAwait(false))
                {
                    await Parallel.ForEachAsync(
                        files, Degree(cancellationToken),
                        async (file, token) => await DoFileAsync(spec, file, null, tally, token)
                            .ConfigureAwait(false)).ConfigureAwait(false);
                }
            }
        }
        catch (DataLayerException e) when (e.Code is not ErrorCode.ShuttingDown)
        {
            tally.AddGap(path, 0, e.Message);
        }

        return null;
    }

    private async IAsyncEnumerable<List<FileContent>> UsedSinceAsync(
        string path, DateTimeOffset since,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<FileContent> step = new(StepFiles);
        await foreach (FileFacts facts in _engine.Facts.ReadAsync(path, cancellationToken).ConfigureAwait(false))
        {
            if (facts.AccessedAt >= since
                && await _engine.Context.Tree.GetContentAsync(facts.Inode, cancellationToken).ConfigureAwait(false)
                    is { } file)
            {
                step.Add(file);
            }

            if (step.Count == StepFiles)
            {
                yield return step;
                step = new List<FileContent>(StepFiles);
            }
        }

        yield return step;
    }

    private async ValueTask<DateTimeOffset?> LearnSinceAsync(string path, CancellationToken cancellationToken)
    {
        IReadOnlyList<DatasetUse> uses = await _engine.Heat.History.FindUsesAsync(path, cancellationToken)
            .ConfigureAwait(false);
        return uses.Count == 0 ? null : uses[Math.Max(0, uses.Count - LearnedUses)].Start;
    }

    private sealed class Progress(WarmTally tally) : IProgress<ProfileReplayResult>
    {
        public void Report(ProfileReplayResult value) => tally.ReportBytes(value.SizeBytes);
    }
}
