using FASTER.core;

namespace DataLayer.Tests.Cache;

/// <summary>Passes everything on to a real device, but fails, truncates or damages what it is told to.</summary>
internal sealed class FaultyDevice(IDevice inner) : StorageDeviceBase("faulty", 512, -1)
{
    public bool FailWrites { get; set; }

    public bool FailReads { get; set; }

    public bool ThrowOnWrite { get; set; }

    public bool TruncateReads { get; set; }

    /// <summary>A byte of each read record to flip, or -1.</summary>
    public int FlipByte { get; set; } = -1;

    /// <summary>Answers reads with what lies this much further on.</summary>
    public long Misdirect { get; set; }

    public override void Initialize(long segmentSize, LightEpoch epoch = null!, bool omitSegmentIdFromFilename = false)
    {
        base.Initialize(segmentSize, epoch, omitSegmentIdFromFilename);
        inner.Initialize(segmentSize, epoch, omitSegmentIdFromFilename);
    }

    public override void WriteAsync(
        nint sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context)
    {
        if (ThrowOnWrite)
        {
            throw new IOException("No space left on device");
        }

        if (FailWrites)
        {
            callback(28, 0, context);
        }
        else
        {
            inner.WriteAsync(sourceAddress, segmentId, destinationAddress, numBytesToWrite, callback, context);
        }
    }

    public override void ReadAsync(
        int segmentId, ulong sourceAddress, nint destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context)
    {
        if (FailReads)
        {
            callback(5, 0, context);
            return;
        }

        ulong source = sourceAddress + (ulong)Misdirect;
        inner.ReadAsync(segmentId, source, destinationAddress, readLength, (error, bytes, state) => Damage(error, bytes, destinationAddress, callback, state), context);
    }

    public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result) =>
        inner.RemoveSegmentAsync(segment, callback, result);

    public override void Dispose() => inner.Dispose();

    private unsafe void Damage(uint error, uint bytes, nint destination, DeviceIOCompletionCallback callback, object context)
    {
        if (error == 0 && FlipByte >= 0 && FlipByte < bytes)
        {
            ((byte*)destination)[FlipByte] ^= 0x10;
        }

        callback(error, TruncateReads ? bytes / 2 : bytes, context);
    }
}
