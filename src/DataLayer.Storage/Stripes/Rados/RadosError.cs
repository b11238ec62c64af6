using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes.Rados;

/// <summary>Turns a result of librados into a fault that names the place and what to do. The one table.</summary>
internal static class RadosError
{
    /// <summary>ESHUTDOWN: the cluster has blocklisted this client.</summary>
    internal const int Blocklisted = 108;

    /// <summary>ECANCELED: an attribute was not as demanded, or the call was cancelled.</summary>
    internal const int Cancelled = 125;

    /// <summary>EOPNOTSUPP.</summary>
    internal const int NotSupported = 95;

    /// <summary>ENOTCONN.</summary>
    private const int NotConnected = 107;

    /// <summary>The fault for a result.</summary>
    /// <param name="result">Negative: an errno.</param>
    /// <param name="call">What was done, as <c>read of 'NAME'</c>.</param>
    /// <param name="address">Where.</param>
    internal static DataLayerException Create(int result, string call, RadosAddress address)
    {
        int errno = -result;
        (ErrorCode code, string remedy) = errno switch
        {
            Errno.NoEntry => (ErrorCode.NotFound, "Look whether the pool is there ('ceph osd pool ls')."),
            Errno.NoSpace or Errno.Quota => (ErrorCode.NoSpace,
                $"The pool is full or has reached its quota ('ceph df', 'ceph osd pool get-quota {address.Pool}'): "
                + "free space, raise the quota, add OSDs, or add a target."),
            Blocklisted => (ErrorCode.TargetFailed,
                "The cluster has blocklisted this client, so that it can change nothing any more: somebody fenced it, "
                + "or took it for dead. Look at 'ceph osd blocklist ls'. Where that was a mistake, take the entry away "
                + "('ceph osd blocklist rm ADDRESS') or restart the service."),
            Errno.NotPermitted or Errno.Denied => (ErrorCode.PermissionDenied,
                $"Give the client what it needs: ceph auth caps client.{address.Id} mon 'allow r' "
                + $"osd 'allow rwx pool={address.Pool} namespace={address.Namespace}'."),
            Errno.TimedOut => (ErrorCode.TimedOut,
                "The cluster did not answer in time. Look at 'ceph -s': monitors, OSDs that are down, placement "
                + "groups that are not active."),
            NotSupported => (ErrorCode.NotSupported,
                "An erasure-coded pool must allow overwrites: ceph osd pool set "
                + $"{address.Pool} allow_ec_overwrites true."),
            NotConnected => (ErrorCode.TargetFailed, "The connection to the cluster is closed. Try again."),
            _ => (ErrorCode.TargetFailed, "Look at 'ceph health detail' and the logs of the OSDs."),
        };
        string text = Marshal.GetPInvokeErrorMessage(errno);
        return new DataLayerException(code, string.Create(CultureInfo.InvariantCulture,
            $"{call} in '{address.Text}' failed: {text} (errno {errno}). {remedy}"));
    }
}
