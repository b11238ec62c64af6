using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// Where a target is, before and beside what it holds: a process edge. Identity and roster lie here as small text
/// records that are replaced atomically. Called rarely, at start and when targets change; calls block, a bounded time.
/// </summary>
internal interface ITargetSite : IDisposable
{
    /// <summary>The place as the roster writes it: the same text for the same place.</summary>
    string Location { get; }

    /// <summary>Makes the place if it can be made.</summary>
    /// <exception cref="DataLayerException">It is not there, or not ours to use.</exception>
    void Prepare();

    /// <summary>The text of a record; null if there is none.</summary>
    /// <exception cref="DataLayerException">The place cannot be read.</exception>
    byte[]? TryRead(string name);

    /// <summary>Writes a record, durably; what was there is replaced or, if not <paramref name="replace"/>,
    /// refused.</summary>
    void Write(string name, ReadOnlySpan<byte> text, bool replace);

    /// <summary>Deletes records, durably; no error if they are gone.</summary>
    void Delete(params ReadOnlySpan<string> names);

    /// <summary>Refuses a place that holds something and has no identity.</summary>
    /// <exception cref="DataLayerException">InvalidArgument.</exception>
    void CheckEmpty();

    /// <summary>The target of an identity, which owns this site from then on.</summary>
    ITarget MakeTarget(TargetIdentity identity, PoolOptions pool);
}
