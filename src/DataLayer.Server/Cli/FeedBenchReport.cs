using System.Text.Json.Serialization;

namespace DataLayer.Server.Cli;

/// <summary>What <c>feed bench</c> found.</summary>
/// <param name="Dataset">The dataset.</param>
/// <param name="Accelerators">How many were emulated.</param>
/// <param name="Batch">Samples a batch of one.</param>
/// <param name="ComputeSeconds">How long one is busy with a batch.</param>
/// <param name="Steps">Batches of all.</param>
/// <param name="Samples">Samples of all, without padding.</param>
/// <param name="Bytes">Bytes of samples.</param>
/// <param name="Utilisation">The mean share of its time in which one was busy, from its first batch on, 0 to 1.</param>
/// <param name="LowestUtilisation">Of the one that was least busy.</param>
/// <param name="SamplesPerSecond">Samples of all, from their first batch on.</param>
/// <param name="BytesPerSecond">Bytes of all, from their first batch on.</param>
/// <param name="FirstWaitSeconds">The longest that one waited for its first batch; in no other number here.</param>
/// <param name="WaitP50Seconds">Half of the steps waited no longer for their batch.</param>
/// <param name="WaitP99Seconds">99 of 100 waited no longer.</param>
/// <param name="WaitMaxSeconds">None waited longer.</param>
internal sealed record FeedBenchReport(
    string Dataset, int Accelerators, int Batch, double ComputeSeconds, long Steps, long Samples, long Bytes,
    double Utilisation, double LowestUtilisation, double SamplesPerSecond, double BytesPerSecond,
    double FirstWaitSeconds, double WaitP50Seconds, double WaitP99Seconds, double WaitMaxSeconds);

/// <summary>JSON of it.</summary>
[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(FeedBenchReport))]
internal sealed partial class FeedBenchJson : JsonSerializerContext;
