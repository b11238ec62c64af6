using DataLayer.Core.Tree;
using DataLayer.TestSupport.Trees;

namespace DataLayer.Tests.Metadata;

/// <summary>Whatever users and workers do in whatever order: no bytes are lost, and the bucket ends as the tree is.</summary>
public sealed class BucketSimulationTests
{
    private const int Steps = 400;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(104)]
    [InlineData(123)]
    [InlineData(241)]
    [InlineData(483)]
    [InlineData(507)]
    [InlineData(512)]
    [InlineData(571)]
    [InlineData(588)]
    [InlineData(623)]
    public async Task The_bucket_follows_the_tree(int seed)
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        Attachment attachment = await t.AttachAsync("/d", AttachmentMode.ReadWrite);
        BucketSimulation simulation = new(t, attachment, new Random(seed));
        foreach (string path in new[] { "a", "b", "x/a", "x/b", "y/c" })
        {
            await simulation.AddObjectAsync(path);
        }

        try
        {
            for (int step = 0; step < Steps; step++)
            {
                await simulation.StepAsync();
                await simulation.CheckAsync($"seed {seed}, step {step}");
            }

            await simulation.DrainAsync($"seed {seed}, at the end");
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"seed {seed}: {error.Message}\n{await simulation.TraceAsync()}", error);
        }
    }
}
