using System.Globalization;
using System.Text;
using DataLayer.Core.Integrity;
using DataLayer.Core.Text;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;
using DataLayer.Storage.Stripes;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>
/// The course of one window: makes room, refills, looks how that ended. A step does what can be done now and gives the
/// state that is to be kept; each job it makes has a key of its window, so a step that a crash cut off makes none
/// twice.
/// </summary>
/// <remarks>
/// MakingRoom → Refilling → Ready, or Incomplete, from which it refills again every few minutes while the window lasts.
/// </remarks>
internal sealed class HeadroomCourse(HeadroomParts parts)
{
    private static readonly TimeSpan _retryInterval = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan _freeingPatience = TimeSpan.FromSeconds(30);

    private DateTimeOffset Now => parts.Engine.Context.Time.GetUtcNow();

    /// <summary>Begins a window.</summary>
    public static HeadroomState Begin(in HeadroomOccurrence window) =>
        new() { Phase = HeadroomPhase.MakingRoom, WindowStart = window.Start, WindowEnd = window.End };

    /// <summary>Goes on with a window.</summary>
    /// <param name="record">The headroom.</param>
    /// <param name="spec">What it reserves.</param>
    /// <param name="state">How far it is.</param>
    /// <param name="lacking">Bytes of its pool that are held for shares and not free yet.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async ValueTask<HeadroomState> StepAsync(
        HeadroomRecord record, HeadroomSpec spec, HeadroomState state, long lacking,
        CancellationToken cancellationToken) =>
        state.Phase switch
        {
            HeadroomPhase.MakingRoom => state.RoomJob == 0
                ? await MakeRoomAsync(record, spec, state, lacking, cancellationToken).ConfigureAwait(false)
                : await AwaitRoomAsync(record, spec, state, lacking, cancellationToken).ConfigureAwait(false),
            HeadroomPhase.Refilling =>
                await AwaitRefillAsync(state, cancellationToken).ConfigureAwait(false),
            HeadroomPhase.Incomplete when await IsRetryDueAsync(state, cancellationToken).ConfigureAwait(false) =>
                await RefillAsync(record, spec, state, cancellationToken).ConfigureAwait(false),
            _ => state,
        };

    /// <summary>Ends a window: a refill that still runs is cancelled.</summary>
    public async ValueTask<HeadroomState> EndAsync(HeadroomState state, CancellationToken cancellationToken)
    {
        foreach (long id in (long[])[state.RoomJob, state.RefillJob])
        {
            if (id != 0 && await parts.Jobs.GetAsync(id, cancellationToken).ConfigureAwait(false) is
                { HasEnded: false })
            {
                await parts.Jobs.CancelAsync(id, cancellationToken).ConfigureAwait(false);
            }
        }

        return state with { Phase = HeadroomPhase.Ended };
    }

    /// <summary>Free bytes of a pool, past the reserves.</summary>
    public static long FreeBytes(HotTier hot, string pool)
    {
        long free = 0;
        foreach (TargetStatus target in hot.GetTargets())
        {
            free += target.Pool == pool && target.State == "ok" ? target.FreeBytes : 0;
        }

        return free;
    }

    private static string KeyOf(HeadroomRecord record, HeadroomState state, string what)
    {
        uint spec = Crc32C.Compute(Encoding.UTF8.GetBytes(record.Spec));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"headroom {record.Id} {spec:x8} {what} {state.WindowStart.UtcDateTime:yyyy-MM-ddTHH:mm}");
    }

    private async ValueTask<HeadroomState> MakeRoomAsync(
        HeadroomRecord record, HeadroomSpec spec, HeadroomState state, long lacking,
        CancellationToken cancellationToken)
    {
        if (lacking <= 0)
        {
            return await RefillAsync(record, spec, state, cancellationToken).ConfigureAwait(false);
        }

        (IReadOnlyList<string> paths, long bytes) = await RoomFinder
            .FindAsync(
                parts.Engine, parts.Policies, spec.Pool ?? parts.Engine.Context.Hot.DefaultPool, lacking,
                cancellationToken).ConfigureAwait(false);
        string? message = bytes >= lacking
            ? null
            : $"{UnitText.FormatSize(lacking)} have to be freed, and others' files that may go hold "
                + $"{UnitText.FormatSize(bytes)}: the rest is not in a bucket, pinned, excluded or reserved.";
        state = state with { RoomBytes = bytes, Message = message };
        if (paths.Count == 0)
        {
            return await RefillAsync(record, spec, state, cancellationToken).ConfigureAwait(false);
        }

        using MemoryStream list = new(Encoding.UTF8.GetBytes(string.Join('\n', paths)));
        (string input, _) = await parts.Inputs.SaveAsync(list, cancellationToken).ConfigureAwait(false);
        WarmSpec evict = new()
        {
            Input = input,
            Mode = WarmMode.Evict,
            Reason = $"room for headroom '{record.Name}'",
        };
        (JobRecord job, bool isNew) = await AddAsync(evict, KeyOf(record, state, "room"), cancellationToken)
            .ConfigureAwait(false);
        if (!isNew)
        {
            parts.Inputs.Remove(input);
        }

        return state with { RoomJob = job.Id };
    }

    /// <summary>Released copies are deleted in the background, and small ones by compaction.</summary>
    private async ValueTask<HeadroomState> AwaitRoomAsync(
        HeadroomRecord record, HeadroomSpec spec, HeadroomState state, long lacking,
        CancellationToken cancellationToken)
    {
        JobRecord? job = await parts.Jobs.GetAsync(state.RoomJob, cancellationToken).ConfigureAwait(false);
        if (job is { HasEnded: false })
        {
            return state;
        }

        if (lacking > 0)
        {
            await parts.Engine.CompactAsync(cancellationToken).ConfigureAwait(false);
            if (job is not null && Now - UnixTime.ToTime(job.EndedTime) < _freeingPatience)
            {
                return state;
            }

            state = state with
            {
                Message = state.Message ?? $"{UnitText.FormatSize(lacking)} of what is reserved are not free.",
            };
        }

        return await RefillAsync(record, spec, state, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<HeadroomState> RefillAsync(
        HeadroomRecord record, HeadroomSpec spec, HeadroomState state, CancellationToken cancellationToken)
    {
        WarmSpec warm = new()
        {
            Paths = spec.RefillProfile is not null ? [] : spec.Refill.Count > 0 ? spec.Refill : [spec.Path],
            Profile = spec.RefillProfile,
            IntoMemory = spec.MemoryBytes > 0,
            Reason = $"headroom '{record.Name}'",
        };
        string key = string.Create(
            CultureInfo.InvariantCulture, $"{KeyOf(record, state, "refill")} {state.Refills + 1}");
        (JobRecord job, _) = await AddAsync(warm, key, cancellationToken).ConfigureAwait(false);
        return state with
        {
            Phase = HeadroomPhase.Refilling,
            RefillJob = job.Id,
            Refills = state.Refills + 1,
        };
    }

    private async ValueTask<HeadroomState> AwaitRefillAsync(HeadroomState state, CancellationToken cancellationToken)
    {
        JobRecord? job = await parts.Jobs.GetAsync(state.RefillJob, cancellationToken).ConfigureAwait(false);
        if (job is { HasEnded: false })
        {
            return state;
        }

        if (job?.Result is not { } result || job.State == JobState.Cancelled
            || WarmOutcome.Parse(result) is not { } outcome)
        {
            return state with
            {
                Phase = HeadroomPhase.Incomplete,
                Message = job?.Failure ?? $"Job {state.RefillJob} was cancelled or is gone.",
            };
        }

        bool isReady = outcome.Missing == 0;
        return state with
        {
            Phase = isReady ? HeadroomPhase.Ready : HeadroomPhase.Incomplete,
            Files = outcome.Files,
            Resident = outcome.Resident,
            Checksummed = outcome.Checksummed,
            Missing = outcome.Missing,
            ReadyAt = isReady ? Now : null,
            Message = isReady ? null : job.Failure ?? state.Message,
        };
    }

    private async ValueTask<bool> IsRetryDueAsync(HeadroomState state, CancellationToken cancellationToken) =>
        await parts.Jobs.GetAsync(state.RefillJob, cancellationToken).ConfigureAwait(false) is not { } job
        || Now - UnixTime.ToTime(job.EndedTime) >= _retryInterval;

    private ValueTask<(JobRecord Job, bool IsNew)> AddAsync(
        WarmSpec spec, string key, CancellationToken cancellationToken) =>
        parts.Jobs.AddAsync(
            WarmRunner.KindName, spec.ToText(), HeadroomService.Owner, [], new IdempotencyKey(key, key),
            cancellationToken);
}
