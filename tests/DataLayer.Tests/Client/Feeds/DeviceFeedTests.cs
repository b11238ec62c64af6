using DataLayer.Client.Feeds;
using DataLayer.Client.Feeds.Cuda;
using DataLayer.Client.Feeds.Devices;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Tests.Client.Cuda;

namespace DataLayer.Tests.Client.Feeds;

/// <summary>Batches on their way to a GPU: what is copied when, and when a slab goes back to the service.</summary>
public sealed class DeviceFeedTests
{
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(2, 4)]
    [InlineData(2, 2)]
    [InlineData(5, 3)]
    public async Task Every_batch_reaches_the_device_and_nothing_is_left_there(int depth, int slabs)
    {
        using DriverStandIn driver = new();
        await using ScriptedFeedService service = new() { ReplacesSlabs = slabs == 3 };
        await using (CudaDevice device = CudaDriver.Open(driver.Options))
        {
            await using TrainingFeed feed = await OpenAsync(service, slabs);
            long cursor = 0;
            await foreach (DeviceBatch batch in feed.ToDeviceAsync(device, depth))
            {
                int[] values = new int[80];
                batch.CopyDataTo(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
                Assert.Equal(cursor, batch.Cursor);
                Assert.Equal(Enumerable.Range(0, 80).Select(i => (int)cursor + (i / 8)), values);
                Assert.Equal((cursor, (int)(cursor + 9) % 10), (batch.Numbers[0], batch.Labels[9]));
                Assert.Equal(batch.TableBaseAddress + (nint)batch.Header.DataOffset, batch.DataAddress);
                Assert.Equal(batch.TableBaseAddress + (nint)batch.Header.ClassesOffset, batch.LabelsAddress);
                cursor += 10;
                Assert.Equal(cursor, feed.State.Cursor);
                Assert.Equal(cursor, batch.State.Cursor);
            }

            Assert.Equal(100, cursor);
            Assert.True(driver.Log.Count(l => l.StartsWith("cuMemAlloc", StringComparison.Ordinal)) <= depth);
            int locks = driver.Log.Count(l => l.StartsWith("cuMemHostRegister", StringComparison.Ordinal));
            Assert.Equal(slabs == 3 ? 10 : slabs, locks);
            Assert.All(driver.Log.Where(l => l.StartsWith("cuMemcpyHtoDAsync", StringComparison.Ordinal)), l => Assert.Contains(" h", l, StringComparison.Ordinal));
        }

        driver.AssertCleanEnd();
    }

    [Fact]
    public async Task A_slab_goes_back_only_when_its_copy_has_ended()
    {
        using DriverStandIn driver = new();
        await using ScriptedFeedService service = new();
        await using (CudaDevice device = CudaDriver.Open(driver.Options))
        {
            await using TrainingFeed feed = await OpenAsync(service, slabs: 4);
            driver.Hold();
            await using IAsyncEnumerator<DeviceBatch> batches = feed.ToDeviceAsync(device, depth: 2).GetAsyncEnumerator();
            Task<bool> first = batches.MoveNextAsync().AsTask();
            using CancellationTokenSource limit = new(_longest);
            while (driver.Log.Count(l => l.StartsWith("cuEventRecord", StringComparison.Ordinal)) < 2)
            {
                limit.Token.ThrowIfCancellationRequested();
                await Task.Yield();
            }

            // Two copies are in the stream, none has ended: the service has got nothing back, and the loop waits.
            Assert.False(service.Released.Reader.TryPeek(out _));
            Assert.False(first.IsCompleted);
            Assert.Equal(2, driver.Complete(2));
            Assert.True(await first.WaitAsync(_longest));
            Assert.Equal(0UL, await service.Released.Reader.ReadAsync().AsTask().WaitAsync(_longest));
            Assert.False(service.Released.Reader.TryPeek(out _));
            Assert.Equal(0, batches.Current.Cursor);
            driver.Hold(held: false);
            Assert.Equal(1UL, await service.Released.Reader.ReadAsync().AsTask().WaitAsync(_longest));
        }

        driver.AssertCleanEnd();
    }

    [Fact]
    public async Task A_loop_that_was_left_goes_on_behind_what_was_handed_out()
    {
        using DriverStandIn driver = new();
        await using ScriptedFeedService service = new();
        await using (CudaDevice device = CudaDriver.Open(driver.Options))
        {
            await using TrainingFeed feed = await OpenAsync(service, slabs: 4);
            List<long> cursors = [];
            while (cursors.Count < 10)
            {
                await foreach (DeviceBatch batch in feed.ToDeviceAsync(device, depth: 3))
                {
                    cursors.Add(batch.Cursor);
                    if (cursors.Count % 4 == 0)
                    {
                        break;
                    }
                }
            }

            Assert.Equal([.. Enumerable.Range(0, 10).Select(i => i * 10L)], cursors);
        }

        driver.AssertCleanEnd();
    }

    [Fact]
    public async Task Batches_that_are_kept_keep_their_memory_past_loop_feed_and_device()
    {
        using DriverStandIn driver = new();
        await using ScriptedFeedService service = new();
        List<DeviceBatch> kept = [];
        await using (CudaDevice device = CudaDriver.Open(driver.Options))
        {
            await using TrainingFeed feed = await OpenAsync(service, slabs: 4);
            await foreach (DeviceBatch batch in feed.ToDeviceAsync(device))
            {
                batch.Keep();
                kept.Add(batch);
                if (kept.Count == 2)
                {
                    break;
                }
            }
        }

        Assert.NotEqual(kept[0].DataAddress, kept[1].DataAddress);
        kept[0].Dispose();
        kept[1].Dispose();
        Assert.Throws<ObjectDisposedException>(() => kept[0].DataAddress);
        Assert.Throws<ObjectDisposedException>(() => kept[1].Labels.Length);
        driver.AssertCleanEnd();
    }

    [Theory]
    [InlineData("cuMemHostRegister_v2", 2, 0, ErrorCode.Overloaded)]
    [InlineData("cuMemHostRegister_v2", 800, 1, ErrorCode.PermissionDenied)]
    [InlineData("cuMemAlloc_v2", 2, 1, ErrorCode.Overloaded)]
    [InlineData("cuMemcpyHtoDAsync_v2", 719, 3, ErrorCode.TargetFailed)]
    [InlineData("cuEventRecord", 700, 2, ErrorCode.TargetFailed)]
    [InlineData("cuEventSynchronize", 719, 4, ErrorCode.TargetFailed)]
    public async Task A_device_that_fails_ends_the_loop_with_its_fault_and_leaves_nothing(string call, int answer, int after, ErrorCode code)
    {
        using DriverStandIn driver = new();
        await using ScriptedFeedService service = new();
        await using (CudaDevice device = CudaDriver.Open(driver.Options))
        {
            driver.Fail(call, answer, after);
            await using TrainingFeed feed = await OpenAsync(service, slabs: 4);
            long next = 0;
            DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
            {
                await foreach (DeviceBatch batch in feed.ToDeviceAsync(device))
                {
                    next = batch.NextCursor;
                }
            });
            Assert.Equal(code, fault.Code);
            Assert.Equal(next, feed.State.Cursor);

            // The same feed goes on where it stood, on a device that works.
            List<long> cursors = [];
            await foreach (DeviceBatch batch in feed.ToDeviceAsync(device))
            {
                cursors.Add(batch.Cursor);
            }

            Assert.Equal([.. Enumerable.Range(0, 10).Select(i => i * 10L).Where(c => c >= next)], cursors);
        }

        driver.AssertCleanEnd();
    }

    [Fact]
    public async Task The_service_may_go_away_under_the_copies()
    {
        using DriverStandIn driver = new();
        await using ScriptedFeedService service = new();
        foreach (int end in (int[])[1, 0, 3, 2])
        {
            service.Ends.Enqueue(end);
        }

        await using (CudaDevice device = CudaDriver.Open(driver.Options))
        {
            await using TrainingFeed feed = await OpenAsync(service, slabs: 2);
            List<int> samples = [];
            await foreach (DeviceBatch batch in feed.ToDeviceAsync(device))
            {
                int[] values = new int[80];
                batch.CopyDataTo(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
                samples.AddRange(values.Where((_, i) => i % 8 == 0));
            }

            Assert.Equal(Enumerable.Range(0, 100), samples);
        }

        driver.AssertCleanEnd();
    }

    [Fact]
    public async Task Without_a_gpu_the_same_loop_reads_the_slabs_themselves()
    {
        await using ScriptedFeedService service = new();
        await using TrainingFeed feed = await OpenAsync(service, slabs: 2);
        IFeedDevice device = CudaDriver.OpenOrHost(new CudaDeviceOptions { DriverLibrary = "/nowhere/libcuda.so.1" });
        List<int> samples = [];
        DeviceBatch? last = null;
        await foreach (DeviceBatch batch in feed.ToDeviceAsync(device))
        {
            samples.Add(First(batch));
            last = batch;
        }

        Assert.Equal(Enumerable.Range(0, 10).Select(i => i * 10), samples);
        Assert.Throws<ObjectDisposedException>(() => last!.DataAddress);

        static unsafe int First(DeviceBatch batch) => *(int*)batch.DataAddress;
    }

    private static Task<TrainingFeed> OpenAsync(ScriptedFeedService service, int slabs) => TrainingFeed
        .OpenAsync(new TrainingFeedOptions
        {
            Server = service.Server,
            Dataset = "numbers",
            Batch = 10,
            Slabs = slabs,
            Order = new OrderSpec { Mode = OrderMode.Sequential },
        })
        .AsTask()
        .WaitAsync(_longest);
}
