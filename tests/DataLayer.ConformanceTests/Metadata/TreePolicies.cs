using DataLayer.Core.Errors;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Versions of the tiering policy.</summary>
public abstract class TreePolicies : TreeConformance
{
    [Fact]
    public async Task A_new_tree_has_no_policy()
    {
        await using TreeFixture t = await OpenAsync();
        Assert.Null(await t.Tree.GetActivePolicyAsync(default));
        Assert.Empty(await t.Tree.ListPoliciesAsync(null, 10, default));
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.GetPolicyAsync(1, default).AsTask());
        await FailsAsync(ErrorCode.NotFound, () => t.Tree.ActivatePolicyAsync(1, null, default).AsTask());
    }

    [Fact]
    public async Task A_version_is_found_again_after_a_restart_as_it_was_added()
    {
        await using TreeFixture t = await OpenAsync();
        string text = "# é 😀\n" + new string('x', 300_000);
        PolicyVersion added = await t.Tree.AddPolicyAsync(new NewPolicy(text, "h1", "ann", "first"), true, 0, default);
        Assert.Equal((1, true, text), (added.Version, added.IsActive, added.Text));
        Assert.True(added.CreatedNanoseconds > 0 && added.ActivatedNanoseconds >= added.CreatedNanoseconds);
        await t.ReopenAsync();
        Assert.Equal(added, await t.Tree.GetActivePolicyAsync(default));
        Assert.Equal(added, await t.Tree.GetPolicyAsync(1, default));
    }

    [Fact]
    public async Task One_version_is_active_and_an_older_one_can_be_again()
    {
        await using TreeFixture t = await OpenAsync();
        for (int i = 1; i <= 3; i++)
        {
            await t.Tree.AddPolicyAsync(new NewPolicy($"text {i}", $"h{i}", "ann", string.Empty), true, null, default);
        }

        PolicyVersion draft = await t.Tree.AddPolicyAsync(new NewPolicy("text 4", "h4", "bob", "draft"), false, 3, default);
        Assert.False(draft.IsActive);
        Assert.Equal(0, draft.ActivatedNanoseconds);
        Assert.Equal(3, (await t.Tree.GetActivePolicyAsync(default))!.Version);
        PolicyVersion? back = await t.Tree.ActivatePolicyAsync(1, 3, default);
        Assert.Equal((1, true, "text 1"), (back!.Version, back.IsActive, back.Text));
        IReadOnlyList<PolicyVersion> all = await t.Tree.ListPoliciesAsync(null, 10, default);
        Assert.Equal([4, 3, 2, 1], all.Select(p => p.Version));
        Assert.Equal([1], all.Where(p => p.IsActive).Select(p => p.Version));
        Assert.All(all, p => Assert.Equal(string.Empty, p.Text));
        Assert.Equal([2, 1], (await t.Tree.ListPoliciesAsync(3, 10, default)).Select(p => p.Version));
        Assert.Equal([4, 3], (await t.Tree.ListPoliciesAsync(null, 2, default)).Select(p => p.Version));
        Assert.Null(await t.Tree.ActivatePolicyAsync(0, 1, default));
        Assert.Null(await t.Tree.GetActivePolicyAsync(default));
    }

    [Fact]
    public async Task A_change_that_expects_another_active_version_is_refused()
    {
        await using TreeFixture t = await OpenAsync();
        NewPolicy policy = new("text", "h", "ann", string.Empty);
        await FailsAsync(ErrorCode.Stale, () => t.Tree.AddPolicyAsync(policy, true, 1, default).AsTask());
        await t.Tree.AddPolicyAsync(policy, true, 0, default);
        await FailsAsync(ErrorCode.Stale, () => t.Tree.AddPolicyAsync(policy with { Text = "b" }, true, 0, default).AsTask());
        await FailsAsync(ErrorCode.Stale, () => t.Tree.ActivatePolicyAsync(0, 2, default).AsTask());
        Assert.Single(await t.Tree.ListPoliciesAsync(null, 10, default));
        Assert.Equal(1, (await t.Tree.GetActivePolicyAsync(default))!.Version);
    }

    [Fact]
    public async Task The_same_text_again_is_the_same_version()
    {
        await using TreeFixture t = await OpenAsync();
        NewPolicy policy = new("text", "h", "ann", string.Empty);
        PolicyVersion first = await t.Tree.AddPolicyAsync(policy, false, null, default);
        PolicyVersion again = await t.Tree.AddPolicyAsync(policy with { Author = "bob" }, true, null, default);
        Assert.Equal((first.Version, "ann", true), (again.Version, again.Author, again.IsActive));
        await t.Tree.AddPolicyAsync(policy with { Text = "other" }, true, null, default);
        PolicyVersion third = await t.Tree.AddPolicyAsync(policy, true, null, default);
        Assert.Equal(3, third.Version);
    }

    [Fact]
    public async Task Changes_at_the_same_time_leave_one_version_active()
    {
        await using TreeFixture t = await OpenAsync();
        PolicyVersion[] added = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            t.Tree.AddPolicyAsync(new NewPolicy($"text {i}", "h", "ann", string.Empty), true, null, default).AsTask()));
        Assert.Equal(Enumerable.Range(1, 20), added.Select(p => (int)p.Version).Order());
        IReadOnlyList<PolicyVersion> all = await t.Tree.ListPoliciesAsync(null, 100, default);
        Assert.Equal(20, Assert.Single(all, p => p.IsActive).Version);
    }
}
