namespace DataLayer.Engine.Tenants;

/// <summary>A team's folder, what it may hold and what part of the tiers it gets while others want them too.</summary>
public sealed record TenantOptions
{
    /// <summary>The most a weight may be.</summary>
    public const int MaxWeight = 1000;

    /// <summary>Its name, in metrics, reports, costs and policies: letters, digits, '-' and '_'.</summary>
    public required string Name { get; init; }

    /// <summary>The folder below which all is its: an absolute path. It is made where it is missing.</summary>
    public required string Folder { get; init; }

    /// <summary>What its work is to that of others. Default standard.</summary>
    public TenantClass Class { get; init; } = TenantClass.Standard;

    /// <summary>Its part within its class, 1 to 1,000: one of 2 gets twice as much as one of 1. Default 1.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>The lengths of all its files together, bytes; 0 for no limit.</summary>
    public long LimitBytes { get; init; }

    /// <summary>Its files, folders and links, a count; 0 for no limit.</summary>
    public long LimitInodes { get; init; }

    /// <summary>Checks the values of all tenants; adds what is wrong, with what it may be.</summary>
    internal static void CheckAll(List<string> errors, IReadOnlyList<TenantOptions> tenants)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        HashSet<string> folders = new(StringComparer.Ordinal);
        foreach (TenantOptions tenant in tenants)
        {
            tenant.Check(errors);
            if (!names.Add(tenant.Name))
            {
                errors.Add($"The tenant '{tenant.Name}' is given twice");
            }

            if (!folders.Add(tenant.Folder))
            {
                errors.Add($"The folder '{tenant.Folder}' is given to two tenants");
            }
        }
    }

    private void Check(List<string> errors)
    {
        if (Name.Length == 0)
        {
            errors.Add("A tenant has no name");
        }

        if (Folder.Length < 2 || Folder[0] != '/' || Folder[^1] == '/')
        {
            errors.Add($"Tenant '{Name}' has the folder '{Folder}', not an absolute path below /, as /risk");
        }

        if (Weight is < 1 or > MaxWeight)
        {
            errors.Add($"Tenant '{Name}' has the weight {Weight}, not 1 to {MaxWeight}");
        }

        if (LimitBytes < 0 || LimitInodes < 0)
        {
            errors.Add($"Tenant '{Name}' has a negative limit; 0 is none");
        }
    }
}
