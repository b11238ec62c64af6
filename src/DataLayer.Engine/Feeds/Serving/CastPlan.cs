using DataLayer.Core.Batches;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>
/// What elements become on their way into a batch: x of channel c becomes x × scale[c] + offset[c], product and sum
/// each rounded in float32, then rounded to nearest, ties to even. Any thread.
/// </summary>
internal sealed class CastPlan
{
    private readonly FeedElement _from;

    /// <summary>Scales and offsets as the loop takes them: of all channels, or of one channel each.</summary>
    private readonly (float[] Scale, float[] Offset)[] _numbers;

    /// <summary>Elements in a row of one channel, where the channels are the first axis; else 0.</summary>
    private readonly long _run;

    private CastPlan(FeedElement from, FeedElement to, (float[] Scale, float[] Offset)[] numbers, long run) =>
        (_from, To, _numbers, _run) = (from, to, numbers, run);

    /// <summary>What they become.</summary>
    public FeedElement To { get; }

    /// <summary>Checks a cast.</summary>
    /// <param name="request">What is asked for.</param>
    /// <param name="from">What the elements are.</param>
    /// <param name="recordBytes">Length of a fixed record, bytes; 0 of other kinds.</param>
    /// <param name="shape">Its shape; null where unknown.</param>
    /// <exception cref="Core.Errors.DataLayerException">InvalidArgument, with what to change.</exception>
    public static CastPlan Make(
        FeedCastRequest request, FeedElement from, long recordBytes, IReadOnlyList<long>? shape)
    {
        if (from is not (FeedElement.UInt8 or FeedElement.Float32))
        {
            throw FeedSetup.Refuse(
                $"cast is from {FeedElements.NameOf(from)}: only uint8 and float32 can be cast. Say what the samples "
                + "are with element, or leave cast out.");
        }

        if (request.To is not (FeedElement.Float32 or FeedElement.Float16 or FeedElement.BFloat16 or FeedElement.Int8))
        {
            throw FeedSetup.Refuse(
                $"cast.to is {FeedElements.NameOf(request.To)}: give float32, float16, bfloat16 or int8.");
        }

        int channels = Math.Max(request.Scale.Count, request.Offset.Count);
        if (request.Scale.Count < 1 || request.Offset.Count < 1
            || (request.Scale.Count != channels && request.Scale.Count != 1)
            || (request.Offset.Count != channels && request.Offset.Count != 1))
        {
            throw FeedSetup.Refuse(
                $"cast has {request.Scale.Count} scales and {request.Offset.Count} offsets: give one number each, or "
                + "one for each channel.");
        }

        if (channels > 1)
        {
            CheckChannels(request, channels, shape);
        }

        if (channels == 1 || !request.ChannelsFirst)
        {
            return new CastPlan(
                from, request.To, [(Repeat(request.Scale, channels), Repeat(request.Offset, channels))], run: 0);
        }

        (float[], float[])[] numbers = new (float[], float[])[channels];
        for (int i = 0; i < channels; i++)
        {
            numbers[i] = (Repeat([At(request.Scale, i)], 1), Repeat([At(request.Offset, i)], 1));
        }

        return new CastPlan(from, request.To, numbers, recordBytes / FeedElements.SizeOf(from) / channels);
    }

    /// <summary>Casts a piece of a sample.</summary>
    /// <param name="source">Whole elements of the sample.</param>
    /// <param name="firstElement">Which one of the sample is the first.</param>
    /// <param name="destination">Room for as many elements after the cast.</param>
    public void Apply(ReadOnlySpan<byte> source, long firstElement, Span<byte> destination)
    {
        int from = FeedElements.SizeOf(_from);
        int to = FeedElements.SizeOf(To);
        int count = source.Length / from;
        for (int done = 0; done < count;)
        {
            int plane = 0;
            int length = count - done;
            if (_run > 0)
            {
                long element = firstElement + done;
                plane = (int)(element / _run % _numbers.Length);
                length = (int)Math.Min(length, _run - (element % _run));
            }

            (float[] scale, float[] offset) = _numbers[plane];
            int channel = (int)((firstElement + done) % (scale.Length - CastKernel.Width));
            Run(source.Slice(done * from, length * from), destination[(done * to)..], scale, offset, channel);
            done += length;
        }
    }

    private void Run(ReadOnlySpan<byte> source, Span<byte> destination, float[] scale, float[] offset, int channel)
    {
        switch (_from, To)
        {
            case (FeedElement.UInt8, FeedElement.Float32):
                CastKernel.Run<CastKernel.FromUInt8, CastKernel.ToFloat32>(source, destination, scale, offset, channel);
                break;
            case (FeedElement.UInt8, FeedElement.Float16):
                CastKernel.Run<CastKernel.FromUInt8, CastKernel.ToFloat16>(source, destination, scale, offset, channel);
                break;
            case (FeedElement.UInt8, FeedElement.BFloat16):
                CastKernel.Run<CastKernel.FromUInt8, CastKernel.ToBFloat16>(
                    source, destination, scale, offset, channel);
                break;
            case (FeedElement.UInt8, _):
                CastKernel.Run<CastKernel.FromUInt8, CastKernel.ToInt8>(source, destination, scale, offset, channel);
                break;
            case (_, FeedElement.Float32):
                CastKernel.Run<CastKernel.FromFloat32, CastKernel.ToFloat32>(
                    source, destination, scale, offset, channel);
                break;
            case (_, FeedElement.Float16):
                CastKernel.Run<CastKernel.FromFloat32, CastKernel.ToFloat16>(
                    source, destination, scale, offset, channel);
                break;
            case (_, FeedElement.BFloat16):
                CastKernel.Run<CastKernel.FromFloat32, CastKernel.ToBFloat16>(
                    source, destination, scale, offset, channel);
                break;
            default:
                CastKernel.Run<CastKernel.FromFloat32, CastKernel.ToInt8>(source, destination, scale, offset, channel);
                break;
        }
    }

    private static void CheckChannels(FeedCastRequest request, int channels, IReadOnlyList<long>? shape)
    {
        long there = shape is { Count: > 0 } ? request.ChannelsFirst ? shape[0] : shape[^1] : -1;
        if (there != channels)
        {
            string what = there < 0 ? "has no known shape" : $"has {there} channels ({string.Join(" × ", shape!)})";
            throw FeedSetup.Refuse(
                $"cast has numbers for {channels} channels, but a sample {what}: give one scale and one offset, or one "
                + "for each channel.");
        }
    }

    private static float At(IReadOnlyList<float> numbers, int channel) => numbers[numbers.Count == 1 ? 0 : channel];

    /// <summary>The numbers of all channels, and so many again that a turn of the loop may begin at any.</summary>
    private static float[] Repeat(IReadOnlyList<float> numbers, int channels)
    {
        float[] all = new float[channels + CastKernel.Width];
        for (int i = 0; i < all.Length; i++)
        {
            all[i] = At(numbers, i % channels);
        }

        return all;
    }
}
