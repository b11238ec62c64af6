using DataLayer.Core.Layout;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Writing;

/// <summary>A staged content between its record's append and the tree's knowing it.</summary>
/// <param name="Content">The content.</param>
/// <param name="Staged">What was appended.</param>
/// <param name="SizeBytes">Its length then.</param>
/// <param name="ModifyTime">Its time then.</param>
/// <param name="Epoch">The write epoch then: a later one means that it was written to since.</param>
/// <param name="Record">Where the bytes are; null for an empty content.</param>
internal sealed record StagedFlush(
    ContentState Content, StagedContent Staged, long SizeBytes, long ModifyTime, long Epoch, SegmentPlacement? Record);
