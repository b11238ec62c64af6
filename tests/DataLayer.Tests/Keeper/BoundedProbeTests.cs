using DataLayer.Core.Errors;
using DataLayer.Keeper.Mounts;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Keeper;

public sealed class BoundedProbeTests
{
    [Fact]
    public async Task A_call_that_hangs_is_given_up_and_the_fault_names_the_path()
    {
        using ManualResetEventSlim never = new();
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => BoundedProbe.RunAsync(
            () =>
            {
                never.Wait();
                return 0;
            },
            "/mnt/hung", TimeSpan.FromMilliseconds(20), TimeProvider.System, CancellationToken.None));
        Assert.Equal(ErrorCode.TimedOut, fault.Code);
        Assert.Contains("/mnt/hung", fault.Message, StringComparison.Ordinal);
        never.Set();
    }

    [Fact]
    public async Task A_fault_of_the_call_is_the_callers_fault() =>
        await Assert.ThrowsAsync<FileNotFoundException>(() => BoundedProbe.RunAsync<int>(
            () => throw new FileNotFoundException(), "/x", BoundedProbe.DefaultTimeout, TimeProvider.System, CancellationToken.None));

    [Fact]
    public async Task Links_above_the_last_component_are_resolved_and_the_last_is_not_touched()
    {
        using TempFolder folder = new("probe");
        string real = folder.MakeFolder("real");
        Directory.CreateSymbolicLink(folder.Combine("link"), real);

        Assert.Equal(
            real + "/gone",
            await BoundedProbe.ResolveParentAsync(folder.Combine("link", "gone") + "/", TimeProvider.System, CancellationToken.None));
        Assert.Equal("/", await BoundedProbe.ResolveParentAsync("/", TimeProvider.System, CancellationToken.None));
        await Assert.ThrowsAsync<DataLayerException>(() => BoundedProbe.ResolveParentAsync(
            folder.Combine("nowhere", "x"), TimeProvider.System, CancellationToken.None));
    }
}
