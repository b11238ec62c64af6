using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Http;

namespace DataLayer.Server.Mounts;

/// <summary>What is mounted.</summary>
internal sealed class MountEndpoints(MountHost mounts)
{
    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Mounts, "listMounts",
            "The mounts, which way each kind of access takes on them and why, and where keepers connect.",
            context => ApiJson.WriteAsync(context, mounts.List(), ProtocolJson.Default.MountList))
        {
            Access = ApiAccess.Caller,
            Tag = "mounts",
            Answer = typeof(MountList),
        };
    }
}
