using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <summary>
/// The connection to one namespace of a pool. Made when it is first needed, and again after it could not be made; kept
/// until it is disposed: librados itself finds its way round monitors and OSDs that die and return.
/// </summary>
/// <remarks>
/// Connecting and asking a monitor block, at most <see cref="MonitorLimit"/>; operations on objects never do. They wait
/// in the library for an OSD that is down, at most the limit this was made with, and then say TimedOut.
/// </remarks>
internal sealed class RadosConnection(RadosAddress address, TimeSpan operationLimit, TimeProvider time) : IDisposable
{
    /// <summary>How long connecting and questions to a monitor may take.</summary>
    internal static readonly TimeSpan MonitorLimit = TimeSpan.FromSeconds(10);

    /// <summary>After a failure others get the same answer for so long, without waiting.</summary>
    private static readonly TimeSpan _retryAfter = TimeSpan.FromSeconds(2);

    private readonly Lock _connect = new();
    private RadosClusterHandle? _cluster;
    private RadosPoolHandle? _pool;
    private DataLayerException? _failure;
    private long _failedAt;
    private bool _isDisposed;

    /// <summary>This client as the cluster's blocklist would name it; empty before it is connected.</summary>
    internal string ClientAddress { get; private set; } = string.Empty;

    /// <summary>The pool; connects where needed.</summary>
    /// <exception cref="DataLayerException">NotSupported: no librados. TimedOut, PermissionDenied, NotFound and
    /// others.</exception>
    internal RadosPoolHandle GetPool()
    {
        if (Volatile.Read(ref _pool) is { } pool)
        {
            return pool;
        }

        lock (_connect)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_pool is not null)
            {
                return _pool;
            }

            if (_failure is not null && time.GetElapsedTime(_failedAt) < _retryAfter)
            {
                throw new DataLayerException(_failure.Code, _failure.Message, _failure);
            }

