using DataLayer.Core.Errors;
using DataLayer.Protocol.Keeper;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Keeper.Channel;

/// <summary>A frame that came. Whoever received it owns it; dispose closes a descriptor that nobody took.</summary>
public sealed class KeeperFrame : IDisposable
{
    private SafeFileHandle? _descriptor;

    internal KeeperFrame(KeeperFrameKind kind, ReadOnlyMemory<byte> payload, SafeFileHandle? descriptor)
    {
        Kind = kind;
        Payload = payload;
        _descriptor = descriptor;
    }

    /// <summary>What it says.</summary>
    public KeeperFrameKind Kind { get; }

    /// <summary>Its JSON; bounded by <see cref="KeeperFrameHeader.MaxPayloadBytes"/>.</summary>
    public ReadOnlyMemory<byte> Payload { get; }

    /// <summary>Takes the descriptor out; the caller closes it.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: none came with it.</exception>
    public SafeFileHandle TakeDescriptor() =>
        Interlocked.Exchange(ref _descriptor, null) ?? throw new DataLayerException(
            ErrorCode.InvalidArgument, $"The frame {Kind} came without its descriptor on the keeper's socket.");

    /// <inheritdoc/>
    public void Dispose() => Interlocked.Exchange(ref _descriptor, null)?.Dispose();
}
