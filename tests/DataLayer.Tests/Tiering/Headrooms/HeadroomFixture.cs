using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Headrooms;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;
using DataLayer.Tests.Engine;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Trees;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Tiering.Headrooms;

/// <summary>
/// An engine whose two targets are small file systems, with jobs and headrooms over it, by a clock that stands still.
/// </summary>
internal sealed class HeadroomFixture : IAsyncDisposable
{
    private const int TargetMebibytes = 32;
    private readonly TempFolder _targets = new("targets");
    private readonly TempFolder _lists = new("lists");
    private readonly SmallFilesystem[] _disks;

    private HeadroomFixture(bool hasFastPool)
    {
        _disks = [.. Enumerable.Range(0, hasFastPool ? 4 : 2).Select(static _ => SmallFilesystem.Tmpfs(TargetMebibytes))];
        for (int i = 0; i < _disks.Length; i++)
        {
            string disk = Path.Combine(_disks[i].Path, "target");
            Directory.CreateDirectory(disk);
            Directory.CreateSymbolicLink(_targets.Combine($"t{i}"), disk);
        }

        Engine = new EngineFixture
        {
            TargetRoot = _targets.Path,
            Time = Clock,
            CacheBytes = 16L << 20,
            SegmentLimitBytes = 0,
            HasFastPool = hasFastPool,
        };
    }

    public ManualClock Clock { get; } = new();

    public EngineFixture Engine { get; }

    public JobService Jobs { get; private set; } = null!;

    public HeadroomService Headrooms { get; private set; } = null!;

    public static async Task<HeadroomFixture> OpenAsync(bool hasFastPool = false)
    {
        HeadroomFixture fixture = new(hasFastPool);
        try
        {
            await fixture.Engine.StartAsync();
            await fixture.OpenServicesAsync();
            await fixture.Engine.AttachAsync();
            return fixture;
        }
        catch
        {
            await fixture.DisposeAsync();
            throw;
        }
    }

    /// <summary>Closes all of it and opens it again: memory is empty, rows stay. Headrooms look once.</summary>
    public async Task ReopenAsync()
    {
        await CloseServicesAsync();
        await Engine.ReopenAsync();
        await OpenServicesAsync();
    }

    /// <summary>Writes files of 1 MiB; they are premigrated when this returns.</summary>
    public async Task WriteAsync(string folder, int count)
    {
        for (int i = 0; i < count; i++)
        {
            await WriteOneAsync($"{folder}/f{i:000}");
            Clock.Advance(TimeSpan.FromSeconds(1)); // The first is the oldest.
        }

        await Engine.Engine.FlushUploadsAsync(folder, CancellationToken.None);
    }

    public async Task WriteOneAsync(string path)
    {
        byte[] bytes = new byte[1 << 20];
        new Random(path.Length).NextBytes(bytes);
        await Engine.WriteFileAsync(path, bytes, new() { MakeParents = true, ExpectedSizeBytes = bytes.Length });
    }

    /// <summary>Drops all copies below a folder, and waits until the space is free.</summary>
    public async Task EvictAsync(string folder)
    {
        await Engine.Engine.EvictAsync(folder, hotToo: true, CancellationToken.None);
        await Engine.JournalDoneAsync();
    }

    /// <summary>How many files below a folder are whole in the hot tier, and how many there are.</summary>
    public async Task<(int Hot, int All)> CountAsync(string folder)
    {
        int hot = 0;
        int all = 0;
        await foreach (FileFactsOf file in FactsAsync(folder))
        {
            all++;
            hot += file.IsHot ? 1 : 0;
        }

        return (hot, all);
    }

    /// <summary>How many files below a folder are whole in a pool.</summary>
    public async Task<int> CountInAsync(string folder, string pool)
    {
        int count = 0;
        await foreach (FileFacts file in Engine.Engine.Facts.ReadAsync(folder, CancellationToken.None))
        {
            count += file.Pool == pool && file.HotBytes == file.SizeBytes ? 1 : 0;
        }

        return count;
    }

    /// <summary>Looks, and waits for the jobs that were made, until there is nothing to do at this time.</summary>
    public async Task<HeadroomStatus> LookAsync(long id)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        while (true)
        {
            await Headrooms.LookAsync(limit.Token);
            HeadroomStatus status = (await Headrooms.GetAsync(id, limit.Token))!;
            if (status.State is not { Phase: HeadroomPhase.MakingRoom or HeadroomPhase.Refilling } state)
            {
                return status;
            }

            long job = state.Phase == HeadroomPhase.MakingRoom ? state.RoomJob : state.RefillJob;
            JobRecord record = (await Jobs.GetAsync(job, limit.Token))!;
            while (!record.HasEnded)
            {
                record = (await Jobs.WaitAsync(job, record.Sequence, limit.Token))!;
            }

            await Engine.JournalDoneAsync(limit.Token); // The targets look at their free space now and then.
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (Headrooms is not null)
            {
                await CloseServicesAsync();
                await Engine.DisposeAsync();
            }
        }
        finally
        {
            foreach (SmallFilesystem disk in _disks)
            {
                disk.Dispose();
            }

            _targets.Dispose();
            _lists.Dispose();
        }
    }

    private async IAsyncEnumerable<FileFactsOf> FactsAsync(string folder)
    {
        await foreach (var file in Engine.Engine.Facts.ReadAsync(folder, CancellationToken.None))
        {
            yield return new FileFactsOf(
                file.State is TierState.Hot or TierState.Premigrated && file.HotBytes == file.SizeBytes);
        }
    }

    private async Task OpenServicesAsync()
    {
        JobInputs inputs = new(_lists.Path, 1 << 20);
        Jobs = await JobService.OpenAsync(
            Engine.Tree, [new WarmRunner(Engine.Engine, inputs)], new JobServiceOptions(), Clock,
            NullLogger<JobService>.Instance, CancellationToken.None);
        Headrooms = new HeadroomService(
            new HeadroomParts(Engine.Engine, Jobs, inputs, new PolicyVersions(Engine.Tree)),
            NullLogger<HeadroomService>.Instance);
    }

    private async Task CloseServicesAsync()
    {
        await Headrooms.DisposeAsync();
        await Jobs.DisposeAsync();
    }

    private readonly record struct FileFactsOf(bool IsHot);
}
