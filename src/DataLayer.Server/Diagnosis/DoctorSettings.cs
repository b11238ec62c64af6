using DataLayer.Server.Configuration;
using DataLayer.Storage.Objects;

namespace DataLayer.Server.Diagnosis;

/// <summary>The settings in effect that the doctor may ask to change, under the names they have there.</summary>
internal sealed record DoctorSettings
{
    /// <summary><c>engine.requests</c>.</summary>
    public required int Requests { get; init; }

    /// <summary><c>engine.requestsPerFile</c>.</summary>
    public required int RequestsPerFile { get; init; }

    /// <summary><c>engine.readahead</c>, bytes.</summary>
    public required long ReadaheadBytes { get; init; }

    /// <summary><c>engine.subBlock</c>, bytes.</summary>
    public required long SubBlockBytes { get; init; }

    /// <summary><c>engine.upkeep</c>.</summary>
    public required int Upkeep { get; init; }

    /// <summary><c>engine.lists</c>.</summary>
    public required int Lists { get; init; }

    /// <summary><c>engine.attributeCache</c>.</summary>
    public required int AttributeCache { get; init; }

    /// <summary><c>cache.policy</c>.</summary>
    public required string CachePolicy { get; init; }

    /// <summary><c>stateDirectory</c>.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>The options of a store by its name; null if there is none.</summary>
    public required Func<string, ObjectStoreOptions?> FindStore { get; init; }

    /// <summary>The settings of a service.</summary>
    public static DoctorSettings Of(ServerConfiguration configuration, Func<string, ObjectStoreOptions?> findStore) =>
        new()
        {
            Requests = configuration.Engine.MaxRequests,
            RequestsPerFile = configuration.Engine.MaxRequestsPerFile,
            ReadaheadBytes = configuration.Engine.ReadaheadBytes,
            SubBlockBytes = configuration.Engine.SubBlockBytes,
            Upkeep = configuration.Engine.UpkeepParallelism,
            Lists = configuration.Engine.ListParallelism,
            AttributeCache = configuration.Engine.AttributeCacheEntries,
            CachePolicy = configuration.Cache.Policy,
            StateDirectory = configuration.StateDirectory,
            FindStore = findStore,
        };
}
