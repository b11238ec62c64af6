namespace DataLayer.Core.Order;

/// <summary>In which order the ordinals of an order count the samples of its part.</summary>
public enum OrdinalSorting
{
    /// <summary>As the index has them.</summary>
    Number,

    /// <summary>By class, then as the index has them.</summary>
    Class,

    /// <summary>By length in bytes, the shortest first, then as the index has them.</summary>
    Length,
}
