using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Keeper;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Keeper.Channel;

/// <summary>
/// The files a mount's connection has registered for passthrough, by what they are the content of. It outlives the
/// service: the kernel allows one backing file an inode while any opener holds it, so the next service must get the
/// same id back. Used by one loop at a time.
/// </summary>
/// <param name="device">The mount's connection.</param>
internal sealed class BackingTable(SafeFileHandle device)
{
    /// <summary>How many files a mount may have registered: bounds the descriptors the kernel holds for it.</summary>
    private const int MaxCount = 100_000;

    private const int TooManyFiles = 24; // EMFILE
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

    /// <summary>Answers a request; closes the descriptor that came with it.</summary>
    public KeeperBackingAnswer Answer(KeeperFrame frame)
    {
        KeeperBackingRequest request = KeeperPayload.Read(
            frame.Payload.Span, KeeperJson.Default.KeeperBackingRequest);
        KeeperBackingAnswer answer = new() { RequestId = request.RequestId };
        if (frame.Kind == KeeperFrameKind.BackingClose)
        {
            return _ids.Remove(request.Key, out int closed)
                ? answer with { BackingId = closed, Errno = FuseDevice.CloseBacking(device, closed) }
                : answer;
        }

        using SafeFileHandle file = frame.TakeDescriptor();
        if (_ids.TryGetValue(request.Key, out int known))
        {
            return answer with { BackingId = known };
        }

        int id = _ids.Count < MaxCount ? FuseDevice.OpenBacking(device, file) : -TooManyFiles;
        if (id <= 0)
        {
            return answer with { Errno = -id };
        }

        _ids.Add(request.Key, id);
        return answer with { BackingId = id };
    }
}
