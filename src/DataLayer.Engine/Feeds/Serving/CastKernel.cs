using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>
/// The loop of a cast: 16 elements at a time by vectors, the rest one by one, with the same result bit for bit. Source
/// and target are types, so that each pair becomes a loop of its own.
/// </summary>
internal static class CastKernel
{
    /// <summary>Elements in a turn of the loop, a count.</summary>
    public const int Width = 16;

    /// <summary>Where elements come from.</summary>
    public interface ISource
    {
        /// <summary>Length of an element, bytes.</summary>
        static abstract int Size { get; }

        static abstract Vector512<float> Load(ref byte source);

        static abstract float LoadOne(ref byte source);
    }

    /// <summary>What elements become.</summary>
    public interface ITarget
    {
        /// <summary>Length of an element, bytes.</summary>
        static abstract int Size { get; }

        static abstract void Store(Vector512<float> value, ref byte target);

        static abstract void StoreOne(float value, ref byte target);
    }

    /// <summary>Casts elements.</summary>
    /// <param name="source">Whole elements.</param>
    /// <param name="target">Room for as many.</param>
    /// <param name="scale">The scales of all channels and the first <see cref="Width"/> of them again.</param>
    /// <param name="offset">The offsets, likewise.</param>
    /// <param name="channel">The channel of the first element.</param>
    public static void Run<TSource, TTarget>(
        ReadOnlySpan<byte> source, Span<byte> target, ReadOnlySpan<float> scale, ReadOnlySpan<float> offset,
        int channel)
        where TSource : ISource
        where TTarget : ITarget
    {
        int count = source.Length / TSource.Size;
        target = target[..(count * TTarget.Size)];
        int channels = scale.Length - Width;
        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(target);
        int at = 0;
        int step = Width % channels;
        if (Vector256.IsHardwareAccelerated && count >= Width && channels == 1)
        {
            Vector512<float> times = Vector512.Create(scale[0]);
            Vector512<float> plus = Vector512.Create(offset[0]);
            int last = count - Width;
            while (true)
            {
                Vector512<float> value = (TSource.Load(ref Unsafe.Add(ref from, at * TSource.Size)) * times) + plus;
                TTarget.Store(value, ref Unsafe.Add(ref to, at * TTarget.Size));
                if (at == last)
                {
                    return;
                }

                at = Math.Min(at + Width, last); // The last turn does some elements again.
            }
        }

        if (Vector256.IsHardwareAccelerated && count >= Width)
        {
            int first = channel;
            while (at < count)
            {
                if (at > count - Width)
                {
                    // The last turn does some elements again.
                    at = count - Width;
                    channel = (first + at) % channels;
                }

                Vector512<float> value = TSource.Load(ref Unsafe.Add(ref from, at * TSource.Size))
                    * Vector512.Create(scale.Slice(channel, Width));
                value += Vector512.Create(offset.Slice(channel, Width));
                TTarget.Store(value, ref Unsafe.Add(ref to, at * TTarget.Size));
                channel += step;
                channel -= channel >= channels ? channels : 0;
                at += Width;
            }
        }

        for (; at < count; at++)
        {
            float product = TSource.LoadOne(ref Unsafe.Add(ref from, at * TSource.Size)) * scale[channel];
            TTarget.StoreOne(product + offset[channel], ref Unsafe.Add(ref to, at * TTarget.Size));
            channel = channel + 1 == channels ? 0 : channel + 1;
        }
    }

    /// <summary>Stores the lower halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreLow(Vector512<uint> words, ref byte target)
    {
        Vector256<ushort> low = Avx512F.IsSupported
            ? Avx512F.ConvertToVector256UInt16(words)
            : Vector256.Narrow(words.GetLower(), words.GetUpper());
        low.AsByte().StoreUnsafe(ref target);
    }

    /// <summary>Unsigned bytes.</summary>
    public readonly struct FromUInt8 : ISource
    {
        public static int Size => 1;

        public static Vector512<float> Load(ref byte source)
        {
            Vector256<byte> bytes = Vector128.LoadUnsafe(ref source).ToVector256Unsafe();
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.WidenLower(bytes));
            return Vector512.ConvertToSingle(Vector512.Create(low, high).AsInt32());
        }

