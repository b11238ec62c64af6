using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.Core.Order;

/// <summary>What order a feed asks for. With the index hash and the seed it is the whole identity of a feed.</summary>
public sealed record OrderSpec
{
    /// <summary>How a pass goes. Default: shuffled.</summary>
    public OrderMode Mode { get; init; } = OrderMode.Shuffle;

    /// <summary>Which samples. Default: all.</summary>
    public DatasetPart Part { get; init; } = DatasetPart.All;

    /// <summary>What distinguishes feeds over the same samples; any number.</summary>
    public long Seed { get; init; }

    /// <summary>
    /// Of <see cref="OrderMode.Blocks"/>: how many neighbours a block has; of <see cref="OrderMode.Lengths"/> how many
    /// samples of near lengths stand together: a step of all ranks, or several. 1 to 2^31 − 1. Default 1,024.
    /// </summary>
    public int BlockSamples { get; init; } = 1024;

    /// <summary>
    /// Of <see cref="OrderMode.Blocks"/> and <see cref="OrderMode.Lengths"/>: among how many blocks samples are
    /// shuffled, 1 to 2^20. Default 16.
    /// </summary>
    public int WindowBlocks { get; init; } = 16;

    /// <summary>
    /// Of <see cref="OrderMode.Weighted"/>: the weight of a sample of each class, by class number, whole numbers from
    /// 0 on.
    /// </summary>
    public IReadOnlyList<uint> Weights { get; init; } = [];

    /// <summary>The spec as text that a feed's identity is made of: only what its mode uses.</summary>
    public string ToCanonicalText()
    {
        string mode = Mode switch
        {
            OrderMode.Sequential => "sequential",
            OrderMode.Shuffle => "shuffle",
            OrderMode.Blocks => string.Create(
                CultureInfo.InvariantCulture, $"blocks;block={BlockSamples};window={WindowBlocks}"),
            OrderMode.Weighted => string.Create(
                CultureInfo.InvariantCulture, $"weighted;weights={string.Join(',', Weights)}"),
            OrderMode.Balanced => "balanced",
            OrderMode.Lengths => string.Create(
                CultureInfo.InvariantCulture, $"lengths;block={BlockSamples};window={WindowBlocks}"),
            _ => throw new InvalidOperationException($"There is no order {Mode}."),
        };
        string part = Part switch
        {
            DatasetPart.All => "all",
            DatasetPart.Train => "train",
            DatasetPart.Validation => "validation",
            _ => throw new InvalidOperationException($"There is no part {Part}."),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{mode};part={part};seed={Seed}");
    }

    /// <summary>
    /// The identity of a feed over an index: two feeds with the same one give the same samples in the same order.
    /// Lower-case hexadecimal, 64 characters.
    /// </summary>
    public string GetFeedId(ReadOnlySpan<byte> indexHash)
    {
        byte[] text = Encoding.ASCII.GetBytes($"datalayer-feed-1\0{ToCanonicalText()}\0");
        byte[] input = new byte[text.Length + indexHash.Length];
        text.CopyTo(input, 0);
        indexHash.CopyTo(input.AsSpan(text.Length));
        return Convert.ToHexStringLower(SHA256.HashData(input));
    }
}
