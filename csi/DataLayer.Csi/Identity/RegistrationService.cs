using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;
using Microsoft.Extensions.Logging;

namespace DataLayer.Csi.Identity;

/// <summary>Tells the kubelet, on a socket in its plugins_registry folder, who serves CSI calls and where.</summary>
/// <param name="name">The driver's name.</param>
/// <param name="endpoint">The driver's socket as the kubelet sees it: a path on the node.</param>
/// <param name="log">Where the kubelet's verdict goes.</param>
internal sealed partial class RegistrationService(string name, string endpoint, ILogger log)
{
    private const string Service = "pluginregistration.Registration";

    /// <summary>The methods of the service.</summary>
    public IEnumerable<RpcMethod> GetMethods() =>
    [
        RpcMethod.Make(Service, "GetInfo", InfoRequest.Parser, GetPluginAsync),
        RpcMethod.Make(Service, "NotifyRegistrationStatus", RegistrationStatus.Parser, NoteAsync),
    ];

    private Task<PluginInfo> GetPluginAsync(InfoRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(new PluginInfo
        {
            Type = "CSIPlugin",
            Name = name,
            Endpoint = endpoint,
            SupportedVersions = { "1.0.0" },
        });

    private Task<RegistrationStatusResponse> NoteAsync(
        RegistrationStatus request, CancellationToken cancellationToken)
    {
        // The kubelet tries again by itself, also after a refusal.
        if (request.PluginRegistered)
        {
            LogRegistered(log, name);
        }
        else
        {
            LogRefused(log, name, request.Error);
        }

        return Task.FromResult(new RegistrationStatusResponse());
    }

    [LoggerMessage(30, LogLevel.Information, "The kubelet has registered {Name}")]
    private static partial void LogRegistered(ILogger log, string name);

    [LoggerMessage(31, LogLevel.Error, "The kubelet refuses {Name}: {Error}")]
    private static partial void LogRefused(ILogger log, string name, string error);
}
