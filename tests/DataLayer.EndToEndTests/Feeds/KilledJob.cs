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

/// <summary>One incarnation of a job: a process a rank, each with a log of its steps.</summary>
internal sealed class KilledJob : IAsyncDisposable
{
    private readonly string[] _logs;
    private readonly Process[] _ranks;

    private KilledJob(string[] logs, Process[] ranks) => (_logs, _ranks) = (logs, ranks);

    /// <summary>Starts all ranks.</summary>
    public static KilledJob Start(string folder, string server, string dataset, int world, int batch, string state)
    {
        string program = BuiltProgram.Find("DataLayer.TestProcess", "DataLayer.TestProcess");
        string[] logs = [.. Enumerable.Range(0, world).Select(rank => Path.Combine(folder, rank.ToString(CultureInfo.InvariantCulture)))];
        Process[] ranks = [.. Enumerable.Range(0, world).Select(rank => Command.Start(
            "dotnet", [program, "feed-rank", server, dataset, $"{rank}/{world}/{batch}", state, logs[rank]], environment: null))];
        Array.ForEach(ranks, rank => OrphanWatch.Add(rank.Id));
        return new KilledJob(logs, ranks);
    }

    /// <summary>The whole lines of a rank's log.</summary>
    public IReadOnlyList<RankStep> StepsOf(int rank)
    {
        if (!File.Exists(_logs[rank]))
        {
            return [];
        }

        string text = File.ReadAllText(_logs[rank]);
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line =>
        {
            string[] fields = line.Split('\t');
            int[] samples = [.. fields[1].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
            return new RankStep(long.Parse(fields[0], CultureInfo.InvariantCulture), samples, fields[2]);
        })];
    }

    /// <summary>Waits until a rank has done so many steps.</summary>
    /// <exception cref="InvalidOperationException">It ended; with what it wrote.</exception>
    public async Task WhenDidAsync(int rank, int steps, CancellationToken stop)
    {
        while (StepsOf(rank).Count < steps)
        {
            stop.ThrowIfCancellationRequested();
            if (_ranks[rank].HasExited)
            {
                throw new InvalidOperationException($"Rank {rank} ended: {await _ranks[rank].StandardError.ReadToEndAsync(stop)}");
            }

            await Task.Delay(5, stop);
        }
    }

    /// <summary>Kills one rank, then the others, which cannot go on without it.</summary>
    public async Task KillAsync(int victim)
    {
        _ranks[victim].Kill();
        await _ranks[victim].WaitForExitAsync();
        foreach (Process rank in _ranks)
        {
            if (!rank.HasExited)
            {
                rank.Kill();
            }

            await rank.WaitForExitAsync();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync(0);
        Array.ForEach(_ranks, rank => rank.Dispose());
    }
}
