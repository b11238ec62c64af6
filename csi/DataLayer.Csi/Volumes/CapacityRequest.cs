using DataLayer.Csi.Grpc;
using DataLayer.Csi.Messages;

namespace DataLayer.Csi.Volumes;

/// <summary>A checked capacity_range, bytes; a limit of <see cref="long.MaxValue"/> is none.</summary>
/// <param name="RequiredBytes">At least so much; 0 where nothing was asked.</param>
/// <param name="LimitBytes">At most so much.</param>
internal readonly record struct CapacityRequest(long RequiredBytes, long LimitBytes)
{
    /// <summary>What a new volume gets: what is required, else the limit, else 0, which is no quota.</summary>
    public long Choice => RequiredBytes > 0 ? RequiredBytes : LimitBytes == long.MaxValue ? 0 : LimitBytes;

    /// <summary>Checks a range against itself and against the driver's largest volume.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: negative. OUT_OF_RANGE: nothing fits between the
    /// two.</exception>
    public static CapacityRequest Read(CapacityRange? range, long maxVolumeBytes)
    {
        if (range is null)
        {
            return new CapacityRequest(0, long.MaxValue);
        }

        if (range.RequiredBytes < 0 || range.LimitBytes < 0)
        {
            throw new RpcException(RpcCode.InvalidArgument, "capacity_range holds a negative number of bytes.");
        }

        if (range.LimitBytes > 0 && range.RequiredBytes > range.LimitBytes)
        {
            throw new RpcException(RpcCode.OutOfRange,
                $"capacity_range requires {range.RequiredBytes} bytes and allows {range.LimitBytes}.");
        }

        if (range.RequiredBytes > maxVolumeBytes)
        {
            throw new RpcException(RpcCode.OutOfRange,
                $"{range.RequiredBytes} bytes are over this driver's largest volume, {maxVolumeBytes} bytes.");
        }

        return new CapacityRequest(range.RequiredBytes, range.LimitBytes == 0 ? long.MaxValue : range.LimitBytes);
    }

    /// <summary>Whether a volume of this size (0: no quota) is one the range asks for.</summary>
    public bool Admits(long capacityBytes) =>
        capacityBytes == 0
            ? LimitBytes == long.MaxValue
            : capacityBytes >= RequiredBytes && capacityBytes <= LimitBytes;
}
