namespace DataLayer.Core.Objects;

/// <summary>What a ranged read brought.</summary>
/// <param name="BytesRead">How many bytes were laid into the caller's buffer: fewer than asked only at the object's
/// end.</param>
/// <param name="ObjectSizeBytes">The whole object's size.</param>
/// <param name="ETag">The ETag of the object that was read, without quotes.</param>
public readonly record struct ObjectReadResult(int BytesRead, long ObjectSizeBytes, string ETag);
