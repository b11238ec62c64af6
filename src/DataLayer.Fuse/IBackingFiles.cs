using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse;

/// <summary>
/// Registers files with the kernel, so that it reads them without the service: what the keeper does, as it needs a
/// right that the service does not have.
/// </summary>
public interface IBackingFiles
{
    /// <summary>Registers a file; a key that is registered answers its id.</summary>
    /// <returns>The kernel's id of it, positive.</returns>
    /// <exception cref="DataLayerException">NotSupported, PermissionDenied, OriginUnavailable.</exception>
    ValueTask<int> OpenAsync(string key, SafeFileHandle file, CancellationToken cancellationToken);

    /// <summary>Forgets a file; who has it open through the kernel goes on.</summary>
    /// <exception cref="DataLayerException">OriginUnavailable.</exception>
    ValueTask CloseAsync(string key, CancellationToken cancellationToken);
}
