using System.Diagnostics;
using System.Globalization;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;

namespace DataLayer.EndToEndTests.Feeds;

/// <summary>What a rank did in one step, as it wrote it down.</summary>
/// <param name="NextCursor">The cursor behind the step.</param>
/// <param name="Samples">Its samples, without padding.</param>
/// <param name="State">The state behind it.</param>
internal sealed record RankStep(long NextCursor, int[] Samples, string State);

/// <summary>One incarnation of a job: a process a rank, each of which writes down its steps.</summary>
internal sealed class KilledJob : IAsyncDisposable
{
    private readonly Rank[] _ranks;

    private KilledJob(Rank[] ranks) => _ranks = ranks;

    /// <summary>Starts all ranks.</summary>
    public static KilledJob Start(string server, string dataset, int world, int batch, string state)
    {
        string program = BuiltProgram.Find("DataLayer.TestProcess", "DataLayer.TestProcess");
        return new KilledJob([.. Enumerable.Range(0, world).Select(rank => new Rank(Command.Start(
            "dotnet", [program, "feed-rank", server, dataset, $"{rank}/{world}/{batch}", state], environment: null)))]);
    }

    /// <summary>The steps of a rank so far; after <see cref="KillAsync"/> all that it ever did.</summary>
    public IReadOnlyList<RankStep> StepsOf(int rank) => _ranks[rank].Steps;

    /// <summary>Waits until a rank has done so many steps.</summary>
    /// <exception cref="InvalidOperationException">It ended; with what it wrote.</exception>
    public async Task WhenDidAsync(int rank, int steps, CancellationToken stop)
    {
        int count = await _ranks[rank].WhenMoreThanAsync(steps - 1, stop);
        if (count < steps)
        {
            throw new InvalidOperationException($"Rank {rank} ended after {count} steps: {await _ranks[rank].Process.StandardError.ReadToEndAsync(stop)}");
        }
    }

    /// <summary>Kills one rank, then the others, which cannot go on without it.</summary>
    public async Task KillAsync(int victim)
    {
        foreach (Rank rank in (Rank[])[_ranks[victim], .. _ranks])
        {
            if (!rank.Process.HasExited)
            {
                rank.Process.Kill();
            }

            await rank.Process.WaitForExitAsync();
            await rank.Reading;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync(0);
        Array.ForEach(_ranks, rank => rank.Process.Dispose());
    }

    /// <summary>A process and the lines it wrote.</summary>
    private sealed class Rank
    {
        private readonly Lock _lock = new();
        private readonly List<RankStep> _steps = [];
        private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Rank(Process process)
        {
            OrphanWatch.Add(process.Id);
            Process = process;
            Reading = ReadAsync();
        }

        public Process Process { get; }

        public Task Reading { get; }

        public IReadOnlyList<RankStep> Steps
        {
            get
            {
                lock (_lock)
                {
                    return [.. _steps];
                }
            }
        }

        /// <summary>Waits for more than so many steps, or the end of the process; how many there are.</summary>
        public async Task<int> WhenMoreThanAsync(int steps, CancellationToken stop)
        {
            while (true)
            {
                Task changed;
                lock (_lock)
                {
                    if (_steps.Count > steps || Reading.IsCompleted)
                    {
                        return _steps.Count;
                    }

                    changed = _changed.Task;
                }

                await Task.WhenAny(changed, Reading).WaitAsync(stop);
            }
        }

        private async Task ReadAsync()
        {
            while (await Process.StandardOutput.ReadLineAsync() is { } line)
            {
                // A line that the kill cut short lacks its point.
                if (line.Split('\t') is [var next, var seen, var state, "."])
                {
                    int[] samples = [.. seen.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
                    lock (_lock)
                    {
                        _steps.Add(new RankStep(long.Parse(next, CultureInfo.InvariantCulture), samples, state));
                        _changed.SetResult();
                        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    }
                }
            }
        }
    }
}
