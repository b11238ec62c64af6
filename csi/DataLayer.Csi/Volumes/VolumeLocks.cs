using DataLayer.Csi.Grpc;

namespace DataLayer.Csi.Volumes;

/// <summary>
/// One call at a time on a volume, snapshot or target path. Nobody waits: a second call is answered ABORTED, as the
/// specification has it, and comes again. A volume that is being copied may be read by several copies (shared).
/// </summary>
internal sealed class VolumeLocks
{
    private const int Exclusive = -1;
    private readonly Dictionary<string, int> _held = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    /// <summary>Takes a key alone.</summary>
    /// <exception cref="RpcException">ABORTED: it is held.</exception>
    public IDisposable Enter(string key) => Enter(key, shared: false);

    /// <summary>Takes a key with others that share it.</summary>
    /// <exception cref="RpcException">ABORTED: it is held alone.</exception>
    public IDisposable EnterShared(string key) => Enter(key, shared: true);

    private Hold Enter(string key, bool shared)
    {
        lock (_lock)
        {
            int count = _held.GetValueOrDefault(key);
            if (count == Exclusive || (count > 0 && !shared))
            {
                throw new RpcException(RpcCode.Aborted, $"Another call on {key} is under way.");
            }

            _held[key] = shared ? count + 1 : Exclusive;
        }

        return new Hold(this, key);
    }

    private void Leave(string key)
    {
        lock (_lock)
        {
            int left = _held[key] == Exclusive ? 0 : _held[key] - 1;
            if (left == 0)
            {
                _held.Remove(key);
            }
            else
            {
                _held[key] = left;
            }
        }
    }

    private sealed class Hold(VolumeLocks owner, string key) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
            {
                owner.Leave(key);
            }
        }
    }
}
