namespace DataLayer.Engine.Files.Nodes;

/// <summary>What <see cref="OpenFile.AllocateAsync"/> does to a range.</summary>
public enum FallocateMode
{
    /// <summary>The file is at least as long as the range's end; new bytes are zeros.</summary>
    Extend = 0,

    /// <summary>Only checks that there is room (FALLOC_FL_KEEP_SIZE).</summary>
    KeepSize = 1,

    /// <summary>The range reads as zeros and holds no space; the length stays (FALLOC_FL_PUNCH_HOLE).</summary>
    PunchHole = 2,

    /// <summary>The range reads as zeros, the file grows if need be (FALLOC_FL_ZERO_RANGE).</summary>
    ZeroRange = 3,

    /// <summary>As <see cref="ZeroRange"/>; the length stays.</summary>
    ZeroRangeKeepSize = 4,
}
