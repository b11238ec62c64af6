using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;

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
                await WarmFileAsync(file, intoMemory, tally, token).ConfigureAwait(false);
                progress?.Report(tally.Result());
            }).ConfigureAwait(false);
        return tally.Result();
    }

    private async ValueTask WarmFileAsync(
        FileContent file, bool intoMemory, Tally tally, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(file.Attributes.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (content is null)
        {
            return; // Removed meanwhile.
        }

        long size = content.SizeBytes;
        try
        {
            bool recalled = await recaller.RecallAsync(content, cancellationToken).ConfigureAwait(false);
            if (intoMemory)
            {
                await ReadAllAsync(content, cancellationToken).ConfigureAwait(false);
            }

            tally.Add(size, done: IsWhole(content), alreadyHot: !recalled, null);
        }
        catch (DataLayerException error)
        {
            tally.Add(size, done: false, alreadyHot: false, $"inode {file.Attributes.Inode}: {error.Message}");
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

        public void Add(long bytes, bool done, bool alreadyHot, string? error)
        {
            lock (_lock)
            {
                _result = new WarmResult(
                    _result.Files + 1,
                    _result.FilesDone + (done ? 1 : 0),
                    _result.Bytes + bytes,
                    _result.BytesDone + (done ? bytes : 0),
                    _result.AlreadyHot + (done && alreadyHot ? 1 : 0),
                    _result.Failed + (done ? 0 : 1),
                    _result.FirstError ?? (done ? null : error ?? "not all blocks are hot"));
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
