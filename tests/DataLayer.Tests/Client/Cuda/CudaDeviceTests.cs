using System.Runtime.InteropServices;
using DataLayer.Client.Feeds.Cuda;
using DataLayer.Client.Feeds.Cuda.Interop;
using DataLayer.Client.Feeds.Devices;
using DataLayer.Core.Errors;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Client.Cuda;

/// <summary>The calls of the CUDA driver: their order, their arguments, how long things live, and what becomes of failures.</summary>
public sealed class CudaDeviceTests : IDisposable
{
    private const int Bytes = 1 << 16;
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(60);
    private readonly DriverStandIn _driver = new();
    private readonly IDeviceMemory _host = HostDevice.Instance.Allocate(Bytes);

    public CudaDeviceTests() => Marshal.Copy(Pattern(1), 0, _host.Address, Bytes);

    public void Dispose()
    {
        _host.Dispose();
        _driver.Dispose();
    }

    [Fact]
    public async Task A_copy_calls_the_driver_in_this_order_and_with_these_arguments()
    {
        await using (CudaDevice device = CudaDriver.Open(_driver.Options))
        {
            using IDisposable? locked = device.PageLock(_host.Address, Bytes);
            using IDeviceMemory memory = device.Allocate(Bytes);
            await device.CopyAsync(_host.Address, memory, 4096, 1000).WaitAsync(_longest);
            byte[] back = new byte[5096];
            memory.CopyTo(back);
            Assert.Equal(Pattern(1)[..1000], back[4096..]);
        }

        Assert.Equal(
            [
                "cuInit 0", "cuDevicePrimaryCtxRetain 0 c1", "cuStreamCreate s1 1", "cuMemHostRegister h1 65536 1", "cuMemAlloc d1 65536",
                "cuEventCreate e1 3", "cuMemcpyHtoDAsync d1+4096 h1 1000 s1", "copied 1000", "cuEventRecord e1 s1", "done e1",
                "cuEventSynchronize e1", "cuStreamSynchronize s1", "cuMemcpyDtoH d1 5096", "cuMemFree d1", "cuMemHostUnregister h1",
                "cuEventDestroy e1", "cuStreamDestroy s1", "cuDevicePrimaryCtxRelease 0 c1",
            ],
            _driver.Log);
        _driver.AssertCleanEnd();
    }

    [Fact]
    public async Task A_copy_ends_with_its_event_and_not_before()
    {
        await using (CudaDevice device = CudaDriver.Open(_driver.Options))
        {
            using IDeviceMemory memory = device.Allocate(Bytes);
            _driver.Hold();
            Task first = device.CopyAsync(_host.Address, memory, 0, 10);
            Task second = device.CopyAsync(_host.Address, memory, 10, 10);
            Assert.Equal(1, _driver.Complete(1));
            Assert.False(first.IsCompleted);
            Assert.Equal(1, _driver.Complete(1));
            await first.WaitAsync(_longest);
            Assert.False(second.IsCompleted);
            Assert.Equal(2, _driver.Complete(9));
            await second.WaitAsync(_longest);
        }

        _driver.AssertCleanEnd();
    }

    [Fact]
    public async Task Memory_disposed_under_a_copy_is_freed_after_it_and_so_is_the_device()
    {
        CudaDevice device = CudaDriver.Open(_driver.Options);
        IDeviceMemory memory = device.Allocate(Bytes);
        _driver.Hold();
        Task copy = device.CopyAsync(_host.Address, memory, 0, Bytes);
        memory.Dispose();
        ValueTask end = device.DisposeAsync();
        Assert.DoesNotContain("cuMemFree d1", _driver.Log);
        Assert.Throws<ObjectDisposedException>(() => memory.Address);
        _driver.Hold(held: false);
        await copy.WaitAsync(_longest);
        await end.AsTask().WaitAsync(_longest);
        Assert.Contains("cuMemFree d1", _driver.Log);
        _driver.AssertCleanEnd();
    }

