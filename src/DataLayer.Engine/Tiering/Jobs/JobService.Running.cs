using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Moving;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Metadata;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Tiering.Jobs;

/// <content>The queue and the runs.</content>
public sealed partial class JobService
{
    /// <summary>Starts what is queued, oldest first, as far as the bound allows.</summary>
    private void Pump()
    {
        lock (_lock)
        {
            if (_stopping)
            {
                return;
            }

            foreach (LiveJob live in _open.Values)
            {
                if (_running >= _options.MaxRunning)
                {
                    return;
                }

                if (live.Job.State == JobState.Queued && live.Stop is null)
                {
                    _running++;
                    live.Stop = new CancellationTokenSource();
                    CancellationToken token = live.Stop.Token;
                    long now = Now();
                    live.Change(j => j with
                    {
                        State = JobState.Running,
                        StartedTime = j.StartedTime == 0 ? now : j.StartedTime,
                    });
                    live.Run = Task.Run(() => RunAsync(live, token), CancellationToken.None);
                }
            }
        }
    }

    private async Task RunAsync(LiveJob live, CancellationToken cancellationToken)
    {
        JobRecord job = live.Job;
        JobLog.Started(_log, job.Id, job.Kind);
        await SaveAsync(live, durable: false).ConfigureAwait(false);
        Func<JobRecord, JobRecord>? end = await CarryOutAsync(live, job, cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            _running--;
            live.Stop!.Dispose();
            live.Stop = null;
            if (end is null && live.Job.State == JobState.Cancelling)
            {
                long now = Now();
                end = j => j with { State = JobState.Cancelled, EndedTime = now };
            }

            if (end is not null)
            {
                live.Change(end);
            }
        }

        try
        {
            await SaveAsync(live, durable: true).ConfigureAwait(false);
        }
        catch (DataLayerException e)
        {
            JobLog.NotSaved(_log, job.Id, e.Message);
        }

        if (live.Job.HasEnded)
        {
            await CloseAsync(live).ConfigureAwait(false);
        }

        Pump();
    }

    /// <summary>Runs the runner; what the job becomes, or null where it stays what it is (paused, or a stop).</summary>
    private async Task<Func<JobRecord, JobRecord>?> CarryOutAsync(
        LiveJob live, JobRecord job, CancellationToken cancellationToken)
    {
        try
        {
            FileEngine.Confine(job.Scopes.Count == 0 ? null : new TreeScope(job.Scopes));
            OriginUse.Current = new OriginUse(PurposeOf(job.Kind), job.Id, TenantOf(job.Owner));
            JobRun run = new(job, (p, detail) => Report(live, p, detail), (c, p, t) => SaveCursorAsync(live, c, p, t));
            JobOutcome outcome = await _runners[job.Kind].RunAsync(run, cancellationToken).ConfigureAwait(false);
            long now = Now();
            return j => j with
            {
                State = outcome.IsExhausted ? JobState.Exhausted
                    : outcome.Failure is null ? JobState.Done : JobState.Failed,
                Result = outcome.Result,
                Detail = null,
                Failure = outcome.Failure,
                EndedTime = now,
            };
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return null;
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.ShuttingDown)
        {
            return null;
        }
        catch (Exception e)
        {
            if (e is not DataLayerException)
            {
                JobLog.Faulted(_log, job.Id, job.Kind, e);
            }

            long now = Now();
            string why = e is DataLayerException
                ? e.Message
                : $"An unexpected fault ({e.GetType().Name}); see the log.";
            return j => j with { State = JobState.Failed, Failure = why, EndedTime = now };
        }
    }

    private static OriginPurpose PurposeOf(string kind) => kind switch
    {
        WarmRunner.KindName => OriginPurpose.Warm,
        ApplyRunner.KindName or UndoRunner.KindName or PackRunner.KindName => OriginPurpose.Mover,
        _ => OriginPurpose.Other,
    };

    /// <summary>The name of the token a job was made with, as <c>token ID (NAME)</c> has it; else empty.</summary>
    private static string TenantOf(string owner)
    {
        int name = owner.IndexOf(" (", StringComparison.Ordinal);
        return owner.StartsWith("token ", StringComparison.Ordinal) && name > 0 && owner.EndsWith(')')
            ? owner[(name + 2)..^1]
            : string.Empty;
    }

    private static void Report(LiveJob live, JobProgress progress, string? detail) =>
        live.Change(j => j with { Progress = progress, Detail = detail ?? j.Detail });

    private async ValueTask SaveCursorAsync(
        LiveJob live, string cursor, JobProgress progress, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        live.Change(j => j with { Cursor = cursor, Progress = progress });
        await SaveAsync(live, durable: false).ConfigureAwait(false);
    }

    private async ValueTask SaveAsync(LiveJob live, bool durable)
    {
        await live.SaveGate.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            await _tree.SaveJobAsync(live.Job, durable, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (!durable)
        {
            JobLog.NotSaved(_log, live.Job.Id, e.Message);
        }
        finally
        {
            live.SaveGate.Release();
        }
    }

    /// <summary>Takes an ended job from the open ones; from here on the store has it.</summary>
    private async Task CloseAsync(LiveJob live)
    {
        JobRecord job = live.Job;
        lock (_lock)
        {
            _open.Remove(job.Id);
        }

        live.Closed.TrySetResult();
        JobLog.Ended(_log, job.Id, job.Kind, job.State.ToString(), job.Failure ?? string.Empty);
        try
        {
            await ForgetOldAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (DataLayerException e)
        {
            JobLog.NotSaved(_log, job.Id, e.Message);
        }
    }

    private async Task ForgetOldAsync(CancellationToken cancellationToken)
    {
        long before = Now() - ((long)_options.KeepEndedFor.TotalSeconds * 1_000_000_000);
        IReadOnlyList<JobRecord> old = await _tree.RemoveOldJobsAsync(before, _options.KeepEnded, cancellationToken)
            .ConfigureAwait(false);
        foreach (JobRecord job in old)
        {
            if (_runners.TryGetValue(job.Kind, out IJobRunner? runner))
            {
                runner.Forget(job);
            }
        }
    }
}
