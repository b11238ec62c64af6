namespace DataLayer.Engine.Tenants;

/// <summary>What a tenant's work is to the others: each class counts four times the one after it.</summary>
public enum TenantClass
{
    /// <summary>Somebody waits for it: serving, scheduled training, trading hours.</summary>
    Production,

    /// <summary>The usual.</summary>
    Standard,

    /// <summary>Nobody minds if it takes longer.</summary>
    Experiment,
}
