using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>
/// Brings subtrees into the hot tier and into memory. Files side by side, each flushed before it counts; what is
/// missing at the end is counted as failed, never passed over.
/// </summary>
internal sealed class Warmer(EngineContext context, Recaller recaller, FileReader reader)
{
    public async ValueTask<WarmResult> WarmAsync(
        string path, bool intoMemory, IProgress<WarmResult>? progress, CancellationToken cancellationToken)
    {
        Tally tally = new();
        ParallelOptions options = new()
        {
            MaxDegreeOfParallelism = context.Options.UpkeepParallelism,
            CancellationToken = cancellationToken,
        };
        await Parallel.ForEachAsync(
            TreeWalk.FilesAsync(context, path, cancellationToken),
            options,
            async (file, token) =>
            {
                if (await WarmFileAsync(file, intoMemory, token).ConfigureAwait(false) is { } warmth)
                {
                    tally.Add(file, warmth);
                }

                progress?.Report(tally.Result());
            }).ConfigureAwait(false);
        return tally.Result();
    }

    /// <summary>Warms one file; what goes wrong with it is told, not thrown.</summary>
    /// <param name="file">The file, as it was found.</param>
    /// <param name="intoMemory">Whether memory is filled as well.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <returns>How it is at the end; null for a file that is gone.</returns>
    public async ValueTask<FileWarmth?> WarmFileAsync(
        FileContent file, bool intoMemory, CancellationToken cancellationToken)
    {
        OriginUse.Current = OriginUse.Within(OriginUse.Current, OriginPurpose.Warm, null);
        ContentState? content = await context.AcquireAsync(file.Attributes.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (content is null)
        {
            return null;
        }

        long size = content.SizeBytes;
        try
        {
            if (!IsWhole(content))
            {
                await context.WaitForBudgetAsync(content, size, cancellationToken).ConfigureAwait(false);
            }

            bool recalled = await recaller.RecallAsync(content, cancellationToken).ConfigureAwait(false);
            if (intoMemory)
            {
                await ReadAllAsync(content, cancellationToken).ConfigureAwait(false);
            }

            bool whole = IsWhole(content);
            return new FileWarmth(size, whole, AlreadyHot: !recalled, whole ? null : "not all blocks are hot");
        }
        catch (DataLayerException error) when (error.Code != ErrorCode.ShuttingDown)
        {
            return new FileWarmth(size, IsResident: false, AlreadyHot: false, error.Message);
        }
        finally
        {
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>Whether one file is whole in the hot tier; null for a file that is gone.</summary>
    /// <param name="inode">The file.</param>
    /// <param name="blocks">Where only some of its blocks count, these; else null.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    public async ValueTask<FileWarmth?> LookAtAsync(
        InodeId inode, IReadOnlyList<uint>? blocks, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return null;
        }

        try
        {
            bool whole = blocks is null ? IsWhole(content) : AreHot(content, blocks);
            return new FileWarmth(content.SizeBytes, whole, AlreadyHot: whole, whole ? null : "not all blocks are hot");
        }
        finally
        {
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>What is staged, written through a mount and not flushed yet, is at hand as well.</summary>
    private static bool IsWhole(ContentState content)
    {
        uint count = content.Staged is null ? BlockLayout.BlockCount(content.SizeBytes) : 0;
        for (uint block = 0; block < count; block++)
        {
            if (!content.IsResident(block))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Blocks past the end are no gap.</summary>
    private static bool AreHot(ContentState content, IReadOnlyList<uint> blocks)
    {
        uint count = content.Staged is null ? BlockLayout.BlockCount(content.SizeBytes) : 0;
        foreach (uint block in blocks)
        {
            if (block < count && !content.IsResident(block))
            {
                return false;
            }
        }

        return true;
    }

    private async ValueTask ReadAllAsync(ContentState content, CancellationToken cancellationToken)
    {
        bool isLarge = content.SizeBytes > BlockLayout.BlockBytes;
        TransferBuffer buffer = context.Buffers.Rent(BlockLayout.BlockBytes);
        try
        {
            for (long offset = 0; offset < content.SizeBytes;)
            {
                using ForegroundYield.Turn turn = await context.Yield.EnterAsync(isLarge, cancellationToken)
                    .ConfigureAwait(false);
                long end = Math.Min(content.SizeBytes, offset + turn.MaxBytes);
                do
                {
                    if (!context.Cache.Contains(new BlockId(content.Id, BlockLayout.BlockIndex(offset))))
                    {
                        await reader.ReadAsync(
                            content, offset, buffer.Memory[..BlockLayout.BlockBytes], extentEndBytes: 0,
                            isForeground: false, cancellationToken).ConfigureAwait(false);
                    }

                    offset += BlockLayout.BlockBytes;
                }
                while (offset < end && !turn.ShallEnd);
            }
        }
        finally
        {
            context.Buffers.Return(buffer);
        }
    }

    private sealed class Tally
    {
        private readonly Lock _lock = new();
        private WarmResult _result;

        public void Add(FileContent file, in FileWarmth warmth)
        {
            bool done = warmth.IsResident;
            lock (_lock)
            {
                _result = new WarmResult(
                    _result.Files + 1,
                    _result.FilesDone + (done ? 1 : 0),
                    _result.Bytes + warmth.SizeBytes,
                    _result.BytesDone + (done ? warmth.SizeBytes : 0),
                    _result.AlreadyHot + (done && warmth.AlreadyHot ? 1 : 0),
                    _result.Failed + (done ? 0 : 1),
                    _result.FirstError ?? (done ? null : $"inode {file.Attributes.Inode}: {warmth.Reason}"));
            }
        }

        public WarmResult Result()
        {
            lock (_lock)
            {
                return _result;
            }
        }
    }
}
