using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;
using DataLayer.Storage.Stripes;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>
/// Reads and checks hot copies; what no copy holds well any more is fetched again from the object, where one holds the
/// content. Readers go first (<see cref="ForegroundYield"/>): a part at a time, of which each holds the write gate.
/// </summary>
internal sealed class Scrubber(EngineContext context, Recaller recaller)
{
    private const int PartBytes = 8 << 20;

    public async ValueTask<ScrubReport> ScrubAsync(
        string path, IProgress<ScrubReport>? progress, CancellationToken cancellationToken)
    {
        Lock sync = new();
        ScrubReport report = default;
        ParallelOptions options = new()
        {
            MaxDegreeOfParallelism = Math.Min(4, context.Options.UpkeepParallelism),
            CancellationToken = cancellationToken,
        };
        await Parallel.ForEachAsync(
            TreeWalk.FilesAsync(context, path, cancellationToken),
            options,
            async (file, token) =>
            {
                ScrubReport one = await ScrubFileAsync(file, token).ConfigureAwait(false);
                lock (sync)
                {
                    report = new ScrubReport(
                        report.Files + one.Files,
                        report.CheckedChunks + one.CheckedChunks,
                        report.RepairedChunks + one.RepairedChunks,
                        report.RepairedFromObjects + one.RepairedFromObjects,
                        report.BadFiles + one.BadFiles);
                    progress?.Report(report);
                }
            }).ConfigureAwait(false);
        return report;
    }

    /// <summary>Scrubs one file.</summary>
    public async ValueTask<ScrubReport> ScrubFileAsync(FileContent file, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(file.Attributes.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (content is null)
        {
            return default;
        }

        try
        {
            ScrubReport report = new(1, 0, 0, 0, 0);
            for (long at = 0; at >= 0;)
            {
                bool isLarge = content.SizeBytes > BlockLayout.BlockBytes;
                using ForegroundYield.Turn turn = await context.Yield.EnterAsync(isLarge, cancellationToken)
                    .ConfigureAwait(false);
                (ScrubReport part, at) = await ScrubPartAsync(content, at, turn.MaxBytes, cancellationToken)
                    .ConfigureAwait(false);
                report = new ScrubReport(
                    1, report.CheckedChunks + part.CheckedChunks, report.RepairedChunks + part.RepairedChunks,
                    report.RepairedFromObjects + part.RepairedFromObjects, report.BadFiles | part.BadFiles);
            }

            return report;
        }
        catch (DataLayerException error) when (error.Code is not ErrorCode.ShuttingDown)
        {
            EngineLog.HotCopyBad(context.Log, content.Id.ToString(), error.Message);
            return new ScrubReport(1, 0, 0, 0, BadFiles: 1);
        }
        finally
        {
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>Scrubs a content from a place of its columns on; where to go on, -1 at the end.</summary>
    private async ValueTask<(ScrubReport Report, long Next)> ScrubPartAsync(
        ContentState content, long from, int maxBytes, CancellationToken cancellationToken)
    {
        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            FileContent known = content.Content;
            if (known.Placement is null || content.IsDirty || content.SizeBytes == 0)
            {
                return (new ScrubReport(1, 0, 0, 0, 0), -1);
            }

            int width = known.Placement is StripedPlacement striped ? striped.Width : 1;
            int units = Math.Max(1, Math.Min(maxBytes, PartBytes) / width / HotTier.ScrubUnitBytes);
            long to = from + ((long)units * HotTier.ScrubUnitBytes);
            bool isLast = known.Placement is not StripedPlacement wide || to >= wide.ColumnLength(0, content.SizeBytes);
            ScrubReport report = await ScrubLockedAsync(content, from, to, cancellationToken).ConfigureAwait(false);
            return (report, isLast ? -1 : to);
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    private async ValueTask<ScrubReport> ScrubLockedAsync(
        ContentState content, long from, long to, CancellationToken cancellationToken)
    {
        FileContent known = content.Content;
        Placement placement = known.Placement!;
        List<uint> bad = [];
        long checkedChunks = 0;
        long repaired = 0;
        try
        {
            ScrubResult result = await context.Hot.ScrubAsync(
                content.Id, placement, content.SizeBytes, from, to, cancellationToken).ConfigureAwait(false);
            checkedChunks = result.CheckedChunks;
            repaired = result.RepairedChunks;
            AddResidentBlocks(content, result.BadRanges, bad);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
        {
            AddResidentBlocks(content, [(0, content.SizeBytes)], bad);
        }

        if (bad.Count == 0)
        {
            return new ScrubReport(1, checkedChunks, repaired, 0, 0);
        }

        if (known.Object is null || known.Attributes.State == TierState.Hot)
        {
            return new ScrubReport(1, checkedChunks, repaired, 0, BadFiles: 1);
        }

        await context.UpdateAsync(
            content,
            new ContentUpdate
            {
                Content = content.Id,
                IfVersion = known.Attributes.Version,
                ClearResident = bad,
                State = TierState.Released,
            },
            cancellationToken).ConfigureAwait(false);
        await recaller.RecallLockedAsync(content, content.SizeBytes, cancellationToken).ConfigureAwait(false);
        return new ScrubReport(1, checkedChunks, repaired, bad.Count, 0);
    }

    /// <summary>Bad bytes outside resident blocks are no loss: nothing is there yet.</summary>
    private static void AddResidentBlocks(
        ContentState content, IReadOnlyList<(long OffsetBytes, long LengthBytes)> ranges, List<uint> blocks)
    {
        foreach ((long offset, long length) in ranges)
        {
            long last = Math.Min(offset + length, content.SizeBytes) - 1;
            for (long at = offset; at <= last; at = BlockLayout.BlockOffset(BlockLayout.BlockIndex(at) + 1))
            {
                uint block = BlockLayout.BlockIndex(at);
                if (content.IsResident(block) && !blocks.Contains(block))
                {
                    blocks.Add(block);
                }
            }
        }
    }
}
