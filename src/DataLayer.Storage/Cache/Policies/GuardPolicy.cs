namespace DataLayer.Storage.Cache.Policies;

/// <summary>Keeps what is there.</summary>
internal sealed class GuardPolicy(PolicySettings settings) : EvictionPolicy
{
    private readonly S3FifoPolicy _loose = new(settings);

    /// <inheritdoc/>
    public override string Name => "guard";

    /// <inheritdoc/>
    public override void OnHit(uint entry, ulong hash, int datasetId) => _loose.OnHit(entry, hash, datasetId);

    /// <inheritdoc/>
    public override uint SelectVictim(in Candidate candidate) => _loose.SelectVictim(candidate);

    /// <inheritdoc/>
    public override void OnInsert(uint entry, in Candidate candidate) => _loose.OnInsert(entry, candidate);

    /// <inheritdoc/>
    public override void OnRemove(uint entry, ulong hash, bool evicted) => _loose.OnRemove(entry, hash, evicted);
}
