namespace DataLayer.Client.Feeds.Cuda;

/// <summary>A GPU that this process sees.</summary>
/// <param name="Ordinal">Its number, from 0.</param>
/// <param name="Name">What it is, as the driver says.</param>
/// <param name="Uuid">
/// Its identity, as <c>CUDA_VISIBLE_DEVICES</c> takes it: <c>GPU-…</c>; of a MIG device, whose name says so,
/// <c>MIG-…</c>.
/// </param>
public sealed record CudaDeviceDescription(int Ordinal, string Name, string Uuid);
