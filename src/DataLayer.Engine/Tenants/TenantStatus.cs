using DataLayer.Metadata.Quotas;

namespace DataLayer.Engine.Tenants;

/// <summary>A tenant, what it holds and what it got.</summary>
/// <param name="Options">What was configured.</param>
/// <param name="Space">What it may hold and holds.</param>
/// <param name="Active">Its transfers in flight, a count.</param>
/// <param name="Waiting">Its transfers that wait for a turn, a count.</param>
/// <param name="Transfers">Its transfers from object stores and the hot tier since the start, a count.</param>
/// <param name="Bytes">What they brought.</param>
/// <param name="Waited">How long they waited for a turn, all together.</param>
public sealed record TenantStatus(
    TenantOptions Options, QuotaSpace Space, int Active, int Waiting, long Transfers, long Bytes, TimeSpan Waited);
