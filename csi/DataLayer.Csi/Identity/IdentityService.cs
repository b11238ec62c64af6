using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;

namespace DataLayer.Csi.Identity;

/// <summary>Who the driver is, what it offers, whether it is well.</summary>
/// <param name="name">The driver's name.</param>
/// <param name="version">The program's version.</param>
/// <param name="service">Asked by a probe where the controller is served; null on a node.</param>
internal sealed class IdentityService(string name, string version, DataLayerClient? service)
{
    private const string Service = "csi.v1.Identity";

    /// <summary>The methods of the service.</summary>
    public IEnumerable<RpcMethod> GetMethods() =>
    [
        RpcMethod.Make(Service, "GetPluginInfo", GetPluginInfoRequest.Parser, GetPluginAsync),
        RpcMethod.Make(Service, "GetPluginCapabilities", GetPluginCapabilitiesRequest.Parser, GetCapabilitiesAsync),
        RpcMethod.Make(Service, "Probe", ProbeRequest.Parser, ProbeAsync),
    ];

    private Task<GetPluginInfoResponse> GetPluginAsync(
        GetPluginInfoRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(new GetPluginInfoResponse { Name = name, VendorVersion = version });

    private static Task<GetPluginCapabilitiesResponse> GetCapabilitiesAsync(
        GetPluginCapabilitiesRequest request, CancellationToken cancellationToken)
    {
        GetPluginCapabilitiesResponse response = new();
        foreach (PluginCapability.Types.Service.Types.Type type in new[]
        {
            PluginCapability.Types.Service.Types.Type.ControllerService,
            PluginCapability.Types.Service.Types.Type.VolumeAccessibilityConstraints,
        })
        {
            response.Capabilities.Add(
                new PluginCapability { Service = new PluginCapability.Types.Service { Type = type } });
        }

        response.Capabilities.Add(new PluginCapability
        {
            VolumeExpansion = new PluginCapability.Types.VolumeExpansion
            {
                Type = PluginCapability.Types.VolumeExpansion.Types.Type.Online,
            },
        });
        return Task.FromResult(response);
    }

    /// <summary>
    /// A controller without its service is not ready, and the sidecars wait. A node's driver is, always: it keeps the
    /// mounts alive while the service restarts, and a liveness probe that fails would kill it and every mount with it.
    /// </summary>
    private async Task<ProbeResponse> ProbeAsync(ProbeRequest request, CancellationToken cancellationToken)
    {
        if (service is null)
        {
            return new ProbeResponse { Ready = true };
        }

        try
        {
            await service.Admin.GetVersionAsync(cancellationToken).ConfigureAwait(false);
            return new ProbeResponse { Ready = true };
        }
        catch (DataLayerException e) when (e.Code
            is ErrorCode.OriginUnavailable or ErrorCode.ShuttingDown or ErrorCode.Overloaded or ErrorCode.TimedOut)
        {
            return new ProbeResponse { Ready = false };
        }
        catch (DataLayerException e)
        {
            throw new RpcException(
                RpcCode.FailedPrecondition, $"The service at {service.ServerName} is not well: {e.Message}", e);
        }
    }
}
