namespace DataLayer.EndToEndTests.Load;

/// <summary>What one file may hold: a base content with acknowledged writes over it, and at most one change whose end is not known.</summary>
/// <remarks>Immutable: a change makes a new model, so the states before and after an interrupted operation can both be kept.</remarks>
internal sealed record FileModel(Content Base)
{
    /// <summary>Acknowledged writes in place, in order.</summary>
    internal IReadOnlyList<(int Offset, Content Bytes)> Writes { get; init; } = [];

    /// <summary>The file's length: writes may lie past the base's end (the gap reads as zeros); a cut limits it.</summary>
    internal int Length { get; init; } = Base.Length;

    /// <summary>The model after a write in place.</summary>
    internal FileModel With(int offset, Content bytes) =>
        this with { Writes = [.. Writes, (offset, bytes)], Length = Math.Max(Length, offset + bytes.Length) };

    /// <summary>The expected bytes.</summary>
    internal byte[] ToBytes()
    {
        var bytes = new byte[Length];
        Base.ToBytes().AsSpan(0, Math.Min(Base.Length, Length)).CopyTo(bytes);
        foreach (var (offset, content) in Writes)
        {
            content.ToBytes().CopyTo(bytes, offset);
        }

        return bytes;
    }

    /// <summary>Whether bytes read back may be this file with the last write torn: each byte is old or new, nothing else.</summary>
    internal static bool IsBetween(FileModel before, FileModel after, ReadOnlySpan<byte> found)
    {
        var (old, young) = (before.ToBytes(), after.ToBytes());
        if (found.Length != old.Length && found.Length != young.Length)
        {
            return false;
        }

        for (var i = 0; i < found.Length; i++)
        {
            var was = i < old.Length ? old[i] : (byte)0;
            var will = i < young.Length ? young[i] : (byte)0;
            if (found[i] != was && found[i] != will)
            {
                return false;
            }
        }

        return true;
    }
}
