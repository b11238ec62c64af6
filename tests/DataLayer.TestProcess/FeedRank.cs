using System.Globalization;
using System.Security.Cryptography;
using DataLayer.Client.Feeds;
using DataLayer.Core.Order;

namespace DataLayer.TestProcess;

/// <summary>
/// One rank of a job, to be killed: reads a feed for ever, and writes a line for each batch before it asks for the next one: the cursor behind it, its samples
/// without padding, the state, and a point that says the line is whole.
/// </summary>
internal static class FeedRank
{
    /// <summary>Reads until somebody kills it.</summary>
    /// <param name="server">The feed's address.</param>
    /// <param name="dataset">Records whose first four bytes are their number.</param>
    /// <param name="place">Rank, world and batch.</param>
    /// <param name="state">Where to begin; - for the begin.</param>
    /// <param name="output">Takes the lines, each at once.</param>
    public static async Task RunAsync(string server, string dataset, string place, string state, TextWriter output)
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
        byte[] work = new byte[1 << 20];
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

            _ = SHA256.HashData(work); // Stands for the step that uses the batch.
            string seen = string.Join(',', batch.Numbers[..(batch.Count - batch.PaddingCount)].ToArray());
            await output.WriteLineAsync($"{batch.NextCursor}\t{seen}\t{feed.State.ToText()}\t.");
            await output.FlushAsync();
        }
    }
}
