using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace DataLayer.Tests.House;

/// <summary>Reads the built assemblies: an edge that is not listed here is a change of the architecture, and needs a decision record.</summary>
public sealed class LayeringTests
{
    private static readonly Dictionary<string, string[]> _allowed = new(StringComparer.Ordinal)
    {
        ["DataLayer.Core"] = [],
        ["DataLayer.Metadata"] = ["DataLayer.Core"],
        ["DataLayer.Storage"] = ["DataLayer.Core"],
        ["DataLayer.Engine"] = ["DataLayer.Core", "DataLayer.Metadata", "DataLayer.Storage"],
        ["DataLayer.Protocol"] = ["DataLayer.Core"],
        ["DataLayer.Keeper"] = ["DataLayer.Core", "DataLayer.Protocol"],
        ["DataLayer.Fuse"] = ["DataLayer.Core", "DataLayer.Metadata", "DataLayer.Engine", "DataLayer.Keeper"],
        ["DataLayer.Client"] = ["DataLayer.Core", "DataLayer.Protocol"],
        ["DataLayer.Csi"] = ["DataLayer.Core", "DataLayer.Protocol", "DataLayer.Keeper", "DataLayer.Client"],
        ["datalayer"] =
        [
            "DataLayer.Core", "DataLayer.Metadata", "DataLayer.Storage", "DataLayer.Engine", "DataLayer.Protocol", "DataLayer.Client",
            "DataLayer.Keeper", "DataLayer.Fuse", "DataLayer.Csi",
        ],
    };

    public static TheoryData<string> Assemblies => [.. _allowed.Keys];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void An_assembly_references_only_what_the_architecture_allows(string assembly)
    {
        string[] references = References(assembly);
        string[] ours = [.. references.Where(r => r.StartsWith("DataLayer.", StringComparison.Ordinal) || r == "datalayer")];
        Assert.Empty(ours.Except(_allowed[assembly]));
    }

    [Fact]
    public void Core_stands_on_the_base_class_library_alone() =>
        Assert.DoesNotContain(References("DataLayer.Core"), r => !r.StartsWith("System.", StringComparison.Ordinal));

    [Fact]
    public void Every_product_project_is_in_the_table()
    {
        string[] projects = [.. Repository.Files("*.csproj", "src", "csi").Select(f => Path.GetFileNameWithoutExtension(f)!)];
        Assert.Empty(projects.Select(p => p == "DataLayer.Server" ? "datalayer" : p).Except(_allowed.Keys));
    }

    private static string[] References(string assembly)
    {
        using PEReader file = new(File.OpenRead(Path.Combine(AppContext.BaseDirectory, assembly + ".dll")));
        MetadataReader reader = file.GetMetadataReader();
        return [.. reader.AssemblyReferences.Select(handle => reader.GetString(reader.GetAssemblyReference(handle).Name))];
    }
}
