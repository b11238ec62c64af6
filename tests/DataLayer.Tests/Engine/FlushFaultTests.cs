using DataLayer.Core.Errors;
using DataLayer.Engine.Files;
using DataLayer.Tests.Stripes;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Engine;

/// <summary>
/// Promise 8 for each open descriptor: a failed fsync is reported to all that were open, a retry that wrote nothing does not clear it,
/// and the target is fenced. With a faulty target in front of the real ones, and with a device that really fails.
/// </summary>
public sealed class FlushFaultTests
{
    private const int Size = 400_000;

    [Fact]
    public async Task A_failed_flush_is_reported_to_every_open_descriptor_once_the_data_is_written_again_and_not_to_later_ones()
    {
        List<FaultyTarget> targets = [];
        await using EngineFixture fixture = Faulty(targets);
        await fixture.StartAsync();
        await fixture.WriteFileAsync("/f", BytesContent.Random(Size));
        await using OpenFile writer = await OpenAsync(fixture);
        await using OpenFile asks = await OpenAsync(fixture);
        await using OpenFile silent = await OpenAsync(fixture);
        await using OpenFile reader = await fixture.Engine.OpenFileAsync("/f", write: false, CancellationToken.None);
        byte[] wanted = BytesContent.Random(Size, 2);
        await writer.WriteAsync(0, wanted, CancellationToken.None);
        targets.ForEach(target => target.FailsFlushes = true);

        await AssertFailsAsync(writer);
        await AssertFailsAsync(asks);
        await AssertFailsAsync(asks);
        await AssertFailsAsync(reader);
        await writer.WriteAsync(0, wanted, CancellationToken.None);
        targets.ForEach(target => target.FailsFlushes = false);

        // Everything was written again: who reported the fault is done with it, who has not yet still owes it.
        await writer.FlushAsync(CancellationToken.None);
        await asks.FlushAsync(CancellationToken.None);
        await reader.FlushAsync(CancellationToken.None);
        DataLayerException owed = await AssertFailsAsync(silent);
        Assert.Contains("another descriptor", owed.Message, StringComparison.Ordinal);
        await silent.FlushAsync(CancellationToken.None);
        await using OpenFile later = await OpenAsync(fixture);
        await later.FlushAsync(CancellationToken.None);
        Assert.Equal(wanted, await fixture.ReadAllAsync("/f"));
    }

    [Fact]
    public async Task A_second_failed_flush_after_a_write_is_a_second_fault_for_every_descriptor()
    {
        List<FaultyTarget> targets = [];
        await using EngineFixture fixture = Faulty(targets);
        await fixture.StartAsync();
        await fixture.WriteFileAsync("/f", BytesContent.Random(Size));
        await using OpenFile first = await OpenAsync(fixture);
        await using OpenFile second = await OpenAsync(fixture);
        targets.ForEach(target => target.FailsFlushes = true);
        await first.WriteAsync(0, new byte[Size], CancellationToken.None);
        await AssertFailsAsync(first);
        await AssertFailsAsync(second);

        await second.WriteAsync(0, new byte[Size], CancellationToken.None);
        await AssertFailsAsync(second);
        await second.WriteAsync(0, new byte[Size], CancellationToken.None);
        targets.ForEach(target => target.FailsFlushes = false);
        await second.FlushAsync(CancellationToken.None);

        await AssertFailsAsync(first);
        await first.FlushAsync(CancellationToken.None);
    }

    [Fact]
    public async Task A_close_reports_a_failed_flush_and_the_next_opener_finds_it_until_the_data_is_durable()
    {
        List<FaultyTarget> targets = [];
        await using EngineFixture fixture = Faulty(targets);
        await fixture.StartAsync();
        await fixture.WriteFileAsync("/f", BytesContent.Random(Size));
        OpenFile closing = await OpenAsync(fixture);
        byte[] wanted = BytesContent.Random(Size, 3);
        await closing.WriteAsync(0, wanted, CancellationToken.None);
        targets.ForEach(target => target.FailsFlushes = true);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await closing.DisposeAsync());
        Assert.Equal(ErrorCode.TargetFailed, fault.Code);

