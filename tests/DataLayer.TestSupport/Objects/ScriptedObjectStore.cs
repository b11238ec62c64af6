using DataLayer.Core.Objects;

namespace DataLayer.TestSupport.Objects;

/// <summary>A store whose answers a test writes; what it does not write is refused.</summary>
public sealed class ScriptedObjectStore : IObjectStore
{
    private int _reads;

    /// <inheritdoc/>
    public string DisplayName => "s3://scripted";

    /// <summary>Answers reads: (number of the read from 0, key, offset, destination, If-Match, token).</summary>
    public Func<int, string, long, Memory<byte>, string?, CancellationToken, Task<ObjectReadResult>>? Read { get; init; }

    /// <summary>Answers heads.</summary>
    public Func<string, Task<ObjectProperties?>>? Head { get; init; }

    /// <summary>Answers writes.</summary>
    public Func<string, IObjectContent, ObjectWriteCondition, Task<ObjectProperties>>? Write { get; init; }

    /// <summary>Reads so far.</summary>
    public int ReadCount => Volatile.Read(ref _reads);

    /// <inheritdoc/>
    public ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken) =>
        new((Head ?? throw new NotSupportedException())(key));

    /// <inheritdoc/>
    public ValueTask<ObjectReadResult> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken) =>
        new((Read ?? throw new NotSupportedException())(
            Interlocked.Increment(ref _reads) - 1, key, offsetBytes, destination, ifMatch, cancellationToken));

    /// <inheritdoc/>
    public ValueTask<ObjectProperties> WriteAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
        new((Write ?? throw new NotSupportedException())(key, content, condition));

    /// <inheritdoc/>
    public ValueTask<bool> DeleteAsync(string key, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <inheritdoc/>
    public ValueTask<ObjectProperties> ChangeClassAsync(
        string key, string ifMatch, string storageClass, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <inheritdoc/>
    public ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <inheritdoc/>
    public ValueTask<ObjectListPage> ListAsync(ObjectListRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
