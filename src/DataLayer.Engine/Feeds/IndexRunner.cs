using System.Text.Json;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;

namespace DataLayer.Engine.Feeds;

/// <summary>What a job that builds an index shall do.</summary>
public sealed record IndexJobSpec
{
    /// <summary>The dataset.</summary>
    public required string Name { get; init; }

    /// <summary>As text for <see cref="JobRecord.Spec"/>.</summary>
    public string ToText() => JsonSerializer.Serialize(this, DatasetJson.Default.IndexJobSpec);
}

/// <summary>
/// Builds sample indexes as jobs. A job that was cut begins again; the index before stays current until the new one is
/// whole.
/// </summary>
/// <param name="datasets">The datasets.</param>
public sealed class IndexRunner(DatasetService datasets) : IJobRunner
{
    /// <summary>The kind of these jobs.</summary>
    public const string KindName = "index";

    /// <inheritdoc/>
    public string Kind => KindName;

    /// <inheritdoc/>
    public async Task<JobOutcome> RunAsync(JobRun run, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(run);
        IndexJobSpec spec = JsonSerializer.Deserialize(run.Job.Spec, DatasetJson.Default.IndexJobSpec)!;
        DatasetRecord built = await datasets.BuildAsync(spec.Name, p => run.Report(p), cancellationToken)
            .ConfigureAwait(false);
        return new JobOutcome(JsonSerializer.Serialize(built, DatasetJson.Default.DatasetRecord), null);
    }

    /// <inheritdoc/>
    public void Forget(JobRecord job)
    {
        // The dataset is no part of its job.
    }
}
