using DataLayer.Core.Identity;

namespace DataLayer.Engine.Files.State;

/// <summary>What one slot of <see cref="UnflushedFile"/> says.</summary>
/// <param name="Slot">Its number.</param>
/// <param name="Content">The content.</param>
/// <param name="SizeBytes">Its length as written.</param>
/// <param name="ModifyTime">When it was written last, nanoseconds since 1970 UTC.</param>
/// <param name="IsStaged">Whether its bytes are in the file, rather than in stripes.</param>
internal readonly record struct UnflushedRecord(
    int Slot, ContentId Content, long SizeBytes, long ModifyTime, bool IsStaged);