            try
            {
                ConnectLocked();
                _failure = null;
                return _pool!;
            }
            catch (DataLayerException fault)
            {
                _failure = fault;
                _failedAt = time.GetTimestamp();
                throw;
            }
        }
    }

    /// <summary>The names of all objects of the namespace, in no order. Blocks between them.</summary>
    internal IEnumerable<string> List()
    {
        int result = Librados.OpenListing(GetPool(), out RadosListingHandle listing);
        using (listing)
        {
            ThrowIf(result, "listing");
            while (true)
            {
                result = Librados.NextListed(
                    listing, out nint entry, out _, out _, out nuint length, out _, out _);
                if (result == -Errno.NoEntry)
                {
                    yield break;
                }

                ThrowIf(result, "listing");
                yield return Marshal.PtrToStringUTF8(entry, (int)length);
            }
        }
    }

    /// <summary>What the pool has room for, replicas and quota counted in. Blocks.</summary>
    /// <exception cref="DataLayerException">TargetFailed: the cluster has no statistics, and others.</exception>
    internal FileSystemSpace GetSpace()
    {
        using JsonDocument answer = JsonDocument.Parse(
            Command("{\"prefix\":\"df\",\"detail\":\"detail\",\"format\":\"json\"}"));
        foreach (JsonElement pool in answer.RootElement.GetProperty("pools").EnumerateArray())
        {
            if (pool.GetProperty("name").GetString() != address.Pool)
            {
                continue;
            }

            JsonElement stats = pool.GetProperty("stats");
            long stored = stats.GetProperty("stored").GetInt64();
            long available = stats.GetProperty("max_avail").GetInt64();
            if (stats.TryGetProperty("quota_bytes", out JsonElement limit) && limit.GetInt64() is > 0 and long quota)
            {
                available = Math.Min(available, Math.Max(0, quota - stored));
            }

            if (available + stored == 0
                && answer.RootElement.GetProperty("stats").GetProperty("total_bytes").GetInt64() == 0)
            {
                throw new DataLayerException(ErrorCode.TargetFailed,
                    $"The cluster of '{address.Text}' has no statistics of its pools yet: is a ceph-mgr running?");
            }

            return new FileSystemSpace(stored + available, available, 0, 0, IsReadOnly: false, IdOf(pool));
        }

        throw RadosError.Create(-Errno.NoEntry, $"look-up of pool '{address.Pool}'", address);
    }

    /// <summary>Says what a result below zero is.</summary>
    internal void ThrowIf(int result, string call)
    {
        if (result < 0)
        {
            throw Explain(result, call);
        }
    }

    /// <summary>The fault for a result below zero; of a client that is shut out it says which.</summary>
    internal DataLayerException Explain(int result, string call)
    {
        DataLayerException fault = RadosError.Create(result, call, address);
        return result == -RadosError.Blocklisted
            ? new DataLayerException(fault.Code, $"{fault.Message} This client is {ClientAddress}.", fault) : fault;
    }

    public void Dispose()
    {
        lock (_connect)
        {
            _isDisposed = true;
            _pool?.Dispose();
            _cluster?.Dispose();
            _pool = null;
            _cluster = null;
        }
    }

    private static ulong IdOf(JsonElement pool) => 0x5241_444F_0000_0000UL | (uint)pool.GetProperty("id").GetInt32();

    private void ConnectLocked()
    {
        Librados.Demand();
        int result = Librados.Create(out RadosClusterHandle cluster, address.Id);
        RadosPoolHandle? pool = null;
        bool isDone = false;
        try
        {
            ThrowIf(result, "making a client");
            if (!File.Exists(address.ConfigurationFile))
            {
                throw new DataLayerException(ErrorCode.TargetFailed,
                    $"'{address.ConfigurationFile}' of '{address.Text}' is not there. Put the cluster's configuration "
                        + "there, or name another file with conf=FILE.");
            }

            ThrowIf(Librados.ReadConfiguration(cluster, address.ConfigurationFile),
                $"reading '{address.ConfigurationFile}'");
            foreach ((string option, string value) in Settings())
            {
                ThrowIf(Librados.Configure(cluster, option, value), $"setting {option}={value}");
            }

            result = Librados.Connect(cluster);
            if (-result is Errno.NoEntry or Errno.Io or Errno.Invalid or Errno.Denied or Errno.NotPermitted
                or RadosError.NotSupported)
            {
                throw new DataLayerException(ErrorCode.PermissionDenied,
                    $"'{address.Text}': there is no key of client.{address.Id} that the cluster takes (errno {-result})"
                        + $". Name its keyring with keyring=FILE or in '{address.ConfigurationFile}', let the "
                        + $"service's user read it, and look at 'ceph auth get client.{address.Id}'.");
            }

            ThrowIf(result, "connecting");
            result = Librados.OpenPool(cluster, address.Pool, out pool);
            if (result == -Errno.NoEntry)
            {
                throw new DataLayerException(ErrorCode.TargetFailed,
                    $"'{address.Text}': the cluster has no pool '{address.Pool}'. Make it with 'ceph osd pool create "
                        + $"{address.Pool}', or name another.");
            }

            ThrowIf(result, "opening the pool");
            pool.Hold(cluster);
            Librados.SetNamespace(pool, address.Namespace);
            Librados.FailWhenFull(pool);
            ClientAddress = AddressOf(cluster);
            _cluster = cluster;
            Volatile.Write(ref _pool, pool);
            isDone = true;
        }
        finally
        {
            if (!isDone)
            {
                pool?.Dispose();
                cluster.Dispose();
            }
        }
    }

    private static string AddressOf(RadosClusterHandle cluster)
    {
        if (Librados.GetAddresses(cluster, out nint text) < 0)
        {
            return string.Empty;
        }

        string address = Marshal.PtrToStringUTF8(text) ?? string.Empty;
        Librados.FreeBuffer(text);
        return address;
    }

    private IEnumerable<(string Option, string Value)> Settings()
    {
        string monitor = MonitorLimit.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        yield return ("client_mount_timeout", monitor);
        yield return ("rados_mon_op_timeout", monitor);
        yield return ("rados_osd_op_timeout",
            Math.Max(1, Math.Ceiling(operationLimit.TotalSeconds)).ToString(CultureInfo.InvariantCulture));
        yield return ("log_to_stderr", "false");
        yield return ("err_to_stderr", "false");
        if (address.Keyring is { } keyring)
        {
            yield return ("keyring", keyring);
        }
    }

    private unsafe string Command(string json)
    {
        _ = GetPool();
        byte[] text = Encoding.UTF8.GetBytes(json + '\0');
        nint output = 0;
        nint status = 0;
        try
        {
            int result;
            nuint length;
            fixed (byte* first = text)
            {
                byte* command = first;
                result = Librados.CommandMonitor(
                    _cluster!, &command, 1, null, 0, out output, out length, out status, out _);
            }

            ThrowIf(result, "asking a monitor");
            return Marshal.PtrToStringUTF8(output, (int)length);
        }
        finally
        {
            if (output != 0)
            {
                Librados.FreeBuffer(output);
            }

            if (status != 0)
            {
                Librados.FreeBuffer(status);
            }
        }
    }
}
