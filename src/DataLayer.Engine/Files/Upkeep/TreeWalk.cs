using System.Runtime.CompilerServices;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>All files at or below a path, page by page, for the verbs that go over a subtree.</summary>
internal static class TreeWalk
{
    private const int PageFiles = 500;

    public static async IAsyncEnumerable<FileContent> FilesAsync(
        EngineContext context, string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        InodeAttributes start = await context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        if (start.Kind == FileKind.Regular)
        {
            if (await context.Tree.GetContentAsync(start.Inode, cancellationToken).ConfigureAwait(false) is { } file)
            {
                yield return file;
            }

            yield break;
        }

        string? cursor = null;
        do
        {
            (IReadOnlyList<FileContent> files, cursor) = await context.Tree.WalkFilesAsync(
                start.Inode, cursor, PageFiles, cancellationToken).ConfigureAwait(false);
            foreach (FileContent file in files)
            {
                if (file.Attributes.Kind == FileKind.Regular)
                {
                    yield return file;
                }
            }
        }
        while (cursor is not null);
    }
}
