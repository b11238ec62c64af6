using DataLayer.Core.Memory;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Objects.Decorators;
using DataLayer.Storage.Objects.Folders;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Objects;

namespace DataLayer.ConformanceTests.Objects;

/// <summary>The suite through every decorator, over a directory; reads are split at 64 KiB.</summary>
public class DecoratedDirectoryConformance : ObjectStoreConformance, IDisposable
{
    private readonly TempFolder _folder = new("objects");

    internal NativeBufferPool Buffers { get; } = new(64 << 20);

    internal static ObjectStoreOptions Options { get; } = new()
    {
        Name = "test",
        Kind = "directory",
        AttemptLimit = 12,
        RetryDelay = TimeSpan.FromMilliseconds(1),
        MaximumRetryDelay = TimeSpan.FromMilliseconds(2),
        RetryBudget = 1_000_000,
    };

    public void Dispose()
    {
        Buffers.Dispose();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    internal virtual IObjectStore Break(IObjectStore inner) => inner;

    internal IObjectStore Decorate(IObjectStore inner) =>
        new SplittingObjectStore(
            new RetryingObjectStore(
                new HedgedObjectStore(
                    new LimitedObjectStore(Break(inner), 16, 1000), Buffers, TimeProvider.System, TimeSpan.FromMilliseconds(1)),
                new RetryPolicy(Options, TimeProvider.System),
                Buffers),
            64 << 10, 4);

    protected override Task<IObjectStore> OpenAsync() => Task.FromResult(
        Decorate(new DirectoryObjectStore(_folder.Path, new RequestMeter("test"), Buffers, TimeProvider.System)));
}

/// <summary>The suite through every decorator, over a directory where a fifth of all calls fails.</summary>
public sealed class FaultyDirectoryConformance : DecoratedDirectoryConformance
{
    internal override IObjectStore Break(IObjectStore inner) => new FaultyObjectStore(inner, 42, 0.2,
        ObjectFault.Unavailable, ObjectFault.LostAcknowledgement, ObjectFault.TimedOut, ObjectFault.TimedOutAfter,
        ObjectFault.Truncated, ObjectFault.Flipped, ObjectFault.Slow);
}
