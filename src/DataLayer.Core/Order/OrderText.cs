using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Core.Order;

/// <summary>Reads orders as <see cref="OrderSpec.ToCanonicalText"/> writes them.</summary>
public static class OrderText
{
    private const string Example = "write it as 'shuffle;part=all;seed=0' (docs/FORMATS/order.md)";

    /// <summary>Reads an order.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, with what is wrong and how it is written.</exception>
    public static OrderSpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(';');
        OrderSpec order = parts[0] switch
        {
            "sequential" => new OrderSpec { Mode = OrderMode.Sequential },
            "shuffle" => new OrderSpec { Mode = OrderMode.Shuffle },
            "blocks" => new OrderSpec { Mode = OrderMode.Blocks },
            "weighted" => new OrderSpec { Mode = OrderMode.Weighted },
            "balanced" => new OrderSpec { Mode = OrderMode.Balanced },
            "lengths" => new OrderSpec { Mode = OrderMode.Lengths },
            _ => throw Bad(text, $"there is no mode '{parts[0]}'"),
        };
        foreach (string part in parts.AsSpan(1))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            string value = part[(equals + 1)..];
            order = (equals < 0 ? part : part[..equals], order.Mode) switch
            {
                ("part", _) => order with { Part = PartOf(text, value) },
                ("seed", _) => order with { Seed = Number(text, value, long.MinValue, long.MaxValue) },
                ("block", OrderMode.Blocks or OrderMode.Lengths) => order with
                {
                    BlockSamples = (int)Number(text, value, 1, int.MaxValue),
                },
                ("window", OrderMode.Blocks or OrderMode.Lengths) => order with
                {
                    WindowBlocks = (int)Number(text, value, 1, 1 << 20),
                },
                ("weights", OrderMode.Weighted) => order with { Weights = Numbers(text, value) },
                _ => throw Bad(text, $"the mode '{parts[0]}' has no '{part}'"),
            };
        }

        // One text for one order: what a client hashes is what the service does.
        return order.ToCanonicalText() == text
            ? order
            : throw Bad(text, $"in full it is '{order.ToCanonicalText()}'");
    }

    private static DatasetPart PartOf(string text, string value) => value switch
    {
        "all" => DatasetPart.All,
        "train" => DatasetPart.Train,
        "validation" => DatasetPart.Validation,
        _ => throw Bad(text, $"part is '{value}', not all, train or validation"),
    };

    private static uint[] Numbers(string text, string value)
    {
        string[] words = value.Split(',');
        uint[] numbers = new uint[words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            numbers[i] = (uint)Number(text, words[i], 0, uint.MaxValue);
        }

        return numbers;
    }

    private static long Number(string text, string value, long least, long most) =>
        long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number)
            && number >= least && number <= most
            ? number
            : throw Bad(text, $"'{value}' is no whole number from {least} to {most}");

    private static DataLayerException Bad(string text, string why) => new(
        ErrorCode.InvalidArgument,
        $"The order '{(text.Length > 200 ? text[..200] : text)}' is none: {why}; {Example}.");
}
