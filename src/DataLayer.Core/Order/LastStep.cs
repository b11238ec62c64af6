namespace DataLayer.Core.Order;

/// <summary>What becomes of the positions at the end of a pass that do not fill a step of all ranks.</summary>
public enum LastStep
{
    /// <summary>They are left out of this pass.</summary>
    Drop,

    /// <summary>
    /// They are dealt out in a shorter step; ranks that get one less take a position from the pass's begin instead,
    /// marked as padding.
    /// </summary>
    Pad,
}
