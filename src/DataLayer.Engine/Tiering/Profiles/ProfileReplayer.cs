using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>
/// Makes exactly the blocks of a profile hot, in the order they were first read.
/// </summary>
/// <remarks>
/// The entries are cut into steps of at most 64 MiB; within one, the blocks of each file are brought together, so that
/// a file costs one flush and one commit a step. Steps start in order, some side by side; beside readers, in turns
/// (<see cref="ForegroundYield"/>). A small file that lies in a segment is brought as a whole: it is one block. In
/// the end each block is looked at again, and what is not hot is counted as failed.
/// </remarks>
internal sealed class ProfileReplayer(EngineContext context, Recaller recaller)
{
    private const long StepBytes = 64L << 20;
    private const int MaxVanishedPaths = 100;

    public async ValueTask<ProfileReplayResult> RunAsync(
        AccessProfile profile, bool isDryRun, IProgress<ProfileReplayResult>? progress,
        CancellationToken cancellationToken)
    {
        (InodeId[] inodes, ProfileReplayResult found) = await FindAsync(profile, cancellationToken)
            .ConfigureAwait(false);
        Tally tally = new() { Result = found with { IsDryRun = isDryRun } };
        ParallelOptions options = new()
        {
            MaxDegreeOfParallelism = context.Options.UpkeepParallelism,
            CancellationToken = cancellationToken,
        };
        await Parallel.ForEachAsync(
            Steps(profile, inodes),
            options,
            async (step, token) =>
            {
                await WarmAsync(step.Inode, step.Blocks, isDryRun, tally, token).ConfigureAwait(false);
                progress?.Report(tally.Result);
            }).ConfigureAwait(false);
        return tally.Result;
    }

    /// <summary>The files as they are today: by path, else by inode; none for what is gone.</summary>
    public async ValueTask<(InodeId[] Inodes, ProfileReplayResult Found)> FindAsync(
        AccessProfile profile, CancellationToken cancellationToken)
    {
        InodeId[] inodes = new InodeId[profile.Files.Count];
        List<string> vanished = [];
        long moved = 0;
        long gone = 0;
        for (int i = 0; i < inodes.Length; i++)
        {
            ProfileFile file = profile.Files[i];
            inodes[i] = await FindByPathAsync(file.Path, cancellationToken).ConfigureAwait(false);
            if (inodes[i] == InodeId.None && await FindByInodeAsync(file, cancellationToken).ConfigureAwait(false))
            {
                inodes[i] = file.Inode;
                moved++;
            }

            if (inodes[i] == InodeId.None)
            {
                gone++;
                if (vanished.Count < MaxVanishedPaths)
                {
                    vanished.Add(file.Path);
                }
            }
        }

        return (inodes, new ProfileReplayResult
        {
            FileCount = inodes.Length,
            MovedFiles = moved,
            VanishedFiles = gone,
            Vanished = vanished,
        });
    }

