using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Files.Upkeep;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>
/// Warm-ups as jobs: by path, by list, by profile and by what was used lately; readers go first, what readers fetch is
/// not fetched again, and at the end each file is looked at: resident, checksummed, or missing with the reason. A gap
/// makes the job fail.
/// </summary>
/// <remarks>
/// Works in steps of <see cref="StepFiles"/> files side by side; after each the cursor is saved with what came out so
/// far, so a crash repeats one step at most, and repeating is harmless: what is hot already is only looked at.
/// </remarks>
public sealed partial class WarmRunner : IJobRunner
{
    /// <summary>The kind of these jobs.</summary>
    public const string KindName = "warm";

    private const int StepFiles = 128;
    private const int MaxLineChars = 8192;

    private readonly FileEngine _engine;
    private readonly JobInputs _inputs;

    /// <summary>Makes the runner over an engine.</summary>
    public WarmRunner(FileEngine engine, JobInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _engine = engine;
        _inputs = inputs;
    }

    /// <inheritdoc/>
    public string Kind => KindName;

    /// <inheritdoc/>
    public async Task<JobOutcome> RunAsync(JobRun run, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(run);
        WarmSpec spec = WarmSpec.Parse(run.Job.Spec);
        WarmCursor cursor = run.Job.Cursor is { } saved
            ? JsonSerializer.Deserialize(saved, WarmJson.Default.WarmCursor)!
            : new WarmCursor(0, null, 0, new WarmOutcome());
        (long files, long bytes) = await CountAsync(spec, cancellationToken).ConfigureAwait(false);
        WarmTally tally = new(cursor.Outcome, files, bytes, run);
        if (spec.Profile is not null)
        {
            await RunProfileAsync(spec, tally, cancellationToken).ConfigureAwait(false);
        }

        while (cursor.Source < spec.Paths.Count)
        {
            string? position = spec.Learned
                ? await StepLearnedAsync(spec, cursor, tally, cancellationToken).ConfigureAwait(false)
                : await StepPathAsync(spec, cursor, tally, cancellationToken).ConfigureAwait(false);
            cursor = position is null
                ? cursor with { Source = cursor.Source + 1, Position = null, Outcome = tally.Outcome }
                : cursor with { Position = position, Outcome = tally.Outcome };
            await SaveAsync(run, cursor, tally, cancellationToken).ConfigureAwait(false);
        }

        if (spec.Input is not null)
        {
            await RunListAsync(run, spec, cursor, tally, cancellationToken).ConfigureAwait(false);
        }

        WarmOutcome outcome = tally.Outcome;
        return new JobOutcome(
            outcome.ToText(),
            outcome.Missing == 0
                ? null
                : $"{outcome.Missing} of {outcome.Files} files have a gap, first {outcome.Gaps[0].Path}: "
                    + outcome.Gaps[0].Reason);
    }

    /// <inheritdoc/>
    public void Forget(JobRecord job)
    {
        ArgumentNullException.ThrowIfNull(job);
        if (InputOf(job) is { } input)
        {
            _inputs.Remove(input);
        }
    }