    [Fact]
    public async Task Memory_that_outlives_its_device_keeps_the_context()
    {
        CudaDevice device = CudaDriver.Open(_driver.Options);
        IDeviceMemory memory = device.Allocate(Bytes);
        IDisposable locked = device.PageLock(_host.Address, Bytes)!;
        await device.DisposeAsync();
        Assert.DoesNotContain("cuDevicePrimaryCtxRelease 0 c1", _driver.Log);
        locked.Dispose();
        memory.Dispose();
        memory.Dispose();
        Assert.Equal("cuDevicePrimaryCtxRelease 0 c1", _driver.Log[^1]);
        _driver.AssertCleanEnd();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => device.CopyAsync(_host.Address, memory, 0, 1));
        Assert.Throws<ObjectDisposedException>(() => device.Allocate(1));
    }

    [Theory]
    [InlineData("cuInit")]
    [InlineData("cuDeviceGetCount")]
    [InlineData("cuDeviceGet")]
    [InlineData("cuDeviceGetName")]
    [InlineData("cuDeviceGetUuid_v2")]
    [InlineData("cuDevicePrimaryCtxRetain")]
    [InlineData("cuCtxPushCurrent_v2")]
    [InlineData("cuCtxSetCurrent")]
    [InlineData("cuStreamCreate")]
    [InlineData("cuMemHostRegister_v2")]
    [InlineData("cuMemAlloc_v2")]
    [InlineData("cuEventCreate")]
    [InlineData("cuMemcpyHtoDAsync_v2")]
    [InlineData("cuEventRecord")]
    [InlineData("cuEventSynchronize")]
    [InlineData("cuStreamSynchronize")]
    [InlineData("cuMemcpyDtoH_v2")]
    public async Task Whatever_call_fails_the_fault_says_so_and_nothing_is_left(string call)
    {
        _driver.Fail(call, 999);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
        {
            await using CudaDevice device = CudaDriver.Open(_driver.Options);
            using IDisposable? locked = device.PageLock(_host.Address, Bytes);
            using IDeviceMemory memory = device.Allocate(Bytes);
            await device.CopyAsync(_host.Address, memory, 0, Bytes).WaitAsync(_longest);
            memory.CopyTo(new byte[10]);
        });
        Assert.Equal(ErrorCode.TargetFailed, fault.Code);
        Assert.Contains("CUDA_ERROR_STANDIN_999 (999): the stand-in was told to fail. ", fault.Message, StringComparison.Ordinal);
        string said = call == "cuCtxSetCurrent" ? "cuEventSynchronize" : call.Split('_')[0];
        Assert.StartsWith(said, fault.Message, StringComparison.Ordinal);
        _driver.AssertCleanEnd();
    }

    [Theory]
    [InlineData(1, ErrorCode.Internal, "report it")]
    [InlineData(2, ErrorCode.Overloaded, "ulimit -l")]
    [InlineData(4, ErrorCode.ShuttingDown, "dispose devices")]
    [InlineData(34, ErrorCode.NotSupported, "libcuda.so.1")]
    [InlineData(36, ErrorCode.NotSupported, "newer driver")]
    [InlineData(46, ErrorCode.Overloaded, "another device")]
    [InlineData(101, ErrorCode.NotFound, "CUDA_VISIBLE_DEVICES")]
    [InlineData(102, ErrorCode.PermissionDenied, "licence")]
    [InlineData(214, ErrorCode.TargetFailed, "out of service")]
    [InlineData(304, ErrorCode.TargetFailed, "dmesg")]
    [InlineData(700, ErrorCode.TargetFailed, "start it again")]
    [InlineData(712, ErrorCode.WrongState, "PageLock = false")]
    [InlineData(719, ErrorCode.TargetFailed, "start it again")]
    [InlineData(800, ErrorCode.PermissionDenied, "/dev/nvidia")]
    [InlineData(801, ErrorCode.NotSupported, "PageLock = false")]
    [InlineData(802, ErrorCode.NotSupported, "nvidia-fabricmanager")]
    [InlineData(803, ErrorCode.NotSupported, "restart")]
    [InlineData(806, ErrorCode.OriginUnavailable, "multi-process service")]
    [InlineData(999, ErrorCode.TargetFailed, "dmesg")]
    [InlineData(4242, ErrorCode.TargetFailed, "the driver has no text for it")]
    public async Task Each_answer_of_the_driver_has_a_code_and_a_remedy(int answer, ErrorCode code, string remedy)
    {
        await using CudaDevice device = CudaDriver.Open(_driver.Options);
        _driver.Fail("cuMemHostRegister_v2", answer);
        DataLayerException fault = Assert.Throws<DataLayerException>(() => device.PageLock(_host.Address, Bytes));
        Assert.Equal(code, fault.Code);
        Assert.StartsWith($"cuMemHostRegister failed: CUDA_ERROR_STANDIN_{answer} ({answer}): ", fault.Message, StringComparison.Ordinal);
        Assert.Contains(remedy, fault.Message, StringComparison.Ordinal);
        Assert.Null(Record.Exception(() => device.PageLock(_host.Address, Bytes)!.Dispose()));
    }

    [Fact]
    public void Every_answer_that_is_named_here_has_a_remedy_of_its_own_sentence()
    {
        foreach (CudaResult result in Enum.GetValues<CudaResult>().Where(r => r != CudaResult.Success))
        {
            Assert.EndsWith(".", CudaFault.Describe(result).Remedy, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Several_devices_work_each_in_its_own_context()
    {
        using DriverStandIn driver = new(devices: 3);
        CudaDevice[] devices = [.. Enumerable.Range(0, 3).Select(i => CudaDriver.Open(driver.Options with { Device = $"{i}" }))];
        await Parallel.ForEachAsync(Enumerable.Range(0, 60), async (i, _) =>
        {
            CudaDevice device = devices[i % 3];
            using IDeviceMemory memory = device.Allocate(Bytes);
            await device.CopyAsync(_host.Address + i, memory, 0, 1000).WaitAsync(_longest, CancellationToken.None);
            byte[] back = new byte[1000];
            memory.CopyTo(back);
            Assert.Equal(Pattern(1)[i..(i + 1000)], back);
            using IDeviceMemory foreign = devices[(i + 1) % 3].Allocate(10);
            await Assert.ThrowsAsync<ArgumentException>(() => device.CopyAsync(_host.Address, foreign, 0, 10));
        });
        foreach (CudaDevice device in devices)
        {
            await device.DisposeAsync();
        }

        driver.AssertCleanEnd();
    }

    [Fact]
    public async Task A_device_is_found_by_number_and_by_its_uuid_also_a_part_of_one()
    {
        using DriverStandIn driver = new(devices: 3, mig: 2);
        IReadOnlyList<CudaDeviceDescription> devices = CudaDriver.ListDevices(driver.Options);
        Assert.Equal("GPU-10111213-1415-1617-1819-1a1b1c1d1e1f", devices[0].Uuid);
        Assert.Equal("MIG-30313233-3435-3637-3839-3a3b3c3d3e3f", devices[2].Uuid);
        foreach ((string wanted, int expected) in new (string, int)[]
            {("1", 1), (devices[2].Uuid, 2), ("GPU-10", 0), ("mig-3031", 2), ("20212223-2425", 1) })
        {
            CudaDevice device = CudaDriver.Open(driver.Options with { Device = wanted });
            Assert.Equal(devices[expected], device.Description);
            await device.DisposeAsync();
        }

        DataLayerException fault = Assert.Throws<DataLayerException>(() => CudaDriver.Open(driver.Options with { Device = "MIG-99" }));
        Assert.Equal(ErrorCode.NotFound, fault.Code);
        Assert.Contains("0: Stand-in 0 (GPU-10111213-1415-1617-1819-1a1b1c1d1e1f), 1: ", fault.Message, StringComparison.Ordinal);
        Assert.Contains("CUDA_VISIBLE_DEVICES", fault.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<DataLayerException>(() => Task.FromResult(CudaDriver.OpenOrHost(driver.Options with { Device = "7" })));
        driver.AssertCleanEnd();
    }

    [Fact]
    public async Task Without_a_driver_or_a_device_the_host_serves()
    {
        CudaDeviceOptions missing = new() { DriverLibrary = "/nowhere/libcuda.so.1" };
        Assert.Empty(CudaDriver.ListDevices(missing));
        Assert.Contains("HostDevice", Assert.Throws<DataLayerException>(() => CudaDriver.Open(missing)).Message, StringComparison.Ordinal);
        using DriverStandIn none = new(devices: 0);
        Assert.Same(HostDevice.Instance, CudaDriver.OpenOrHost(none.Options));
        IFeedDevice device = CudaDriver.OpenOrHost(missing);
        Assert.True(device.IsHost);
        using IDeviceMemory memory = device.Allocate(Bytes);
        Assert.Null(device.PageLock(_host.Address, Bytes));
        await device.CopyAsync(_host.Address, memory, 1, Bytes - 1);
        byte[] back = new byte[Bytes];
        memory.CopyTo(back);
        Assert.Equal(Pattern(1)[..^1], back[1..]);
    }

    [Fact]
    public void A_library_that_is_no_driver_is_named_as_such()
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(() => CudaDriver.Open(new CudaDeviceOptions { DriverLibrary = "libc.so.6" }));
        Assert.Equal(ErrorCode.NotSupported, fault.Code);
        Assert.Contains("libc.so.6", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, true)] // cuFile does it.
    [InlineData("cuFileDriverOpen", false)] // cuFile says that it cannot here.
    [InlineData("cuFileHandleRegister", false)]
    [InlineData("cuFileRead", false)]
    [InlineData("none", false)]
    public async Task A_file_reaches_the_device_by_cuFile_or_through_the_host(string? refuses, bool direct)
    {
        using TempFolder folder = new("cufile");
        string path = folder.Combine("file");
        byte[] content = Pattern(7, (9 << 20) + 123);
        await File.WriteAllBytesAsync(path, content);
        if (refuses is not (null or "none"))
        {
            _driver.Fail(refuses, 5008);
        }

        CudaDeviceOptions options = _driver.Options with { FileLibrary = refuses == "none" ? "/nowhere/libcufile.so.0" : _driver.Path };
        await using (CudaDevice device = CudaDriver.Open(options))
        {
            using IDeviceMemory memory = device.Allocate(content.Length + 4096);
            long read = await device.ReadFileAsync(path, 4096, memory, 4096, content.Length).WaitAsync(_longest);
            byte[] back = new byte[content.Length];
            memory.CopyTo(back);
            Assert.Equal(content.Length - 4096, read);
            Assert.Equal(content[4096..], back[4096..]);
            await Assert.ThrowsAsync<DataLayerException>(() => device.ReadFileAsync(folder.Combine("none"), 0, memory, 0, 1).WaitAsync(_longest));
        }

        Assert.Equal(direct, _driver.Log.Any(line => line.StartsWith("cuFileRead", StringComparison.Ordinal) && !line.Contains("fails", StringComparison.Ordinal)));
        _driver.AssertCleanEnd();
    }

    [Theory]
    [InlineData("cuFileHandleRegister", 5025, ErrorCode.PermissionDenied, "CU_FILE_PERMISSION_DENIED (5025)")]
    [InlineData("cuFileHandleRegister", 2, ErrorCode.Overloaded, "CUDA_ERROR_STANDIN_2 (2)")]
    [InlineData("cuFileRead", 5030, ErrorCode.TargetFailed, "CU_FILE_INTERNAL_ERROR (5030)")]
    [InlineData("cuFileRead", 5, ErrorCode.TargetFailed, "(errno 5)")]
    public async Task What_cuFile_answers_is_a_fault_with_its_name(string call, int answer, ErrorCode code, string text)
    {
        using TempFolder folder = new("cufile");
        string path = folder.Combine("file");
        await File.WriteAllBytesAsync(path, Pattern(1));
        _driver.Fail(call, answer);
        await using (CudaDevice device = CudaDriver.Open(_driver.Options with { FileLibrary = _driver.Path }))
        {
            using IDeviceMemory memory = device.Allocate(Bytes);
            DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
                () => device.ReadFileAsync(path, 0, memory, 0, Bytes).WaitAsync(_longest));
            Assert.Equal(code, fault.Code);
            Assert.Contains(text, fault.Message, StringComparison.Ordinal);
        }

        _driver.AssertCleanEnd();
    }

    private static byte[] Pattern(int seed, int bytes = Bytes)
    {
        byte[] pattern = new byte[bytes];
        new Random(seed).NextBytes(pattern);
        return pattern;
    }
}
