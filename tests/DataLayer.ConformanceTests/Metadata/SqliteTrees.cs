using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>The suites on SQLite.</summary>
public static class SqliteTrees
{
    /// <summary>Names.</summary>
    public sealed class Names : TreeNames
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Renames.</summary>
    public sealed class Renames : TreeRenames
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Contents.</summary>
    public sealed class Contents : TreeContents
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Versions of the policy.</summary>
    public sealed class Policies : TreePolicies
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Attachments and imports.</summary>
    public sealed class Attachments : TreeAttachments
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>The journal of a read-write attachment.</summary>
    public sealed class Journals : TreeJournals
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Extended attributes.</summary>
    public sealed class Xattrs : TreeXattrs
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Costs.</summary>
    public sealed class Costs : TreeCosts
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Plans.</summary>
    public sealed class Plans : TreePlans
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>The journal of moves.</summary>
    public sealed class Moves : TreeMoves
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Jobs and schedules.</summary>
    public sealed class Jobs : TreeJobs
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Paths and listings.</summary>
    public sealed class Paths : TreePaths
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Heat and access history.</summary>
    public sealed class Accesses : TreeAccesses
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }

    /// <summary>Random operations beside a model.</summary>
    public sealed class Models : TreeModels
    {
        /// <inheritdoc/>
        protected override Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null) =>
            TreeFixture.OpenAsync(configure);
    }
}
