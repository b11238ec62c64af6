using System.Collections.Concurrent;
using DataLayer.Core.Errors;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects.Decorators;
using DataLayer.Storage.Objects.Folders;
using DataLayer.Storage.Objects.S3;
using Microsoft.Extensions.Logging;

namespace DataLayer.Storage.Objects;

/// <summary>The configured stores by name; opens a bucket with its decorators and counts its requests.</summary>
/// <remarks>
/// An S3 bucket is, from the outside in: split (long reads into parallel ranges), retried, hedged, limited, S3. A
/// folder is limited only: what fails there does not pass by itself. A bucket opened twice for a dataset is one store.
/// Stores live until the registry is disposed; disposing what <see cref="Open"/> returned is not the caller's business.
/// </remarks>
public sealed class ObjectStoreRegistry : IAsyncDisposable
{
    private const int WaiterLimit = 16_384;
    private static readonly TimeSpan _minimumHedgeDelay = TimeSpan.FromMilliseconds(10);

    private readonly Dictionary<string, ObjectStoreOptions> _options = new(StringComparer.Ordinal);
    private readonly Dictionary<(string, string, string), IObjectStore> _open = [];
    private readonly Dictionary<string, (S3Connection Connection, RetryPolicy Retries)> _servers =
        new(StringComparer.Ordinal);
    private readonly HashSet<string> _defined = new(StringComparer.Ordinal);
    private readonly List<IObjectStore> _retired = [];
    private readonly List<S3Connection> _retiredServers = [];
    private readonly ConcurrentDictionary<string, RequestMeter> _meters = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly NativeBufferPool _buffers;
    private readonly TimeProvider _time;

