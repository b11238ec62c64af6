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
            context => ApiJson.WriteAsync(
                context, Reached(mounts.List(), RequestCaller.Of(context)), ProtocolJson.Default.MountList))
        {
            Access = ApiAccess.Caller,
            Tag = "mounts",
            Answer = typeof(MountList),
        };
    }

    /// <summary>Who has a scope sees the mounts in it.</summary>
    private static MountList Reached(MountList all, Caller caller) => caller.Confinement is null
        ? all
        : all with { Mounts = [.. all.Mounts.Where(m => caller.MayReach(m.TreePath))] };
}
