using DataLayer.Core.Errors;
using DataLayer.Engine.Tenants;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>tenants</c>.</summary>
internal static class TenantSection
{
    private const long PiB = 1L << 50;

    /// <summary>Reads one tenant.</summary>
    public static TenantOptions Read(SettingReader section)
    {
        TenantOptions d = new() { Name = "default", Folder = "/default" };
        TenantOptions tenant = new()
        {
            Name = section.Text("name", d.Name, "The tenant's name, in metrics, costs and policies.", "a name")!,
            Folder = section.Text(
                "folder", d.Folder, "The folder below which all is its; made where it is missing.", "a path")!,
            Class = Enum.Parse<TenantClass>(
                section.Choice(
                    "class", "standard",
                    "What its reads of object stores and hot tier are to those of others at the same time: each class "
                    + "counts four times the one after it.",
                    "production", "standard", "experiment"),
                ignoreCase: true),
            Weight = section.Count(
                "weight", d.Weight, 1, TenantOptions.MaxWeight,
                "Its part within its class: one of 2 gets twice as much as one of 1."),
            LimitBytes = section.Size(
                "bytes", 0, 0, PiB, "The lengths of all its files together; 0 for no limit."),
            LimitInodes = section.Count(
                "inodes", 0, 0, int.MaxValue, "Its files, folders and links; 0 for no limit."),
        };
        PoolSection.CheckName(section, "tenant", tenant.Name);
        CheckFolder(section, tenant.Folder);
        section.Done();
        return tenant;
    }

    private static void CheckFolder(SettingReader section, string folder)
    {
        const string Remedy = "Write the absolute path of a folder below /, as /risk.";
        try
        {
            TreePath.Check(folder);
            if (folder == "/")
            {
                section.Report("folder", "The root is nobody's own.", Remedy);
            }
        }
        catch (DataLayerException error)
        {
            section.Report("folder", error.Message, Remedy);
        }
    }

    /// <summary>Checks what concerns all.</summary>
    public static void Check(SettingReader root, IReadOnlyList<TenantOptions> tenants)
    {
        PoolSection.CheckUnique(root, "tenants", "name", tenants.Select(t => t.Name));
        PoolSection.CheckUnique(root, "tenants", "folder", tenants.Select(t => t.Folder));
    }
}