    private async ValueTask<InodeId> FindByPathAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            InodeAttributes found = await context.View.ResolveAsync(path, followLast: true, cancellationToken)
                .ConfigureAwait(false);
            return found.Kind == FileKind.Regular ? found.Inode : InodeId.None;
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.NotFound or ErrorCode.NotADirectory)
        {
            return InodeId.None;
        }
    }

    /// <summary>A profile of another tree has other inodes: the length must be the same as well.</summary>
    private async ValueTask<bool> FindByInodeAsync(ProfileFile file, CancellationToken cancellationToken) =>
        await context.Tree.GetAsync(file.Inode, cancellationToken).ConfigureAwait(false)
            is { Kind: FileKind.Regular, LinkCount: > 0 } found && found.SizeBytes == file.SizeBytes;

    private static IEnumerable<(InodeId Inode, List<uint> Blocks)> Steps(AccessProfile profile, InodeId[] inodes)
    {
        Dictionary<long, List<uint>> step = [];
        List<InodeId> order = [];
        long bytes = 0;
        foreach (ProfileEntry entry in profile.Entries)
        {
            InodeId inode = inodes[entry.File];
            for (uint i = 0; inode != InodeId.None && i < entry.BlockCount; i++)
            {
                if (!step.TryGetValue(inode.Value, out List<uint>? blocks))
                {
                    step.Add(inode.Value, blocks = []);
                    order.Add(inode);
                }

                blocks.Add(entry.FirstBlock + i);
                bytes += BlockLayout.BlockLength(entry.FirstBlock + i, profile.Files[entry.File].SizeBytes);
                if (bytes >= StepBytes)
                {
                    foreach (InodeId next in order)
                    {
                        yield return (next, step[next.Value]);
                    }

                    step = [];
                    order = [];
                    bytes = 0;
                }
            }
        }

        foreach (InodeId next in order)
        {
            yield return (next, step[next.Value]);
        }
    }

    private async ValueTask WarmAsync(
        InodeId inode, List<uint> blocks, bool isDryRun, Tally tally,
        CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            tally.Change(r => r with { VanishedBlocks = r.VanishedBlocks + blocks.Count });
            return;
        }

        try
        {
            long size = content.SizeBytes;
            uint count = BlockLayout.BlockCount(size);
            int before = blocks.Count;
            blocks.RemoveAll(block => block >= count);
            (long hot, long missing) = Look(content, blocks, size);
            string? error = null;
            if (!isDryRun && missing > 0)
            {
                error = await RecallAsync(content, blocks, cancellationToken).ConfigureAwait(false);
            }

            (long after, long left) = Look(content, blocks, size);
            tally.Change(r => r with
            {
                VanishedBlocks = r.VanishedBlocks + before - blocks.Count,
                BlockCount = r.BlockCount + blocks.Count,
                SizeBytes = r.SizeBytes + Bytes(blocks, size),
                AlreadyHotBlocks = r.AlreadyHotBlocks + hot,
                HotBlocks = r.HotBlocks + after,
                FetchedBytes = r.FetchedBytes + (isDryRun ? missing : missing - left),
                FailedBlocks = r.FailedBlocks + (isDryRun ? 0 : blocks.Count - after),
                FirstError = r.FirstError
                    ?? (isDryRun || after == blocks.Count ? null : error ?? $"inode {inode}: not all blocks are hot"),
            });
        }
        finally
        {
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    private async ValueTask<string?> RecallAsync(
        ContentState content, List<uint> blocks, CancellationToken cancellationToken)
    {
        try
        {
            OriginUse.Current = OriginUse.Within(OriginUse.Current, OriginPurpose.Warm, null);
            await context.WaitForBudgetAsync(content, (long)blocks.Count * BlockLayout.BlockBytes, cancellationToken)
                .ConfigureAwait(false);
            await recaller.RecallBlocksAsync(content, blocks, cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (DataLayerException error)
        {
            return $"inode {content.Id.Inode}: {error.Message}";
        }
    }

    private static (long HotBlocks, long MissingBytes) Look(ContentState content, List<uint> blocks, long size)
    {
        long hot = 0;
        long missing = 0;
        bool isStaged = content.Staged is not null;
        foreach (uint block in blocks)
        {
            if (isStaged || content.IsResident(block))
            {
                hot++;
            }
            else
            {
                missing += BlockLayout.BlockLength(block, size);
            }
        }

        return (hot, missing);
    }

    private static long Bytes(List<uint> blocks, long size)
    {
        long bytes = 0;
        foreach (uint block in blocks)
        {
            bytes += BlockLayout.BlockLength(block, size);
        }

        return bytes;
    }

    private sealed class Tally
    {
        private readonly Lock _lock = new();
        private ProfileReplayResult _result = new();

        public ProfileReplayResult Result
        {
            get => Volatile.Read(ref _result);
            init => _result = value;
        }

        public void Change(Func<ProfileReplayResult, ProfileReplayResult> change)
        {
            lock (_lock)
            {
                Volatile.Write(ref _result, change(_result));
            }
        }
    }
}