    /// <summary>The name of the list a job of this kind has; null for none.</summary>
    public static string? InputOf(JobRecord job)
    {
        ArgumentNullException.ThrowIfNull(job);
        try
        {
            return job.Kind == KindName ? WarmSpec.Parse(job.Spec).Input : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static ValueTask SaveAsync(
        JobRun run, WarmCursor cursor, WarmTally tally, CancellationToken cancellationToken) =>
        run.SaveAsync(
            JsonSerializer.Serialize(cursor, WarmJson.Default.WarmCursor), tally.Progress, cancellationToken);

    /// <summary>What is to do in all, as far as it can be known before.</summary>
    private async ValueTask<(long Files, long Bytes)> CountAsync(WarmSpec spec, CancellationToken cancellationToken)
    {
        long files = 0;
        long bytes = 0;
        foreach (string path in spec.Learned ? [] : spec.Paths)
        {
            try
            {
                TreeUsage usage = await _engine.GetUsageAsync(path, cancellationToken).ConfigureAwait(false);
                files += usage.FileCount;
                bytes += usage.SizeBytes;
            }
            catch (DataLayerException e) when (e.Code is not ErrorCode.ShuttingDown)
            {
                files++; // Counted as missing when its turn comes.
            }
        }

        if (spec.Input is { } input)
        {
            using StreamReader lines = _inputs.Open(input);
            while (await ReadLineAsync(lines, cancellationToken).ConfigureAwait(false) is { } line)
            {
                files += IsFile(line) ? 1 : 0;
            }
        }

        return (files, bytes);
    }

    private static async ValueTask<string?> ReadLineAsync(StreamReader lines, CancellationToken cancellationToken)
    {
        string? line = await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false);
        return line is { Length: > MaxLineChars }
            ? throw new DataLayerException(
                ErrorCode.InvalidArgument, $"A line of the list has more than {MaxLineChars} characters.")
            : line;
    }

    /// <summary>One step below a path; where the next begins, or null after the last.</summary>
    private async ValueTask<string?> StepPathAsync(
        WarmSpec spec, WarmCursor cursor, WarmTally tally, CancellationToken cancellationToken)
    {
        string path = spec.Paths[cursor.Source];
        IReadOnlyList<FileContent> files;
        string? next = null;
        try
        {
            EngineNode start = await FindAsync(path, cancellationToken).ConfigureAwait(false);
            if (start.File is { } file)
            {
                files = [file];
            }
            else
            {
                (files, next) = await _engine.Context.Tree
                    .WalkFilesAsync(start.Attributes.Inode, cursor.Position, StepFiles, cancellationToken)
                    .ConfigureAwait(false);
            }
        }
        catch (DataLayerException e) when (e.Code is not ErrorCode.ShuttingDown)
        {
            tally.AddGap(path, 0, e.Message);
            return null;
        }

        await Parallel.ForEachAsync(
            files, Degree(cancellationToken),
            async (file, token) => await DoFileAsync(spec, file, null, tally, token).ConfigureAwait(false))
            .ConfigureAwait(false);
        return next;
    }

    private async Task RunListAsync(
        JobRun run, WarmSpec spec, WarmCursor cursor, WarmTally tally, CancellationToken cancellationToken)
    {
        using StreamReader lines = _inputs.Open(spec.Input!);
        for (long i = 0; i < cursor.Line; i++)
        {
            _ = await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false);
        }

        List<string> step = new(StepFiles);
        for (bool more = true; more;)
        {
            step.Clear();
            while (step.Count < StepFiles && more)
            {
                string? line = await ReadLineAsync(lines, cancellationToken).ConfigureAwait(false);
                more = line is not null;
                if (line is not null)
                {
                    step.Add(line);
                }
            }

            await Parallel.ForEachAsync(
                step.FindAll(IsFile), Degree(cancellationToken),
                async (line, token) => await DoLineAsync(spec, line, tally, token).ConfigureAwait(false))
                .ConfigureAwait(false);
            cursor = cursor with { Line = cursor.Line + step.Count, Outcome = tally.Outcome };
            await SaveAsync(run, cursor, tally, cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool IsFile(string line) => line.AsSpan().Trim() is { Length: > 0 } text && text[0] != '#';

    private async ValueTask DoLineAsync(
        WarmSpec spec, string text, WarmTally tally, CancellationToken cancellationToken)
    {
        string path = text;
        try
        {
            WarmListLine line = Parse(text);
            path = line.Path;
            if (TreeView.Scope is { } scope && !scope.Contains(path))
            {
                throw new DataLayerException(
                    ErrorCode.PermissionDenied, "It is outside of what the job's owner may reach.");
            }

            EngineNode node = await FindAsync(path, cancellationToken).ConfigureAwait(false);
            FileContent file = node.File
                ?? throw new DataLayerException(ErrorCode.IsADirectory, "It is not a file; a list names files.");
            if (Difference(file, line) is { } difference)
            {
                tally.AddGap(path, file.Attributes.SizeBytes, difference);
                return;
            }

            await DoFileAsync(spec, file, path, tally, cancellationToken).ConfigureAwait(false);
        }
        catch (JsonException e)
        {
            tally.AddGap(path, 0, $"The line is neither a path nor a JSON object with one: {e.Message}");
        }
        catch (DataLayerException e) when (e.Code is not ErrorCode.ShuttingDown)
        {
            tally.AddGap(path, 0, e.Message);
        }
    }

    private static WarmListLine Parse(string text) =>
        text.TrimStart().StartsWith('{')
            ? JsonSerializer.Deserialize(text, WarmJson.Default.WarmListLine)!
            : new WarmListLine { Path = text.TrimEnd('\r') };

    /// <summary>How a file differs from what a manifest says; null where it does not.</summary>
    private static string? Difference(FileContent file, WarmListLine line)
    {
        if (line.Size is { } size && size != file.Attributes.SizeBytes)
        {
            return $"It has {file.Attributes.SizeBytes} bytes, the list says {size}.";
        }

        string? etag = file.Object?.ETag?.Trim('"');
        return line.Etag is { } wanted && wanted.Trim('"') != etag
            ? $"Its object has the entity tag '{etag ?? "none"}', the list says '{wanted}'."
            : null;
    }

    private async ValueTask DoFileAsync(
        WarmSpec spec, FileContent file, string? path, WarmTally tally, CancellationToken cancellationToken)
    {
        if (spec.Mode == WarmMode.Evict)
        {
            tally.AddEvicted(
                file.Attributes.SizeBytes,
                await _engine.EvictFileAsync(file, cancellationToken).ConfigureAwait(false));
            return;
        }

        FileWarmth? warmth;
        if (spec.Mode == WarmMode.Check)
        {
            warmth = await _engine.Warmer
                .LookAtAsync(file.Attributes.Inode, blocks: null, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            warmth = await _engine.Warmer
                .WarmFileAsync(file, spec.IntoMemory, cancellationToken).ConfigureAwait(false);
        }

        if (warmth is not { } found)
        {
            tally.AddGone(); // Removed meanwhile: nothing is missing.
            return;
        }

        await JudgeAsync(spec, file, path, found, tally, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Compares a hot file with its checksums where that is wanted, and tells how it is.</summary>
    private async ValueTask JudgeAsync(
        WarmSpec spec, FileContent file, string? path, FileWarmth found, WarmTally tally,
        CancellationToken cancellationToken)
    {
        bool sound = true;
        bool compared = false;
        if (spec.Verify && found.IsResident)
        {
            ScrubReport scrub = await _engine.Scrubber.ScrubFileAsync(file, cancellationToken).ConfigureAwait(false);
            sound = scrub.BadFiles == 0;
            compared = true;
        }

        if (found.IsResident && sound)
        {
            tally.AddResident(found, compared);
            return;
        }

        path ??= await _engine.Context.Tree.GetPathAsync(file.Attributes.Inode, cancellationToken)
            .ConfigureAwait(false);
        tally.AddGap(
            path ?? $"inode {file.Attributes.Inode}", found.SizeBytes,
            found.Reason ?? "Its hot copy disagrees with its checksums and could not be repaired.");
    }

    private async ValueTask<EngineNode> FindAsync(string path, CancellationToken cancellationToken)
    {
        InodeAttributes found = await _engine.StatAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        FileContent? file = found.Kind == FileKind.Regular
            ? await _engine.Context.Tree.GetContentAsync(found.Inode, cancellationToken).ConfigureAwait(false)
            : null;
        return new EngineNode(found, file);
    }

    private ParallelOptions Degree(CancellationToken cancellationToken) => new()
    {
        MaxDegreeOfParallelism = _engine.Context.Options.UpkeepParallelism,
        CancellationToken = cancellationToken,
    };

    private readonly record struct EngineNode(InodeAttributes Attributes, FileContent? File);
}
