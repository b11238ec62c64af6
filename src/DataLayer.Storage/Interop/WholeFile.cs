namespace DataLayer.Storage.Interop;

/// <summary>Small files that are replaced as a whole: after a crash there is the old one or the new one.</summary>
public static class WholeFile
{
    /// <summary>Writes a file in place of what is there; durable, with its name, on return.</summary>
    /// <exception cref="Core.Errors.DataLayerException">NoSpace, TargetFailed: the old file is as it was.</exception>
    public static void Write(string path, ReadOnlySpan<byte> bytes) =>
        DurableFile.WriteAtomically(path, bytes, replace: true);
}
