using DataLayer.Core.Memory;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Objects.Folders;
using DataLayer.TestSupport;

namespace DataLayer.ConformanceTests.Objects;

public sealed class DirectoryObjectStoreConformance : ObjectStoreConformance, IDisposable
{
    private readonly TempFolder _folder = new("objects");
    private readonly NativeBufferPool _buffers = new(16 << 20);

    public void Dispose()
    {
        _buffers.Dispose();
        _folder.Dispose();
    }

    protected override Task<IObjectStore> OpenAsync() => Task.FromResult<IObjectStore>(
        new DirectoryObjectStore(_folder.Path, new RequestMeter("test"), _buffers, TimeProvider.System));
}
