using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Automation;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Automatic tiering: what it is at, and its switch.</summary>
internal sealed class AutoTieringEndpoints(NodeHost node)
{
    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.AutoTiering, "getAutoTiering", "What automatic tiering is at, with its alerts.",
            context => WriteAsync(context))
        {
            Access = ApiAccess.Observe,
            Tag = "tiering",
            Answer = typeof(AutoTieringReport),
        };
        yield return new ApiOperation(
            "PUT", ApiRoutes.AutoTiering, "switchAutoTiering", "Turns automatic tiering on or off.", SwitchAsync)
        {
            IsAudited = true,
            Tag = "tiering",
            Body = typeof(AutoTieringCommand),
            Answer = typeof(AutoTieringReport),
        };
    }

    private async Task SwitchAsync(HttpContext context)
    {
        AutoTieringCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.AutoTieringCommand);
        node.Auto.Switch(command.Enabled);
        await WriteAsync(context);
    }

    private Task WriteAsync(HttpContext context)
    {
        AutoTieringStatus now = node.Auto.Status;
        AutoTieringReport report = new()
        {
            Enabled = now.IsOn,
            Obstacle = now.Obstacle,
            PolicyVersion = now.PolicyVersion,
            PassedMarks = now.PassedMarks,
            LastPassTimeNanoseconds = now.LastPassAt is { } at ? UnixTime.ToNanoseconds(at) : 0,
            Files = now.Files,
            Moves = now.Moves,
            CoolingDown = now.CoolingDown,
            PutOff = now.PutOff,
            Reserved = now.Reserved,
            Gathering = now.Gathering,
            DeadPacks = now.DeadPacks,
            RepackJob = now.RepackJob,
            LastJob = now.LastJob,
            CostOfDay = now.CostOfDay,
            Storm = now.IsStorm,
            Alerts = [.. now.Alerts.Select(a => new TieringAlertReport
            {
                TimeNanoseconds = UnixTime.ToNanoseconds(a.At),
                Kind = a.Kind,
                Message = a.Message,
            })],
        };
        return ApiJson.WriteAsync(context, report, ProtocolJson.Default.AutoTieringReport);
    }
}
