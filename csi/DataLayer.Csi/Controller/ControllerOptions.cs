namespace DataLayer.Csi.Controller;

/// <summary>What the controller is told by <see cref="CsiDriverOptions"/>.</summary>
/// <param name="MaxVolumeBytes">The largest volume.</param>
/// <param name="TopologyPrefix">The domain of the topology keys.</param>
/// <param name="Time">The clock of creation times.</param>
internal sealed record ControllerOptions(long MaxVolumeBytes, string TopologyPrefix, TimeProvider Time);
