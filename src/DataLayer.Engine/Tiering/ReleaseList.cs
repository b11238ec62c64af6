using System.Collections.Immutable;
using DataLayer.Core.Identity;

namespace DataLayer.Engine.Tiering;

/// <summary>A file whose hot copy may go.</summary>
/// <param name="Inode">The file.</param>
/// <param name="Path">Its path.</param>
/// <param name="Bytes">What its hot copies take, bytes.</param>
/// <param name="Targets">The targets they lie on.</param>
internal readonly record struct ReleaseCandidate(
    InodeId Inode, string Path, long Bytes, ImmutableArray<int> Targets);

/// <summary>What <see cref="ReleaseOrder"/> found; files are taken out of it. Not safe for concurrent use.</summary>
/// <param name="files">The files in order.</param>
/// <param name="releasableBytes">What all that may go take, also files past the bound.</param>
/// <param name="keptBytes">What pinned and excluded files take, and those of headrooms.</param>
/// <param name="onlyHotBytes">What is in the hot tier only.</param>
/// <param name="isCut">Whether there were more files than the bound.</param>
internal sealed class ReleaseList(
    List<ReleaseCandidate> files, long releasableBytes, long keptBytes, long onlyHotBytes, bool isCut)
{
    /// <summary>What all that may go takes, or took when it was looked for, bytes.</summary>
    public long ReleasableBytes => releasableBytes;

    /// <summary>What pinned and excluded files take, bytes.</summary>
    public long KeptBytes => keptBytes;

    /// <summary>What is in the hot tier only, bytes.</summary>
    public long OnlyHotBytes => onlyHotBytes;

    /// <summary>Whether there were more files than the bound.</summary>
    public bool IsCut => isCut;

    /// <summary>Takes the first files that lie on targets (any where none are given), to a sum and a count.</summary>
    public List<ReleaseCandidate> Take(ImmutableArray<int> targets, long bytes, int count)
    {
        List<ReleaseCandidate> taken = [];
        List<ReleaseCandidate> others = [];
        int at = 0;
        for (; at < files.Count && bytes > 0 && taken.Count < count; at++)
        {
            if (LiesOn(files[at].Targets, targets))
            {
                taken.Add(files[at]);
                bytes -= files[at].Bytes;
            }
            else
            {
                others.Add(files[at]);
            }
        }

        files.RemoveRange(0, at);
        files.InsertRange(0, others);
        return taken;
    }

    private static bool LiesOn(ImmutableArray<int> lies, ImmutableArray<int> wanted)
    {
        bool found = wanted.IsDefaultOrEmpty;
        foreach (int target in lies)
        {
            found = found || wanted.Contains(target);
        }

        return found;
    }
}
