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
    [InlineData(1000)]
    [InlineData(1001)]
    [InlineData(1002)]
    [InlineData(1003)]
    [InlineData(1004)]
    [InlineData(1005)]
    [InlineData(1006)]
    [InlineData(1007)]
    [InlineData(1008)]
    [InlineData(1009)]
    [InlineData(1010)]
    [InlineData(1011)]
    [InlineData(1012)]
    [InlineData(1013)]
    [InlineData(1014)]
    [InlineData(1015)]
    [InlineData(1016)]
    [InlineData(1017)]
    [InlineData(1018)]
    [InlineData(1019)]
    [InlineData(1020)]
    [InlineData(1021)]
    [InlineData(1022)]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(1026)]
    [InlineData(1027)]
    [InlineData(1028)]
    [InlineData(241)]
    [InlineData(245)]
    [InlineData(276)]
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
