using DataLayer.Core.Layout;

namespace DataLayer.Core.Tree;

/// <summary>
/// A file's attributes with where its current content lies: read as one, so the parts belong together.
/// </summary>
/// <param name="Attributes">The file.</param>
/// <param name="Placement">Where the hot copy lies, or null while no block was ever hot.</param>
/// <param name="Residency">Which blocks are hot: the stored bitmap; empty means none, or all where there is no
/// object.</param>
/// <param name="Object">The cold copy; with state <see cref="TierState.Hot"/> it is of an older content, kept for
/// If-Match.</param>
/// <param name="CheckedTimeNanoseconds">When the object was last seen to be current, nanoseconds since 1970 UTC; 0 if
/// never.</param>
public sealed record FileContent(
    InodeAttributes Attributes,
    Placement? Placement,
    ResidencyBitmap Residency,
    ObjectReference? Object,
    long CheckedTimeNanoseconds);
