using System.Buffers.Text;
using System.Collections.Concurrent;
using DataLayer.Core.Identity;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Nodes;

/// <summary>
/// Space as a folder with a quota has it: as large as the quota, filled by what is below the folder. The quota is the
/// folder's attribute <see cref="Attribute"/> (docs/FORMATS/csi.md); it is shown here, not enforced.
/// </summary>
/// <remarks>
/// Counting what is below costs a query over all of it, so an answer is kept for some seconds: df may be that old. Only
/// folders with a quota are kept, and only those that are asked for, the roots of mounts.
/// </remarks>
internal sealed class QuotaSpace(EngineContext context)
{
    /// <summary>The attribute: decimal bytes; 0 or absent is no quota.</summary>
    public const string Attribute = "trusted.datalayer.quota";

    private const int MaxKept = 4096;
    private static readonly TimeSpan _kept = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<InodeId, (long Stamp, NodeSpace Space)> _known = new();

    /// <summary>
    /// The space of <paramref name="folder"/> where all targets together have <paramref name="whole"/>.
    /// </summary>
    public async ValueTask<NodeSpace> ApplyAsync(
        InodeId folder, NodeSpace whole, CancellationToken cancellationToken)
    {
        if (_known.TryGetValue(folder, out (long Stamp, NodeSpace Space) known)
            && context.Time.GetElapsedTime(known.Stamp) < _kept)
        {
            return known.Space;
        }

        byte[]? text = await context.Tree.GetXattrAsync(folder, Attribute, cancellationToken).ConfigureAwait(false);
        if (text is null || !Utf8Parser.TryParse(text, out long quota, out int length) || length != text.Length
            || quota <= 0)
        {
            _known.TryRemove(folder, out _);
            return whole;
        }

        TreeUsage usage = await context.Tree.GetUsageAsync(folder, cancellationToken).ConfigureAwait(false);
        long free = Math.Max(0, quota - usage.SizeBytes);
        NodeSpace space = whole with
        {
            TotalBytes = quota,
            FreeBytes = free,
            AvailableBytes = Math.Min(free, whole.AvailableBytes),
        };
        if (_known.Count >= MaxKept)
        {
            _known.Clear();
        }

        _known[folder] = (context.Time.GetTimestamp(), space);
        return space;
    }
}
