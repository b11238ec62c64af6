namespace DataLayer.Engine.Tiering.Planning;

/// <summary>What one file costs before and after its move, and what the move itself costs.</summary>
/// <param name="HotBefore">A month of its hot copies as they are.</param>
/// <param name="ColdBefore">A month of its object as it is.</param>
/// <param name="HotAfter">A month of its hot copies afterwards.</param>
/// <param name="ColdAfter">A month of its object afterwards.</param>
/// <param name="Once">The move.</param>
/// <param name="RecallCost">Reading back what is not hot afterwards; 0 where all is.</param>
/// <param name="UseProbability">How likely that is within the plan's horizon, 0 to 1.</param>
public readonly record struct FilePrice(
    double HotBefore, double ColdBefore, double HotAfter, double ColdAfter, MoveCost Once, double RecallCost,
    double UseProbability)
{
    /// <summary>Change of the monthly bill; negative where it saves.</summary>
    public double MonthlyChange => HotAfter + ColdAfter - HotBefore - ColdBefore;

    /// <summary>Prices one file and its change.</summary>
    public static FilePrice Of(
        in FileFacts file, in PlacementChange change, TierPricing pricing, IUseForecast forecast, DateTimeOffset now,
        TimeSpan horizon)
    {
        ArgumentNullException.ThrowIfNull(pricing);
        ArgumentNullException.ThrowIfNull(forecast);
        StorageClassPrice from = pricing.Table.Find(file.StorageClass) ?? pricing.Table.DefaultClass;
        StorageClassPrice to = pricing.Table.Find(change.StorageClass) ?? pricing.Table.DefaultClass;
        bool packed = file.IsPacked || (change.Kinds & MoveKinds.Pack) != MoveKinds.None;
        double hotBefore = pricing.HotPerMonth(file.Pool, file.HotBytes, Math.Max(1, file.CopyCount));
        double coldBefore = file.HasObject ? pricing.ObjectPerMonth(from, file.SizeBytes, file.IsPacked) : 0;
        double hotAfter = pricing.HotPerMonth(file.Pool, change.HotBytes, change.CopyCount);
        double coldAfter = change.HasObject ? pricing.ObjectPerMonth(to, file.SizeBytes, packed) : 0;
        MoveCost once = default;
        if ((change.Kinds & MoveKinds.Upload) != MoveKinds.None)
        {
            // A file to be packed gets an object first, in the store's own class: writing owes it one anyway.
            once += pricing.Upload(packed ? pricing.Table.DefaultClass : to, file.SizeBytes);
        }

        if ((change.Kinds & MoveKinds.Pack) != MoveKinds.None)
        {
            bool isNew = (change.Kinds & MoveKinds.Upload) != MoveKinds.None;
            once += pricing.Pack(
                isNew ? pricing.Table.DefaultClass : from, to, file.SizeBytes, file.SizeBytes - file.HotBytes,
                isNew ? now : file.StoredAt, now);
        }

        if ((change.Kinds & MoveKinds.Reclass) != MoveKinds.None)
        {
            once += pricing.Reclass(from, to, file.SizeBytes, file.StoredAt, now);
        }

        if ((change.Kinds & MoveKinds.Recall) != MoveKinds.None)
        {
            once += pricing.Recall(from, change.HotBytes - file.HotBytes);
        }

        long missing = change.HasObject ? file.SizeBytes - change.HotBytes : 0;
        return missing <= 0
            ? new FilePrice(hotBefore, coldBefore, hotAfter, coldAfter, once, 0, 0)
            : new FilePrice(
                hotBefore, coldBefore, hotAfter, coldAfter, once, pricing.Recall(to, missing).Total,
                forecast.ProbabilityOfUse(file, now, horizon));
    }
}