    /// <summary>Checks all options and reports every fault at once.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    public ObjectStoreRegistry(IReadOnlyList<ObjectStoreOptions> stores, TimeProvider time, ILoggerFactory logs)
    {
        ArgumentNullException.ThrowIfNull(stores);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(logs);
        _time = time;
        _buffers = new NativeBufferPool(128L << 20);
        List<string> faults = [];
        foreach (ObjectStoreOptions options in stores)
        {
            faults.AddRange(options.Validate());
            if (!_options.TryAdd(options.Name, options))
            {
                faults.Add($"Object store '{options.Name}' stands twice in the configuration.");
            }
        }

        if (faults.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, string.Join(Environment.NewLine, faults));
        }
    }

    /// <summary>
    /// The bucket of a source (<c>s3://bucket/prefix</c>, <c>file:///folder</c>) through the named store; requests are
    /// counted under
    /// <paramref name="dataset"/>. The prefix is not applied: keys are full keys of the bucket.
    /// </summary>
    /// <exception cref="DataLayerException">InvalidArgument for an unknown name or a source the store cannot
    /// serve.</exception>
    public IObjectStore Open(string storeName, ObjectSource source, string dataset)
    {
        ArgumentNullException.ThrowIfNull(storeName);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(dataset);
        RequestMeter meter = _meters.GetOrAdd(dataset, static name => new RequestMeter(name));
        (string, string, string) key = (storeName, $"{source.Scheme}://{source.Bucket}", dataset);
        lock (_lock)
        {
            if (!_options.TryGetValue(storeName, out ObjectStoreOptions? options))
            {
                throw new DataLayerException(ErrorCode.InvalidArgument,
                    $"There is no object store '{storeName}'. There are: {string.Join(", ", _options.Keys)}.");
            }

            if (!_open.TryGetValue(key, out IObjectStore? store))
            {
                store = options.Kind == "directory"
                    ? new LimitedObjectStore(
                        new DirectoryObjectStore(FolderOf(options, source), meter, _buffers, _time),
                        options.RequestLimit, WaiterLimit)
                    : OpenBucketLocked(options, source, meter);
                _open.Add(key, store);
            }

            return store;
        }
    }

    /// <summary>
    /// Adds a store while the process runs, or replaces one that was added so. Buckets opened through the old one go on
    /// with the old keys until they are opened again.
    /// </summary>
    /// <returns>False where it is there already, exactly so.</returns>
    /// <exception cref="DataLayerException">InvalidArgument; AlreadyExists: the name is one of the configuration's.
    /// </exception>
    public bool Define(ObjectStoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        IReadOnlyList<string> faults = options.Validate();
        if (faults.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, string.Join(Environment.NewLine, faults));
        }

        lock (_lock)
        {
            if (_options.TryGetValue(options.Name, out ObjectStoreOptions? known))
            {
                if (!_defined.Contains(options.Name))
                {
                    throw new DataLayerException(
                        ErrorCode.AlreadyExists, $"Store '{options.Name}' stands in the configuration.");
                }

                if (IsSame(known, options))
                {
                    return false;
                }
            }

            RetireLocked(options.Name);
            _options[options.Name] = options;
            _defined.Add(options.Name);
            return true;
        }
    }

    /// <summary>Forgets a store that was added by <see cref="Define"/>; false if there is none.</summary>
    public bool Forget(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        lock (_lock)
        {
            if (!_defined.Remove(name))
            {
                return false;
            }

            RetireLocked(name);
            return _options.Remove(name);
        }
    }

    private static bool IsSame(ObjectStoreOptions one, ObjectStoreOptions other) =>
        one.Kind == other.Kind && one.Endpoint == other.Endpoint && one.Region == other.Region
        && one.PathStyle == other.PathStyle && one.AccessKey == other.AccessKey && one.SecretKey == other.SecretKey
        && one.SessionToken == other.SessionToken;

    /// <summary>Requests may be under way through what was open: it is closed with the registry.</summary>
    private void RetireLocked(string name)
    {
        List<(string, string, string)> old = [];
        foreach (((string Store, string, string) key, IObjectStore store) in _open)
        {
            if (key.Store == name)
            {
                old.Add(key);
                _retired.Add(store);
            }
        }

        foreach ((string, string, string) key in old)
        {
            _open.Remove(key);
        }

        if (_servers.Remove(name, out (S3Connection Connection, RetryPolicy) server))
        {
            _retiredServers.Add(server.Connection);
        }
    }

    private SplittingObjectStore OpenBucketLocked(ObjectStoreOptions options, ObjectSource source, RequestMeter meter)
    {
        if (source.Scheme != "s3")
        {
            throw new DataLayerException(ErrorCode.InvalidArgument,
                $"Store '{options.Name}' is of kind s3 and cannot serve {source}. "
                + "Use s3://bucket/prefix, or a store of kind directory.");
        }

        if (!_servers.TryGetValue(options.Name, out (S3Connection Connection, RetryPolicy Retries) server))
        {
            server = (new S3Connection(options), new RetryPolicy(options, _time));
            _servers.Add(options.Name, server);
        }

        IObjectStore store =
            new S3ObjectStore(server.Connection, source.Bucket, meter, server.Retries, (_buffers, _time));
        store = new LimitedObjectStore(store, options.RequestLimit, WaiterLimit);
        store = options.HedgedReads ? new HedgedObjectStore(store, _buffers, _time, _minimumHedgeDelay) : store;
        store = new RetryingObjectStore(store, server.Retries, _buffers);
        return new SplittingObjectStore(store, options.RangeBytes, options.RangesInFlight);
    }

    private static string FolderOf(ObjectStoreOptions options, ObjectSource source)
    {
        if (source.Scheme == "s3")
        {
            return options.Endpoint is { Length: > 0 } root
                ? Path.Combine(root, source.Bucket)
                : throw new DataLayerException(ErrorCode.InvalidArgument,
                    $"Store '{options.Name}' is of kind directory and has no endpoint, so it cannot serve {source}. "
                    + "Use file:///folder.");
        }

        if (options.Endpoint is { Length: > 0 } bound)
        {
            string below = Path.TrimEndingDirectorySeparator(bound) + "/";
            if (!(source.Bucket + "/").StartsWith(below, StringComparison.Ordinal))
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                        $"Store '{options.Name}' serves folders below {below} only, not {source}.");
            }
        }

        return source.Bucket;
    }

    /// <summary>The options of a store, or null if there is none of that name.</summary>
    public ObjectStoreOptions? FindOptions(string storeName)
    {
        lock (_lock)
        {
            return _options.GetValueOrDefault(storeName);
        }
    }

    /// <summary>
    /// About one round trip to a store's server, as opening a connection took; null where none was opened.
    /// </summary>
    public TimeSpan? GetRoundTrip(string storeName)
    {
        lock (_lock)
        {
            return _servers.TryGetValue(storeName, out (S3Connection Connection, RetryPolicy) server)
                ? server.Connection.RoundTrip
                : null;
        }
    }

    /// <summary>
    /// Requests since start by dataset and verb (GET, HEAD, LIST, PUT, POST, DELETE), with body bytes.
    /// </summary>
    public IReadOnlyList<RequestCount> GetRequestCounts()
    {
        List<RequestCount> counts = [];
        foreach (RequestMeter meter in _meters.Values)
        {
            meter.CopyTo(counts);
        }

        return counts;
    }

    /// <summary>
    /// Requests since the last call, by dataset, use and verb. For one caller, the cost meter: what is taken is gone
    /// from here.
    /// </summary>
    public IReadOnlyList<OriginCount> TakeOriginCounts()
    {
        List<OriginCount> counts = [];
        foreach (RequestMeter meter in _meters.Values)
        {
            meter.TakeUses(counts);
        }

        return counts;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (IObjectStore store in _open.Values)
        {
            await store.DisposeAsync().ConfigureAwait(false);
        }

        foreach (IObjectStore store in _retired)
        {
            await store.DisposeAsync().ConfigureAwait(false);
        }

        foreach ((S3Connection connection, _) in _servers.Values)
        {
            connection.Dispose();
        }

        foreach (S3Connection connection in _retiredServers)
        {
            connection.Dispose();
        }

        _buffers.Dispose();
    }
}
