using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Heat;

/// <summary>What was counted of one file in some time.</summary>
/// <param name="Sums">What it was read.</param>
/// <param name="WholeReads">Reads of the whole content that the kernel did by itself, a guess.</param>
/// <param name="SizeBytes">The content's length.</param>
/// <param name="AttachmentId">The attachment it lies under, or 0.</param>
internal readonly record struct AccessTally(AccessSums Sums, long WholeReads, long SizeBytes, long AttachmentId)
{
    /// <summary>What the score grows by: reads of the whole content.</summary>
    public double Amount => WholeReads + (SizeBytes > 0 ? (double)Sums.ReadBytes / SizeBytes : 0);

    /// <summary>Both together, of the length and place known last.</summary>
    public static AccessTally operator +(in AccessTally left, in AccessTally right) =>
        right with { Sums = left.Sums + right.Sums, WholeReads = left.WholeReads + right.WholeReads };
}
