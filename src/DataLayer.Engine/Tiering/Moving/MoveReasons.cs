namespace DataLayer.Engine.Tiering.Moving;

/// <summary>Why files are left alone, in words that reports count by.</summary>
internal static class MoveReasons
{
    public const string Gone = "It was removed since the plan.";
    public const string Changed = "It was changed since the plan.";
    public const string Reclassed = "Its object changed its storage class since the plan.";
    public const string Pinned = "It was pinned since the plan.";
    public const string Writing = "It is being written.";
    public const string NoObject = "No object holds its content: it was detached or changed since the plan.";
    public const string NoUpload = "No upload of it is due: its bucket is not attached read-write any more.";
    public const string ReadOnly = "Its bucket is attached read-only by now.";
    public const string Packed = "It lies in a pack, which keeps its class: unpack it first.";
    public const string NoClasses = "Its store has no storage classes.";
    public const string ObjectGone = "Its object is gone from the bucket: the hot copy stays.";
    public const string ObjectChanged = "Its object was changed in the bucket: the hot copy stays.";
    public const string ObjectDiffers = "Its object does not hold the bytes of the hot copy, which stays.";
    public const string BadHotCopy =
        "Its hot copy disagrees with its checksums and could not be repaired from the object.";
    public const string Interrupted = "It was under way when its job was cancelled.";
}
