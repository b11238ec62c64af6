using DataLayer.Core.Errors;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>What every suite of the tree starts from: a database decides only how a tree is opened.</summary>
public abstract class TreeConformance
{
    /// <summary>Opens an empty tree on the database under test. Disposing it checks the tree for faults.</summary>
    protected abstract Task<TreeFixture> OpenAsync(Func<TreeStoreOptions, TreeStoreOptions>? configure = null);

    /// <summary>Asserts that something fails with a code and a message that says something.</summary>
    protected static async Task FailsAsync(ErrorCode code, Func<Task> action)
    {
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(action);
        Assert.Equal(code, error.Code);
        Assert.True(error.Message.Length > 10, error.Message);
    }
}
