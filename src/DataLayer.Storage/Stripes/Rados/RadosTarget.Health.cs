using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <content>Identity, state, space.</content>
internal sealed partial class RadosTarget
{
    private const string ProbeName = ".probe";
    private readonly TargetCondition _condition;
    private readonly TargetRoom _room;
    private volatile bool _hasSpace;

    /// <inheritdoc/>
    public TargetState State => _condition.State;

    /// <inheritdoc/>
    public string? Fault => _condition.Fault;

    /// <inheritdoc/>
    public void SetDraining(bool draining) => _condition.SetDraining(draining);

    /// <inheritdoc/>
    public TargetSpace GetSpace() => _room.Get();

    /// <inheritdoc/>
    public bool HasRoom(long bytes, InodeId inode = default) => _room.Has(bytes, inode);

    /// <inheritdoc/>
    public void SetHolds(ShareMap? shares, IReadOnlyList<SpaceHold> holds) => _room.SetHolds(shares, holds);

    /// <inheritdoc/>
    public async ValueTask CheckAsync(CancellationToken cancellationToken)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        cancellationToken.ThrowIfCancellationRequested();
        string? problem = FindIdentityProblem();
        if (_condition.SetMissing(problem))
        {
            _columns.Clear(); // Somebody else may have written meanwhile.
        }

        if (problem is not null)
        {
            return;
        }

        try
        {
            _room.Set(_connection.GetSpace());
            _hasSpace = true;
        }
        catch (DataLayerException fault)
        {
            // The last known values stay; without any nothing can be placed here.
            if (!_hasSpace)
            {
                _condition.Fence(fault.Message, renew: true);
            }
        }

        if (_hasSpace && _condition.IsFenceOver)
        {
            await ProbeAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            byte[] bytes = new byte[4096];
            Array.Fill(bytes, (byte)0xA5);
            using RadosWrite write = new();
            write.WriteFull(bytes);
            await ChangeAsync(ProbeName, write, cancellationToken).ConfigureAwait(false);
            await RemoveAsync(ProbeName, cancellationToken).ConfigureAwait(false);
            _condition.EndFence();
        }
        catch (DataLayerException fault)
        {
            _condition.Fence(fault.Message, renew: true);
        }
    }

    private string? FindIdentityProblem()
    {
        try
        {
            TargetIdentity? found = TargetIdentity.TryRead(_site);
            return found == _identity ? null
                : found is null ? $"'{Location}' has no '{TargetIdentity.FileName}': the pool was emptied or made "
                    + "anew. Drain or restore what was on it."
                : $"'{Location}' is target {found.Target} of pool '{found.Pool}' of deployment {found.Deployment}, "
                    + $"not target {_identity.Target} of pool '{_identity.Pool}' of {_identity.Deployment}. Name the "
                    + "right namespace.";
        }
        catch (DataLayerException fault)
        {
            return fault.Message;
        }
    }

    /// <summary>An object that is not there may mean a pool that is gone: then the target is missing, not the
    /// object.</summary>
    /// <exception cref="DataLayerException">TargetFailed.</exception>
    private async ValueTask DemandIdentityAsync(CancellationToken cancellationToken)
    {
        if (await ExistsAsync(TargetIdentity.FileName, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        string problem = $"'{Location}' has no '{TargetIdentity.FileName}': the pool is gone or was emptied. Look at "
            + "'ceph osd pool ls'.";
        _condition.SetMissing(problem);
        throw new DataLayerException(ErrorCode.TargetFailed, $"Target {Number} is missing: {problem}");
    }

    /// <summary>The fault with the target's name; a failing write fences the target, a client that the cluster has shut
    /// out makes it missing.</summary>
    private DataLayerException Explain(int result, string call, bool isWrite)
    {
        DataLayerException fault = _connection.Explain(result, call);
        if (result == -RadosError.Blocklisted)
        {
            _condition.SetMissing(fault.Message);
        }
        else if (isWrite && fault.Code == ErrorCode.TargetFailed)
        {
            _condition.Fence(fault.Message, renew: false);
        }

        return new DataLayerException(fault.Code, $"Target {Number}: {fault.Message}", fault);
    }
}
