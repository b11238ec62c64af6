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
                if (await WarmFileAsync(file, intoMemory, yields: null, token).ConfigureAwait(false) is { } warmth)
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
    /// <param name="yields">Lets readers go first, or null.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <returns>How it is at the end; null for a file that is gone.</returns>
    public async ValueTask<FileWarmth?> WarmFileAsync(
        FileContent file, bool intoMemory, ForegroundYield? yields, CancellationToken cancellationToken)
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

            bool recalled = await recaller.RecallAsync(content, cancellationToken, yields).ConfigureAwait(false);
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
    public async ValueTask<FileWarmth?> LookAtAsync(FileContent file, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(file.Attributes.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (content is null)
        {
            return null;
        }

        try
        {
            bool whole = IsWhole(content);
            return new FileWarmth(content.SizeBytes, whole, AlreadyHot: whole, whole ? null : "not all blocks are hot");
        }
        finally
        {
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    private static bool IsWhole(ContentState content)
    {
        uint count = BlockLayout.BlockCount(content.SizeBytes);
        for (uint block = 0; block < count; block++)
        {
            if (!content.IsResident(block))
            {
                return false;
            }
        }

        return true;
    }

    private async ValueTask ReadAllAsync(ContentState content, CancellationToken cancellationToken)
    {
        TransferBuffer buffer = context.Buffers.Rent(BlockLayout.BlockBytes);
        try
        {
            for (long offset = 0; offset < content.SizeBytes; offset += BlockLayout.BlockBytes)
            {
                if (!context.Cache.Contains(new BlockId(content.Id, BlockLayout.BlockIndex(offset))))
                {
                    await reader.ReadAsync(
                        content, offset, buffer.Memory[..BlockLayout.BlockBytes], extentEndBytes: 0,
                        isForeground: false, cancellationToken).ConfigureAwait(false);
                }
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
