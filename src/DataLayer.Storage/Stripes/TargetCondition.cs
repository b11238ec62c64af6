using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes;

/// <summary>How a target is: well, draining, fenced after a failed write, or missing. Safe from any thread.</summary>
internal sealed class TargetCondition(TimeProvider time, TimeSpan fenceTime)
{
    private readonly Lock _gate = new();
    private bool _isDraining;
    private string? _missing;
    private string? _fenced;
    private long _fencedAt;

    internal TargetState State
    {
        get
        {
            lock (_gate)
            {
                return _missing is not null ? TargetState.Missing
                    : _fenced is not null ? TargetState.Fenced
                    : _isDraining ? TargetState.Draining : TargetState.Ok;
            }
        }
    }

    /// <summary>Why it is missing or fenced, or null.</summary>
    internal string? Fault
    {
        get
        {
            lock (_gate)
            {
                return _missing ?? _fenced;
            }
        }
    }

    /// <summary>Whether a fence has held as long as it must, so that a probe may end it.</summary>
    internal bool IsFenceOver
    {
        get
        {
            lock (_gate)
            {
                return _fenced is not null && time.GetElapsedTime(_fencedAt) >= fenceTime;
            }
        }
    }

    internal void SetDraining(bool draining)
    {
        lock (_gate)
        {
            _isDraining = draining;
        }
    }

    /// <summary>Says why the target is missing, or that it is there; true if it was missing and is back.</summary>
    internal bool SetMissing(string? problem)
    {
        lock (_gate)
        {
            bool isBack = _missing is not null && problem is null;
            _missing = problem;
            return isBack;
        }
    }

    /// <summary>No more writes; a fence that is there stays as it is unless renewed.</summary>
    internal void Fence(string reason, bool renew)
    {
        lock (_gate)
        {
            if (_fenced is null || renew)
            {
                _fenced = reason;
                _fencedAt = time.GetTimestamp();
            }
        }
    }

    internal void EndFence()
    {
        lock (_gate)
        {
            _fenced = null;
        }
    }

    /// <summary>Refuses a call that the target cannot serve now.</summary>
    /// <exception cref="DataLayerException">TargetFailed: missing; fenced, and it is a write.</exception>
    internal void ThrowUnlessUsable(ITarget target, bool isWrite)
    {
        lock (_gate)
        {
            if (_missing is not null)
            {
                throw new DataLayerException(ErrorCode.TargetFailed,
                    $"Target {target.Number} is missing: {_missing}");
            }

            if (isWrite && _fenced is not null)
            {
                throw new DataLayerException(ErrorCode.TargetFailed,
                    $"Target {target.Number} ({target.Location}) takes no writes after a failure: {_fenced}");
            }
        }
    }
}
