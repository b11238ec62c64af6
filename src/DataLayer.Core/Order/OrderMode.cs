namespace DataLayer.Core.Order;

/// <summary>How a pass goes over a dataset. The names are part of a feed's identity.</summary>
public enum OrderMode
{
    /// <summary>As the index has them.</summary>
    Sequential,

    /// <summary>Each sample once, in an order where every permutation is about as likely.</summary>
    Shuffle,

    /// <summary>
    /// Each sample once: blocks of neighbours are shuffled, then the samples among the blocks of a window. A cold
    /// dataset is read in large pieces.
    /// </summary>
    Blocks,

    /// <summary>Drawn with replacement, in proportion to the weight of the sample's class.</summary>
    Weighted,

    /// <summary>
    /// Each class equally often: every round takes one sample of each class, and each class goes over its samples in
    /// shuffled trips.
    /// </summary>
    Balanced,

    /// <summary>
    /// Each sample once: blocks of samples of near lengths, in shuffled order, so that padding a batch wastes little.
    /// </summary>
    Lengths,
}
