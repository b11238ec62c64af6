using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Files.Upkeep;

namespace DataLayer.Engine.Files;

/// <summary>How much of a subtree memory and hot tier of this node have.</summary>
/// <param name="Files">Files looked at, a count.</param>
/// <param name="SizeBytes">Their length.</param>
/// <param name="MemoryBytes">What of it memory has.</param>
/// <param name="HotBytes">What of it the hot tier has.</param>
/// <param name="NearBytes">What one of them has.</param>
/// <param name="IsWhole">Whether these are all files.</param>
public readonly record struct LocalityCount(
    long Files, long SizeBytes, long MemoryBytes, long HotBytes, long NearBytes, bool IsWhole)
{
    /// <summary>
    /// Walks a subtree and looks where each block is; changes nothing, and counts as nobody's access.
    /// </summary>
    internal static async ValueTask<LocalityCount> OfAsync(
        EngineContext context, string path, int maxFiles, CancellationToken cancellationToken)
    {
        LocalityCount count = new(0, 0, 0, 0, 0, IsWhole: true);
        await foreach (FileContent file in TreeWalk.FilesAsync(context, path, cancellationToken)
            .ConfigureAwait(false))
        {
            if (count.Files == maxFiles)
            {
                return count with { IsWhole = false };
            }

            count = count.With(context, file);
        }

        return count;
    }

    private LocalityCount With(EngineContext context, FileContent file)
    {
        InodeAttributes attributes = file.Attributes;
        (long memory, long hot, long near) = (MemoryBytes, HotBytes, NearBytes);
        uint blocks = BlockLayout.BlockCount(attributes.SizeBytes);
        for (uint block = 0; block < blocks; block++)
        {
            int length = BlockLayout.BlockLength(block, attributes.SizeBytes);
            bool inMemory = context.Cache.Contains(new BlockId(attributes.Content, block));
            bool isHot = file.Placement is not null && (attributes.State == TierState.Hot
                || (block < file.Residency.BlockCount && file.Residency[block]));
            memory += inMemory ? length : 0;
            hot += isHot ? length : 0;
            near += inMemory || isHot ? length : 0;
        }

        return new LocalityCount(Files + 1, SizeBytes + attributes.SizeBytes, memory, hot, near, IsWhole);
    }
}
