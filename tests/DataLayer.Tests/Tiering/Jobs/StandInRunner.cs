using System.Globalization;
using System.Threading.Channels;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;

namespace DataLayer.Tests.Tiering.Jobs;

/// <summary>A runner whose jobs count steps, one for each permit a test gives, and save each as their cursor.</summary>
internal sealed class StandInRunner(string kind = "count", int steps = 3) : IJobRunner
{
    private readonly Channel<int> _permits = Channel.CreateUnbounded<int>();
    private readonly Channel<long> _started = Channel.CreateUnbounded<long>();
    private readonly Channel<(long Job, int Step)> _done = Channel.CreateUnbounded<(long, int)>();

    public string Kind => kind;

    public List<long> Forgotten { get; } = [];

    public Exception? Fault { get; set; }

    public void Permit(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _permits.Writer.TryWrite(i);
        }
    }

    public ValueTask<long> NextStartAsync() => _started.Reader.ReadAsync();

    public ValueTask<(long Job, int Step)> NextStepAsync() => _done.Reader.ReadAsync();

    public bool AnyStarted => _started.Reader.TryPeek(out _);

    public async Task<JobOutcome> RunAsync(JobRun run, CancellationToken cancellationToken)
    {
        _started.Writer.TryWrite(run.Job.Id);
        int done = int.Parse(run.Job.Cursor ?? "0", CultureInfo.InvariantCulture);
        while (done < steps)
        {
            await _permits.Reader.ReadAsync(cancellationToken);
            if (Fault is { } fault)
            {
                throw fault;
            }

            done++;
            JobProgress progress = new(done, steps, done * 10, steps * 10, 0);
            run.Report(progress);
            await run.SaveAsync(done.ToString(CultureInfo.InvariantCulture), progress, cancellationToken);
            _done.Writer.TryWrite((run.Job.Id, done));
        }

        return new JobOutcome("{\"steps\":" + done.ToString(CultureInfo.InvariantCulture) + "}", null);
    }

    public void Forget(JobRecord job)
    {
        lock (Forgotten)
        {
            Forgotten.Add(job.Id);
        }
    }
}