        await using OpenFile next = await OpenAsync(fixture);
        await AssertFailsAsync(next);
        Assert.Equal(wanted, await fixture.ReadAllAsync("/f"));
        await next.WriteAsync(0, wanted, CancellationToken.None);
        targets.ForEach(target => target.FailsFlushes = false);
        await next.FlushAsync(CancellationToken.None);
        await fixture.Engine.RemoveAsync("/f", recursive: false, null, CancellationToken.None);
        await next.DisposeAsync();

        // The failed close kept the content; once durable nothing holds it any more, and the removed file is forgotten.
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
        Assert.Empty(Directory.EnumerateFiles(fixture.Target(0), "*", SearchOption.AllDirectories).Where(IsContent));
    }

    [Fact]
    public async Task On_a_failing_device_no_retry_clears_a_failed_flush_before_the_data_is_written_again_and_the_target_is_fenced()
    {
        using SmallFilesystem disk = SmallFilesystem.Ext4(64);
        await using EngineFixture fixture = new() { TargetRoot = disk.Path };
        await fixture.StartAsync();
        await fixture.WriteFileAsync("/f", BytesContent.Random(Size));
        await using OpenFile writer = await OpenAsync(fixture);
        await using OpenFile other = await OpenAsync(fixture);
        await using OpenFile silent = await OpenAsync(fixture);
        byte[] wanted = BytesContent.Random(Size, 4);
        await writer.WriteAsync(0, wanted, CancellationToken.None);
        disk.ShutDown();
        await AssertFailsAsync(writer);
        await AssertFailsAsync(other);
        Assert.All(fixture.Hot.GetTargets(), target => Assert.Equal("fenced", target.State));
        Assert.All(fixture.Hot.GetTargets(), target => Assert.Contains("sync", target.Fault, StringComparison.Ordinal));

        // The device is well again, but what the kernel could not write is gone: asking again does not bring it back.
        await fixture.Hot.CheckTargetsAsync(CancellationToken.None);
        disk.Remount();
        await fixture.Hot.CheckTargetsAsync(CancellationToken.None);
        Assert.All(fixture.Hot.GetTargets(), target => Assert.Equal("ok", target.State));
        await using OpenFile late = await OpenAsync(fixture);
        foreach (OpenFile descriptor in (OpenFile[])[writer, other, writer, late])
        {
            await AssertFailsAsync(descriptor);
        }

        await other.WriteAsync(0, wanted, CancellationToken.None);
        await other.FlushAsync(CancellationToken.None);
        await writer.FlushAsync(CancellationToken.None);
        await late.FlushAsync(CancellationToken.None);
        await AssertFailsAsync(silent);
        await silent.FlushAsync(CancellationToken.None);
        await fixture.Engine.EvictAsync("/f", hotToo: false, CancellationToken.None);
        Assert.Equal(wanted, await fixture.ReadAllAsync("/f"));
    }

    private static bool IsContent(string path) => path.Contains("/files/", StringComparison.Ordinal);

    private static EngineFixture Faulty(List<FaultyTarget> targets) => new()
    {
        DecorateTarget = target =>
        {
            FaultyTarget faulty = new(target, seed: 1);
            targets.Add(faulty);
            return faulty;
        },
    };

    private static async Task<OpenFile> OpenAsync(EngineFixture fixture) =>
        await fixture.Engine.OpenFileAsync("/f", write: true, CancellationToken.None);

    private static async Task<DataLayerException> AssertFailsAsync(OpenFile file)
    {
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () => await file.FlushAsync(CancellationToken.None));
        Assert.Equal(ErrorCode.TargetFailed, fault.Code);
        return fault;
    }
}
