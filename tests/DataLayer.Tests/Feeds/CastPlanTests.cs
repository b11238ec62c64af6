using System.Buffers.Binary;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Engine.Feeds.Serving;

namespace DataLayer.Tests.Feeds;

public sealed class CastPlanTests
{
    public static TheoryData<FeedElement> Targets =>
        [FeedElement.Float32, FeedElement.Float16, FeedElement.BFloat16, FeedElement.Int8];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Every_kind_of_float_becomes_what_the_scalar_reference_says(FeedElement to)
    {
        List<float> values = [];
        for (uint high = 0; high < 65536; high += 7)
        {
            foreach (uint low in new uint[] { 0, 1, 0x0FFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xFFFF })
            {
                values.Add(BitConverter.UInt32BitsToSingle((high << 16) | low));
            }
        }

        for (int exponent = 0; exponent < 256; exponent++)
        {
            foreach (uint mantissa in new uint[] { 0, 1, 0x1000, 0x2000, 0x3000, 0x8000, 0x18000, 0x400000, 0x7FFFFF })
            {
                values.Add(BitConverter.UInt32BitsToSingle(((uint)exponent << 23) | mantissa));
                values.Add(BitConverter.UInt32BitsToSingle(0x8000_0000 | ((uint)exponent << 23) | mantissa));
            }
        }

        foreach (float special in new[] { 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.5f, 127.5f, -128.5f, -129f, 65504f, 65519.996f, 65520f, 65536f, 5.9604645E-08f, 2.9802322E-08f, 2.9802326E-08f, 6.1e-5f })
        {
            values.Add(special);
        }

        foreach ((float scale, float offset) in new[] { (1f, 0f), (0.5f, 0.25f), (-3f, 1e-3f) })
        {
            Check(new FeedCastRequest { To = to, Scale = [scale], Offset = [offset] }, [.. values], 1, null);
        }
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void Bytes_are_normalised_by_channel_wherever_a_piece_begins(FeedElement to)
    {
        byte[] bytes = new byte[3 * 41];
        new Random(3).NextBytes(bytes);
        foreach (bool first in new[] { false, true })
        {
            FeedCastRequest request = new()
            {
                To = to,
                Scale = [1 / 255f, 2 / 255f, 0.5f],
                Offset = [-0.5f, 0, 1],
                ChannelsFirst = first,
            };
            CastPlan plan = CastPlan.Make(request, FeedElement.UInt8, bytes.Length, first ? [3, 41] : [41, 3]);
            int size = FeedElements.SizeOf(to);
            byte[] expected = new byte[bytes.Length * size];
            for (int i = 0; i < bytes.Length; i++)
            {
                int channel = first ? i / 41 : i % 3;
                Reference(to, (bytes[i] * request.Scale[channel]) + request.Offset[channel], expected.AsSpan(i * size));
            }

            for (int cut = 0; cut <= bytes.Length; cut++)
            {
                byte[] actual = new byte[expected.Length];
                plan.Apply(bytes.AsSpan(0, cut), 0, actual);
                plan.Apply(bytes.AsSpan(cut), cut, actual.AsSpan(cut * size));
                Assert.Equal(expected, actual);
            }
        }
    }

    [Fact]
    public void A_cast_that_does_not_fit_is_told_why()
    {
        FeedCastRequest three = new() { To = FeedElement.Float32, Scale = [1, 2, 3] };
        Assert.Contains("uint8 and float32", Refuse(three, FeedElement.Int32, [3]), StringComparison.Ordinal);
        Assert.Contains("4 channels", Refuse(three, FeedElement.UInt8, [2, 4]), StringComparison.Ordinal);
        Assert.Contains("no known shape", Refuse(three, FeedElement.UInt8, null), StringComparison.Ordinal);
        Assert.Contains("2 offsets", Refuse(three with { Offset = [1, 2] }, FeedElement.UInt8, [3]), StringComparison.Ordinal);
        Assert.Contains("cast.to is int64", Refuse(three with { To = FeedElement.Int64 }, FeedElement.UInt8, [3]), StringComparison.Ordinal);
    }

    private static string Refuse(FeedCastRequest request, FeedElement from, long[]? shape) =>
        Assert.Throws<DataLayerException>(() => CastPlan.Make(request, from, 24, shape)).Message;

    private static void Check(FeedCastRequest request, float[] values, int first, long[]? shape)
    {
        CastPlan plan = CastPlan.Make(request, FeedElement.Float32, 0, shape);
        byte[] source = new byte[values.Length * 4];
        Buffer.BlockCopy(values, 0, source, 0, source.Length);
        int size = FeedElements.SizeOf(request.To);
        byte[] actual = new byte[values.Length * size];
        plan.Apply(source, first, actual);
        byte[] expected = new byte[size];
        for (int i = 0; i < values.Length; i++)
        {
            float product = values[i] * request.Scale[0];
            Reference(request.To, product + request.Offset[0], expected);
            if (!expected.AsSpan().SequenceEqual(actual.AsSpan(i * size, size)))
            {
                Assert.True(
                    float.IsNaN(product + request.Offset[0]) && IsNaN(request.To, actual.AsSpan(i * size, size)),
                    $"{values[i]:R} ({BitConverter.SingleToUInt32Bits(values[i]):X8}) became {Convert.ToHexString(actual.AsSpan(i * size, size))}, not {Convert.ToHexString(expected)}");
            }
        }
    }

    private static bool IsNaN(FeedElement to, ReadOnlySpan<byte> bytes) => to switch
    {
        FeedElement.Float32 => float.IsNaN(BinaryPrimitives.ReadSingleLittleEndian(bytes)),
        FeedElement.Float16 => Half.IsNaN(BinaryPrimitives.ReadHalfLittleEndian(bytes)),
        FeedElement.BFloat16 => float.IsNaN(BitConverter.UInt32BitsToSingle((uint)BinaryPrimitives.ReadUInt16LittleEndian(bytes) << 16)),
        _ => bytes[0] == 0,
    };

    /// <summary>Independent of the kernel: the framework's conversions; bfloat16 by comparing its two neighbours.</summary>
    private static void Reference(FeedElement to, float value, Span<byte> destination)
    {
        switch (to)
        {
            case FeedElement.Float32:
                BinaryPrimitives.WriteSingleLittleEndian(destination, value);
                break;
            case FeedElement.Float16:
                BinaryPrimitives.WriteHalfLittleEndian(destination, (Half)value);
                break;
            case FeedElement.BFloat16:
                uint down = BitConverter.SingleToUInt32Bits(value) >> 16;
                double below = Widen(down);
                double above = (down & 0x7FFF) == 0x7F7F ? Math.CopySign(Math.Pow(2, 128), value) : Widen(down + 1);
                double middle = (below + above) / 2;
                bool isUp = Math.Abs(value) > Math.Abs(middle) || (value == middle && (down & 1) == 1);
                BinaryPrimitives.WriteUInt16LittleEndian(
                    destination, (ushort)(float.IsNaN(value) ? down | 0x40 : float.IsInfinity(value) || !isUp ? down : down + 1));
                break;
            default:
                destination[0] = float.IsNaN(value) ? (byte)0
                    : (byte)(sbyte)Math.Clamp(Math.Round((double)value, MidpointRounding.ToEven), -128, 127);
                break;
        }
    }

    private static double Widen(uint half) => BitConverter.UInt32BitsToSingle(half << 16);
}
