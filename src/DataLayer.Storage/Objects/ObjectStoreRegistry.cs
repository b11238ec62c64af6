using DataLayer.Core.Objects;
using Microsoft.Extensions.Logging;

namespace DataLayer.Storage.Objects;

/// <summary>CONTRACT SKETCH, replaced by the owner of Objects. The configured stores by name; opens a bucket with its decorators (retry, hedge, meter).</summary>
public sealed class ObjectStoreRegistry : IAsyncDisposable
{
    public ObjectStoreRegistry(IReadOnlyList<ObjectStoreOptions> stores, TimeProvider time, ILoggerFactory logs) => throw new NotImplementedException();

    /// <summary>The bucket of a source (<c>s3://bucket/prefix</c>, <c>file:///folder</c>) through the named store; requests are counted under <paramref name="dataset"/>. InvalidArgument for an unknown name or a source the store cannot serve.</summary>
    public IObjectStore Open(string storeName, ObjectSource source, string dataset) => throw new NotImplementedException();

    /// <summary>Requests since start by dataset and verb (GET, HEAD, LIST, PUT, DELETE, …), with bytes.</summary>
    public IReadOnlyList<RequestCount> GetRequestCounts() => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>A parsed source: <c>s3://bucket/prefix</c> or <c>file:///folder/prefix</c>.</summary>
public sealed record ObjectSource(string Scheme, string Bucket, string Prefix)
{
    public static ObjectSource Parse(string text) => throw new NotImplementedException();
}

/// <summary>Requests of one dataset and verb.</summary>
public readonly record struct RequestCount(string Dataset, string Verb, long Requests, long Failures, long Bytes);

/// <summary>CONTRACT SKETCH: one named store.</summary>
public sealed class ObjectStoreOptions
{
    public required string Name { get; init; }
    /// <summary><c>s3</c> or <c>directory</c>.</summary>
    public required string Kind { get; init; }
    public string? Endpoint { get; init; }
    public string Region { get; init; } = "us-east-1";
    public bool PathStyle { get; init; } = true;
    /// <summary>Environment variable or file with the keys; never the key itself on a command line.</summary>
    public string? AccessKey { get; init; }
    public string? SecretKey { get; init; }
}
