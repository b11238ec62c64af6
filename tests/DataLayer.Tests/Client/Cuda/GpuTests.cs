using DataLayer.Client.Feeds.Cuda;
using DataLayer.Client.Feeds.Devices;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Client.Cuda;

/// <summary>The same calls against a real driver: <c>eng/test --gpu</c>, on a machine that has one.</summary>
[Trait("Category", "Gpu")]
public sealed class GpuTests
{
    private const int Bytes = 32 << 20;
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Bytes_reach_every_device_and_come_back()
    {
        IReadOnlyList<CudaDeviceDescription> devices = CudaDriver.ListDevices();
        Assert.NotEmpty(devices);
        foreach (CudaDeviceDescription description in devices)
        {
            byte[] content = new byte[Bytes];
            new Random(description.Ordinal).NextBytes(content);
            await using CudaDevice device = CudaDriver.Open(new CudaDeviceOptions { Device = description.Uuid });
            using IDeviceMemory host = HostDevice.Instance.Allocate(Bytes);
            using IDisposable? locked = device.PageLock(host.Address, Bytes);
            System.Runtime.InteropServices.Marshal.Copy(content, 0, host.Address, Bytes);
            using IDeviceMemory memory = device.Allocate(Bytes);
            await Task.WhenAll(
                device.CopyAsync(host.Address, memory, 0, Bytes / 2),
                device.CopyAsync(host.Address + (Bytes / 2), memory, Bytes / 2, Bytes / 2)).WaitAsync(_longest);
            byte[] back = new byte[Bytes];
            memory.CopyTo(back);
            Assert.True(content.AsSpan().SequenceEqual(back));
        }
    }

    [Fact]
    public async Task A_file_reaches_the_device()
    {
        using TempFolder folder = new("gpu");
        string path = folder.Combine("file");
        byte[] content = new byte[Bytes + 77];
        new Random(3).NextBytes(content);
        await File.WriteAllBytesAsync(path, content);
        await using CudaDevice device = CudaDriver.Open();
        using IDeviceMemory memory = device.Allocate(content.Length);
        Assert.Equal(content.Length, await device.ReadFileAsync(path, 0, memory, 0, content.Length).WaitAsync(_longest));
        byte[] back = new byte[content.Length];
        memory.CopyTo(back);
        Assert.True(content.AsSpan().SequenceEqual(back));
    }
}
