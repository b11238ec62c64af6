namespace DataLayer.Engine.Tiering.Planning;

/// <summary>What doing something once costs, by cause, in the price table's currency.</summary>
/// <param name="Requests">Requests, a count; files that share a pack have a fraction of its requests each.</param>
/// <param name="RequestCost">Their price, restores included.</param>
/// <param name="RetrievalCost">For bytes read out of a class that charges for it.</param>
/// <param name="EgressCost">For bytes that leave the object store.</param>
/// <param name="EarlyDeletionCost">The rest of a minimum storage duration.</param>
public readonly record struct MoveCost(
    double Requests, double RequestCost, double RetrievalCost, double EgressCost, double EarlyDeletionCost)
{
    /// <summary>All of it.</summary>
    public double Total => RequestCost + RetrievalCost + EgressCost + EarlyDeletionCost;

    /// <summary>Both.</summary>
    public static MoveCost operator +(MoveCost left, MoveCost right) => left.Add(right);

    /// <summary>A part or a multiple.</summary>
    public static MoveCost operator *(MoveCost cost, double factor) => cost.Multiply(factor);

    /// <summary>Both.</summary>
    public MoveCost Add(MoveCost other) =>
        new(
            Requests + other.Requests, RequestCost + other.RequestCost, RetrievalCost + other.RetrievalCost,
            EgressCost + other.EgressCost, EarlyDeletionCost + other.EarlyDeletionCost);

    /// <summary>A part or a multiple.</summary>
    public MoveCost Multiply(double factor) =>
        new(
            Requests * factor, RequestCost * factor, RetrievalCost * factor, EgressCost * factor,
            EarlyDeletionCost * factor);
}
