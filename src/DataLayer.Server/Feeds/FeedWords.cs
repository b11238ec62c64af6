using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Protocol.Feeds;

namespace DataLayer.Server.Feeds;

/// <summary>What the wire says in the engine's words, and back.</summary>
internal static class FeedWords
{
    private const int MaxClassNames = 10_000;

    /// <summary>Reads what a client wants.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, with the member, its value and what it may be.</exception>
    public static FeedRequest ToRequest(FeedOpen open) => new()
    {
        Dataset = open.Dataset is { Length: > 0 } name ? name : throw Bad("dataset is missing: give a dataset's name"),
        IndexHash = open.Index,
        Order = open.Order is null ? new OrderSpec() : OrderText.Parse(open.Order),
        Rank = open.Rank,
        World = open.World ?? 1,
        Batch = open.Batch,
        LastStep = open.Last switch
        {
            null or "drop" => LastStep.Drop,
            "pad" => LastStep.Pad,
            _ => throw Bad($"last is '{open.Last}', not drop or pad"),
        },
        Cursor = open.Cursor,
        Passes = open.Passes ?? 1,
        Every = open.Every ?? 1,
        Skip = open.Skip,
        SlabCount = open.Slabs ?? 4,
        Layout = open.Layout switch
        {
            null or "auto" => null,
            "samples" => BatchLayoutKind.Samples,
            "dense" => BatchLayoutKind.Dense,
            "padded" => BatchLayoutKind.Padded,
            _ => throw Bad($"layout is '{open.Layout}', not auto, samples, dense or padded"),
        },
        Pad = open.Pad is >= 0 and <= 255
            ? (byte)open.Pad
            : throw Bad($"pad is {open.Pad}: it is a byte, 0 to 255"),
        Element = open.Element is null ? null : ElementOf("element", open.Element),
        Cast = open.Cast is null ? null : CastOf(open.Cast),
        Keys = open.Keys,
    };

    /// <summary>Describes a feed that was opened.</summary>
    public static FeedOpened ToOpened(FeedRun run)
    {
        int classes = run.Index.ClassCount;
        return new FeedOpened
        {
            Feed = run.Order.FeedId,
            Index = Convert.ToHexStringLower(run.Index.Hash),
            Order = run.Order.Spec.ToCanonicalText(),
            Cursor = run.Request.Cursor,
            PassLength = run.Order.PassLength,
            Samples = run.Index.CountOf(run.Order.Spec.Part),
            Kind = Engine.Feeds.DatasetKind.Files == run.Index.Kind ? "files"
                : run.Index.Kind.ToString().ToLowerInvariant(),
            Classes = classes,
            ClassNames = classes is > 0 and <= MaxClassNames ? run.Index.Classes : null,
            RecordBytes = run.Index.RecordBytes > 0 ? run.Index.RecordBytes : null,
            ElementType = FeedElements.NameOf(run.Element),
            Shape = run.Shape,
            Layout = LayoutText(run.Layout),
        };
    }

    /// <summary>A layout's name on the wire.</summary>
    public static string LayoutText(BatchLayoutKind layout) => layout switch
    {
        BatchLayoutKind.Dense => "dense",
        BatchLayoutKind.Padded => "padded",
        _ => "samples",
    };

    private static FeedCastRequest CastOf(FeedCast cast) => new()
    {
        To = ElementOf("cast.to", cast.To),
        Scale = cast.Scale ?? [1],
        Offset = cast.Offset ?? [0],
        ChannelsFirst = cast.Channels switch
        {
            null or "last" => false,
            "first" => true,
            _ => throw Bad($"cast.channels is '{cast.Channels}', not last or first"),
        },
    };

    private static FeedElement ElementOf(string member, string? name) =>
        FeedElements.TryParse(name, out FeedElement element)
            ? element
            : throw Bad($"{member} is '{name}', not one of {string.Join(", ", FeedElements.Names!)}");

    private static DataLayerException Bad(string what) => new(
        ErrorCode.InvalidArgument, $"The feed cannot be opened: {what} (docs/FORMATS/feed.md).");
}
