using System.Globalization;
using DataLayer.Client.Feeds;
using DataLayer.Core.Order;

namespace DataLayer.TestProcess;

/// <summary>
/// One rank of a job, to be killed: reads a feed for ever, and writes a line for each batch before it asks for the next one: the cursor behind it, its samples
/// without padding, and the state.
/// </summary>
internal static class FeedRank
{
    /// <summary>Reads until somebody kills it.</summary>
    /// <param name="server">The feed's address.</param>
    /// <param name="dataset">Records whose first four bytes are their number.</param>
    /// <param name="place">Rank, world and batch.</param>
    /// <param name="state">Where to begin; - for the begin.</param>
    /// <param name="log">The file for the lines; each is written in one piece.</param>
    public static async Task RunAsync(string server, string dataset, string place, string state, string log)
    {
        int[] numbers = [.. place.Split('/').Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
        TrainingFeedOptions options = new()
        {
            Server = server,
            Dataset = dataset,
            Rank = numbers[0],
            World = numbers[1],
            Batch = numbers[2],
            Last = LastStep.Pad,
            Passes = 0,
            Order = new OrderSpec { Seed = 5 },
            State = state == "-" ? null : FeedState.Parse(state),
            ReconnectTime = TimeSpan.FromMinutes(2),
        };
        await using FileStream file = new(log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        await using TrainingFeed feed = await TrainingFeed.OpenAsync(options);
        await foreach (Batch batch in feed)
        {
            for (int i = 0; i < batch.Count; i++)
            {
                if (BitConverter.ToInt32(batch.GetSample(i)) != batch.Numbers[i])
                {
                    throw new InvalidDataException($"Sample {batch.Numbers[i]} has other bytes.");
                }
            }

            string seen = string.Join(',', batch.Numbers[..(batch.Count - batch.PaddingCount)].ToArray());
            file.Write(System.Text.Encoding.UTF8.GetBytes($"{batch.NextCursor}\t{seen}\t{feed.State.ToText()}\n"));
            await Task.Delay(3); // Stands for the step that uses the batch.
        }
    }
}
