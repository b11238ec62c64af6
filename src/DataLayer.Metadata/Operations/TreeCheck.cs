using DataLayer.Core.Identity;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>fsck of the tree against itself.</summary>
internal static class TreeCheck
{
    public static IReadOnlyList<TreeProblem> Run(TreeTables tables)
    {
        List<TreeProblem> problems = [];
        foreach (string fault in tables.Session.Dialect.CheckIntegrity(tables.Session, quick: false))
        {
            problems.Add(new TreeProblem("database", InodeId.None, fault));
        }

        return problems;
    }
}
