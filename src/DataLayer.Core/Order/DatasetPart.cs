namespace DataLayer.Core.Order;

/// <summary>Which samples of a dataset a feed goes over. The names are part of a feed's identity.</summary>
public enum DatasetPart
{
    /// <summary>All.</summary>
    All,

    /// <summary>What is not held out.</summary>
    Train,

    /// <summary>What the dataset's split holds out.</summary>
    Validation,
}
