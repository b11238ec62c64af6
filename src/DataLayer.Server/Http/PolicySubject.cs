using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Http;

/// <summary>
/// Finds what a question about a policy is about: what the question says, then what the tree knows of the file, then
/// the service's clock and fills.
/// </summary>
internal sealed class PolicySubject(NodeHost node, ServerConfiguration configuration, TimeProvider time)
{
    /// <summary>The file and the moment.</summary>
    public async ValueTask<(FileFacts Facts, PolicyMoment Moment)> FindAsync(
        CompiledPolicy policy, ExplainPolicyCommand asked, CancellationToken cancellationToken)
    {
        FileFacts known = await DescribeAsync(asked.Path, cancellationToken);
        FileFacts facts = Fill(known, asked, time.GetUtcNow(), out DateTimeOffset now);
        return (facts, MomentOf(policy, now, asked.PoolFill ?? MeasureFill()));
    }

    /// <summary>What a question says of a file, over what is known of it.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: a time is out of range.</exception>
    public static FileFacts Fill(
        in FileFacts known, ExplainPolicyCommand asked, DateTimeOffset clock, out DateTimeOffset now)
    {
        now = asked.NowNanoseconds is { } given ? UnixTime.ToTime(given) : clock;
        return known with
        {
            Tenant = asked.Tenant ?? known.Tenant,
            Dataset = asked.Dataset ?? known.Dataset,
            OwnerId = asked.OwnerId ?? known.OwnerId,
            SizeBytes = asked.SizeBytes ?? known.SizeBytes,
            ModifiedAt = asked.AgeSeconds is { } age ? Before(now, age) : known.ModifiedAt,
            AccessedAt = asked.IdleSeconds is { } idle ? Before(now, idle) : known.AccessedAt,
            Heat = asked.Heat ?? known.Heat,
            State = asked.State ?? known.State,
            StorageClass = asked.StorageClass ?? known.StorageClass,
            Pool = asked.Pool ?? known.Pool,
        };
    }

    /// <summary>The moment at a time and fill, as if the marks had just been looked at for the first time.</summary>
    public static PolicyMoment MomentOf(
        CompiledPolicy policy, DateTimeOffset now, IReadOnlyDictionary<string, double> fill) =>
        new(now, fill, PolicyMarks.Next(policy, fill, new HashSet<int>()));

    private static DateTimeOffset Before(DateTimeOffset now, double seconds) =>
        seconds >= 0 && seconds < (now - DateTimeOffset.MinValue).TotalSeconds
            ? now - TimeSpan.FromSeconds(seconds)
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"{seconds} seconds before the time asked about is no time: give 0 or more.");

    private async ValueTask<FileFacts> DescribeAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            InodeAttributes found = await node.Engine.StatAsync(path, followLast: true, cancellationToken);
            if (found.Kind == FileKind.Regular)
            {
                // The same facts that a plan is made from.
                await foreach (FileFacts facts in node.Engine.Facts.ReadAsync(path, cancellationToken))
                {
                    return facts;
                }
            }
        }
        catch (DataLayerException e) when (e.Code is ErrorCode.NotFound or ErrorCode.NotADirectory)
        {
            // A file that might be there one day.
        }

        return new FileFacts
        {
            Path = path,
            State = TierState.Hot,
            ModifiedAt = time.GetUtcNow(),
            Pool = configuration.Hot.Pools is [{ } first, ..] ? first.Name : null,
        };
    }

    private Dictionary<string, double> MeasureFill()
    {
        Dictionary<string, (long Used, long Capacity)> pools = new(StringComparer.Ordinal);
        foreach (TargetStatus target in node.Hot.GetTargets())
        {
            (long used, long capacity) = pools.GetValueOrDefault(target.Pool);
            pools[target.Pool] = (used + target.UsedBytes, capacity + target.UsedBytes + target.FreeBytes);
        }

        return pools.ToDictionary(
            p => p.Key, p => p.Value.Capacity > 0 ? (double)p.Value.Used / p.Value.Capacity : 0,
            StringComparer.Ordinal);
    }
}