        public static float LoadOne(ref byte source) => source;
    }

    /// <summary>Floats of 32 bits.</summary>
    public readonly struct FromFloat32 : ISource
    {
        public static int Size => sizeof(float);

        public static Vector512<float> Load(ref byte source) => Vector512.LoadUnsafe(ref source).AsSingle();

        public static float LoadOne(ref byte source) => Unsafe.ReadUnaligned<float>(ref source);
    }

    /// <summary>Floats of 32 bits.</summary>
    public readonly struct ToFloat32 : ITarget
    {
        public static int Size => sizeof(float);

        public static void Store(Vector512<float> value, ref byte target) => value.AsByte().StoreUnsafe(ref target);

        public static void StoreOne(float value, ref byte target) => Unsafe.WriteUnaligned(ref target, value);
    }

    /// <summary>
    /// Floats of 16 bits, to nearest, ties to even; NaN becomes the quiet one. Subnormal results are rounded by an
    /// addition that shifts their bits to the end of a float; the others by adding just under half a unit, and one more
    /// where the last bit that stays is set. Mostly all sixteen are of the latter: then nothing else is computed.
    /// </summary>
    public readonly struct ToFloat16 : ITarget
    {
        private const uint Sign = 0x8000_0000;
        private const uint Infinity = 0x7F80_0000;
        private const uint TooLarge = 143u << 23;
        private const uint Smallest = 113u << 23;
        private const uint Magic = 126u << 23;
        private const uint Rebias = unchecked((uint)((15 - 127) << 23)) + 0xFFF;

        public static int Size => sizeof(ushort);

        public static void Store(Vector512<float> value, ref byte target) => StoreLow(ToBits(value), ref target);

        public static void StoreOne(float value, ref byte target)
        {
            uint bits = BitConverter.SingleToUInt32Bits(value);
            uint sign = bits & Sign;
            bits ^= sign;
            uint half = bits >= TooLarge ? bits > Infinity ? 0x7E00u : 0x7C00u
                : bits < Smallest
                    ? BitConverter.SingleToUInt32Bits(
                        BitConverter.UInt32BitsToSingle(bits) + BitConverter.UInt32BitsToSingle(Magic)) - Magic
                : unchecked(bits + Rebias + ((bits >> 13) & 1)) >> 13;
            Unsafe.WriteUnaligned(ref target, (ushort)(half | (sign >> 16)));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<uint> ToBits(Vector512<float> value)
        {
            Vector512<uint> bits = value.AsUInt32();
            Vector512<uint> sign = bits & Vector512.Create(Sign);
            bits ^= sign;
            Vector512<uint> normal =
                (bits + Vector512.Create(Rebias) + ((bits >>> 13) & Vector512<uint>.One)) >>> 13;
            if (Vector512.LessThanAll(bits - Vector512.Create(Smallest), Vector512.Create(TooLarge - Smallest)))
            {
                return normal | (sign >>> 16);
            }

            Vector512<int> ordered = bits.AsInt32(); // Without the sign, so that comparisons need no unsigned ones.
            Vector512<uint> special = Vector512.ConditionalSelect(
                Vector512.GreaterThan(ordered, Vector512.Create((int)Infinity)).AsUInt32(),
                Vector512.Create(0x7E00u), Vector512.Create(0x7C00u));
            Vector512<uint> magic = Vector512.Create(Magic);
            Vector512<uint> subnormal = (bits.AsSingle() + magic.AsSingle()).AsUInt32() - magic;
            Vector512<uint> half = Vector512.ConditionalSelect(
                Vector512.LessThan(ordered, Vector512.Create((int)Smallest)).AsUInt32(), subnormal, normal);
            half = Vector512.ConditionalSelect(
                Vector512.LessThan(ordered, Vector512.Create((int)TooLarge)).AsUInt32(), half, special);
            return half | (sign >>> 16);
        }
    }

    /// <summary>The upper halves of floats, to nearest, ties to even; NaN stays one.</summary>
    public readonly struct ToBFloat16 : ITarget
    {
        private const uint Quiet = 0x0040_0000;

        public static int Size => sizeof(ushort);

        public static void Store(Vector512<float> value, ref byte target) => StoreLow(ToBits(value), ref target);

        public static void StoreOne(float value, ref byte target)
        {
            uint bits = BitConverter.SingleToUInt32Bits(value);
            bits = float.IsNaN(value) ? bits | Quiet : bits + 0x7FFF + ((bits >> 16) & 1);
            Unsafe.WriteUnaligned(ref target, (ushort)(bits >> 16));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<uint> ToBits(Vector512<float> value)
        {
            Vector512<uint> bits = value.AsUInt32();
            Vector512<uint> rounded = bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512<uint>.One);
            return Vector512.ConditionalSelect(
                Vector512.Equals(value, value).AsUInt32(), rounded, bits | Vector512.Create(Quiet)) >>> 16;
        }
    }

    /// <summary>Signed bytes, to nearest, ties to even, saturated; NaN becomes 0.</summary>
    public readonly struct ToInt8 : ITarget
    {
        public static int Size => 1;

        public static void Store(Vector512<float> value, ref byte target)
        {
            Vector512<int> whole = ToWhole(value);
            Vector256<short> words = Vector256.Narrow(whole.GetLower(), whole.GetUpper());
            Vector128.Narrow(words.GetLower(), words.GetUpper()).AsByte().StoreUnsafe(ref target);
        }

        public static void StoreOne(float value, ref byte target) => target = float.IsNaN(value)
            ? (byte)0
            : (byte)(sbyte)Math.Clamp(MathF.Round(value, MidpointRounding.ToEven), sbyte.MinValue, sbyte.MaxValue);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<int> ToWhole(Vector512<float> value)
        {
            value &= Vector512.Equals(value, value); // NaN becomes 0.
            value = Vector512.Min(Vector512.Max(value, Vector512.Create(-128f)), Vector512.Create(127f));
            return Vector512.ConvertToInt32(Vector512.Round(value));
        }
    }
}
