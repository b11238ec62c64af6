using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Engine.Feeds;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Http;

/// <summary>Datasets as the API writes them.</summary>
internal static class DatasetWire
{
    /// <summary>What a command asks for.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: an unknown word.</exception>
    public static DatasetSpec ToSpec(DatasetCommand command) => new()
    {
        Path = command.Path,
        Kind = Parse<DatasetKind>("kind", command.Kind),
        Include = command.Include,
        Labels = Parse<LabelSource>("labels", command.Labels),
        LabelsFrom = command.LabelsFrom,
        RecordBytes = command.RecordBytes,
        ValidationShare = command.Validation,
        SplitSalt = command.SplitSalt ?? string.Empty,
    };

    /// <summary>A dataset.</summary>
    public static DatasetStatus ToStatus(DatasetRecord record) => new()
    {
        Name = record.Name,
        State = record.PinnedAt is not null ? "pinned"
            : record.Fault is not null ? "failed"
            : record.Hash is null ? "building" : "ready",
        Spec = new DatasetCommand
        {
            Path = record.Spec.Path,
            Kind = WireWord.Of(record.Spec.Kind),
            Include = record.Spec.Include,
            Labels = WireWord.Of(record.Spec.Labels),
            LabelsFrom = record.Spec.LabelsFrom,
            RecordBytes = record.Spec.RecordBytes,
            Validation = record.Spec.ValidationShare,
            SplitSalt = record.Spec.SplitSalt.Length == 0 ? null : record.Spec.SplitSalt,
        },
        Hash = record.Hash,
        Samples = record.Samples,
        ValidationSamples = record.ValidationSamples,
        Files = record.Files,
        SampleBytes = record.SampleBytes,
        IndexBytes = record.IndexBytes,
        ManifestBytes = record.ManifestBytes,
        ReadFiles = record.ReadFiles,
        Classes = record.Classes,
        RecordBytes = record.RecordBytes,
        ElementType = record.ElementType,
        Shape = record.Shape,
        CreatedAt = record.CreatedAt,
        BuiltAt = record.BuiltAt,
        PinnedAt = record.PinnedAt,
        Fault = record.Fault,
    };

    /// <summary>What a verification found.</summary>
    public static DatasetVerificationReport ToReport(DatasetVerification found)
    {
        List<DatasetGapReport> gaps = [];
        foreach (DatasetGap gap in found.Gaps)
        {
            gaps.Add(new DatasetGapReport { Path = gap.Path, Samples = gap.Samples, Reason = gap.Reason });
        }

        return new DatasetVerificationReport
        {
            Files = found.Files,
            Samples = found.Samples,
            BadFiles = found.BadFiles,
            BadSamples = found.BadSamples,
            Gaps = gaps,
        };
    }

    /// <summary>The order that a query asks for.</summary>
    public static OrderSpec ToOrder(HttpContext context) => new()
    {
        Mode = Parse<OrderMode>("mode", RequestTarget.Text(context, "mode") ?? "shuffle"),
        Part = Parse<DatasetPart>("part", RequestTarget.Text(context, "part") ?? "all"),
        Seed = RequestTarget.Number(context, "seed", 0, long.MinValue, long.MaxValue),
        BlockSamples = RequestTarget.Count(context, "block", 1024, 1, int.MaxValue),
        WindowBlocks = RequestTarget.Count(context, "window", 16, 1, 1 << 20),
        Weights = [.. (RequestTarget.Text(context, "weights") ?? string.Empty)
            .Split(',', StringSplitOptions.RemoveEmptyEntries).Select(ParseWeight)],
    };

    private static uint ParseWeight(string text) =>
        uint.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out uint weight)
            ? weight
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"weights: '{text}' is no whole number from 0 to {uint.MaxValue}.");

    private static T Parse<T>(string what, string? word)
        where T : struct, Enum
    {
        foreach (T value in Enum.GetValues<T>())
        {
            if (WireWord.Of(value) == word)
            {
                return value;
            }
        }

        throw new DataLayerException(
            ErrorCode.InvalidArgument,
            $"{what} is none of {string.Join(", ", Enum.GetValues<T>().Select(v => WireWord.Of(v)))}.");
    }
}
