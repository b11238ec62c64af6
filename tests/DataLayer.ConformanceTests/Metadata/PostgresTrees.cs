using DataLayer.Metadata;
using DataLayer.TestSupport.Postgres;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>The suites on PostgreSQL.</summary>
public static class PostgresTrees
{
    private static async Task<TreeFixture> OpenTreeAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure) =>
        await TreeFixture.OpenAsync((await PostgresServer.GetSharedAsync()).NewTree(), configure);

    /// <summary>Names.</summary>
    public sealed class Names : TreeNames
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Renames.</summary>
    public sealed class Renames : TreeRenames
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Contents.</summary>
    public sealed class Contents : TreeContents
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Versions of the policy.</summary>
    public sealed class Policies : TreePolicies
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Attachments and imports.</summary>
    public sealed class Attachments : TreeAttachments
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>The journal of a read-write attachment.</summary>
    public sealed class Journals : TreeJournals
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Extended attributes.</summary>
    public sealed class Xattrs : TreeXattrs
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Costs.</summary>
    public sealed class Costs : TreeCosts
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Plans.</summary>
    public sealed class Plans : TreePlans
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>The journal of moves.</summary>
    public sealed class Moves : TreeMoves
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Jobs and schedules.</summary>
    public sealed class Jobs : TreeJobs
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Paths and listings.</summary>
    public sealed class Paths : TreePaths
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Heat and access history.</summary>
    public sealed class Accesses : TreeAccesses
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }

    /// <summary>Random operations beside a model.</summary>
    public sealed class Models : TreeModels
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            OpenTreeAsync(configure);
    }
}
