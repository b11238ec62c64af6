using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>A request that was checked against its dataset: what the pipeline of a feed needs. Immutable.</summary>
internal sealed class FeedSetup
{
    private FeedSetup(
        FeedRequest request, SampleIndex index, SampleOrder order, RankSlice slice, BatchLayoutKind layout,
        FeedElement source, CastPlan? cast, FeedKeys? keys)
    {
        (Request, Index, Order, Slice, Layout) = (request, index, order, slice, layout);
        (SourceElement, Cast, Keys) = (source, cast, keys);
    }

    /// <summary>Samples in all batches of a feed that are under way, a count: their places take memory too.</summary>
    public const int MaxSamples = 1 << 22;

    public FeedRequest Request { get; }

    public SampleIndex Index { get; }

    public SampleOrder Order { get; }

    public RankSlice Slice { get; }

    public BatchLayoutKind Layout { get; }

    /// <summary>What the samples' elements are in their files.</summary>
    public FeedElement SourceElement { get; }

    /// <summary>What they are in a batch.</summary>
    public FeedElement Element => Cast?.To ?? SourceElement;

    public CastPlan? Cast { get; }

    /// <summary>The paths of samples; null where they are not wanted.</summary>
    public FeedKeys? Keys { get; }

    /// <summary>Checks a request.</summary>
    /// <exception cref="DataLayerException">
    /// InvalidArgument, with the value and what to change; NotFound: no such dataset; WrongState: it has no index;
    /// Stale: it has another index than the one that is expected.
    /// </exception>
    public static FeedSetup Check(DatasetService datasets, FeedRequest request)
    {
        SampleIndex index = datasets.Open(request.Dataset);
        CheckIndex(request, index);
        CheckNumbers(request);
        SampleOrder order = index.MakeOrder(request.Order);
        RankSlice slice = new(order.PassLength, request.World, request.Rank, request.Batch, request.LastStep);
        if (request.Cursor is < 0 or > long.MaxValue / 4
            || (request.Passes > 0 && request.Passes > long.MaxValue / order.PassLength))
        {
            throw Refuse(
                $"The cursor {request.Cursor} and {request.Passes} passes: a cursor counts positions from the begin of "
                + "pass 0 and is 0 or more, passes are counted from pass 0, and 0 passes never end.");
        }

        FeedElement element = ElementOf(request, index);
        CastPlan? cast = request.Cast is { } wanted
            ? CastPlan.Make(wanted, element, index.RecordBytes, index.Record?.Shape)
            : null;
        BatchLayoutKind layout = request.Layout
            ?? (index.RecordBytes > 0 ? BatchLayoutKind.Dense : BatchLayoutKind.Samples);
        FeedKeys? keys = request.Keys ? datasets.ReadKeys(request.Dataset, index) : null;
        return new FeedSetup(request, index, order, slice, layout, element, cast, keys);
    }

    /// <summary>How long a sample is in a batch, bytes.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it does not consist of whole elements.</exception>
    public long OutputBytes(in SamplePlace place)
    {
        int size = FeedElements.SizeOf(SourceElement);
        if (size > 1 && place.LengthBytes % size != 0)
        {
            throw Refuse(
                $"Sample {place.Number} has {place.LengthBytes} bytes, which are no whole elements of "
                + $"{FeedElements.NameOf(SourceElement)} ({size} bytes each). Ask for the right element, or for none.");
        }

        return Cast is null ? place.LengthBytes : place.LengthBytes / size * FeedElements.SizeOf(Cast.To);
    }

    internal static DataLayerException Refuse(string message) => new(ErrorCode.InvalidArgument, message);

    private static void CheckIndex(FeedRequest request, SampleIndex index)
    {
        string hash = Convert.ToHexStringLower(index.Hash);
        if (request.IndexHash is { } expected && !hash.Equals(expected, StringComparison.OrdinalIgnoreCase))
        {
            throw new DataLayerException(
                ErrorCode.Stale,
                $"Dataset '{request.Dataset}' has the index {hash}, not {expected}: its samples changed since. Pin a "
                + "dataset to keep its index; to go on with the new one begin again at cursor 0.");
        }
    }

    private static void CheckNumbers(FeedRequest request)
    {
        if (request.SlabCount is < 2 or > FeedRequest.MaxSlabs)
        {
            throw Refuse($"slabs is {request.SlabCount}: a feed has 2 to {FeedRequest.MaxSlabs}.");
        }

        if (request.Batch < 1 || (long)request.Batch * request.SlabCount > MaxSamples)
        {
            throw Refuse(
                $"batch is {request.Batch} with {request.SlabCount} slabs: a step of one rank has 1 sample or more, "
                + $"and all slabs together at most {MaxSamples}.");
        }

        if (request.Every is < 1 or > FeedRequest.MaxEvery || request.Skip < 0 || request.Skip >= request.Every)
        {
            throw Refuse(
                $"every is {request.Every} and skip {request.Skip}: every {FeedRequest.MaxEvery} steps or fewer one is "
                + "taken, and fewer than that are left out before the first.");
        }

        if (request.Passes < 0)
        {
            throw Refuse($"passes is {request.Passes}: give 0 for a feed that never ends, else 1 or more.");
        }
    }

    private static FeedElement ElementOf(FeedRequest request, SampleIndex index)
    {
        string? known = index.Record?.ElementType;
        if (known is null)
        {
            return request.Element ?? FeedElement.Bytes;
        }

        _ = FeedElements.TryParseNumPy(known, out FeedElement element);
        return request.Element is null || request.Element == element
            ? element
            : throw Refuse(
                $"element is {FeedElements.NameOf(request.Element.Value)}, but the index knows the elements of dataset "
                + $"'{request.Dataset}' as {known}: leave element out.");
    }
}
