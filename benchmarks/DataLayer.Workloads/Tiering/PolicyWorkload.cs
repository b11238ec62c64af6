using System.Diagnostics;
using System.Globalization;
using System.Text;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Workloads.Reporting;

namespace DataLayer.Workloads.Tiering;

/// <summary>
/// A policy of 10,000 rules over 1,000,000 files on one thread, against looking at the rules one after the other (over
/// a sample, its rate is that low). The kinds of rules differ in what tells them apart: a folder, an ending, a pattern
/// in the middle, a tenant, a mix of these, or only sizes and times, where no index helps.
/// </summary>
internal sealed class PolicyWorkload : IWorkload
{
    private const int RuleCount = 10_000;
    private const int FileCount = 1_000_000;
    private const int SampleCount = 1_000;
    private static readonly DateTimeOffset _now = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly string[] _kinds = ["folders", "endings", "middles", "tenants", "mixed", "sizes"];

    public string Name => "policies";

    public Task RunAsync(BenchmarkReport report, CancellationToken cancellationToken)
    {
        FileFacts[] files = MakeFiles();
        foreach (string kind in _kinds)
        {
            string text = MakeRules(kind);
            long start = Stopwatch.GetTimestamp();
            PolicyParseResult parsed = PolicyDocument.Parse(text);
            TimeSpan reading = Stopwatch.GetElapsedTime(start);
            start = Stopwatch.GetTimestamp();
            CompiledPolicy policy = (parsed.Policy ?? throw new InvalidOperationException(parsed.Errors[0].ToString())).Compile();
            TimeSpan compiling = Stopwatch.GetElapsedTime(start);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{kind}: {text.Length >> 10} KiB read in {reading.TotalSeconds:F2} s, compiled in {compiling.TotalSeconds:F2} s"));
            PolicyMoment moment = new(_now, new Dictionary<string, double>(StringComparer.Ordinal), new HashSet<int>());
            double plain = Rate(SampleCount, i => DecidePlainly(policy, files[i * (FileCount / SampleCount)]));
            double indexed = Rate(FileCount, i => policy.Decide(files[i], moment).RuleIndex);
            report.Add(kind, "files/s", indexed, plain, 1);
            cancellationToken.ThrowIfCancellationRequested();
        }

        return Task.CompletedTask;
    }

    private static double Rate(int count, Func<int, int> decide)
    {
        long matched = 0;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            matched += decide(i) >= 0 ? 1 : 0;
        }

        double rate = count / Stopwatch.GetElapsedTime(start).TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {matched} of {count} matched, {count / rate:F2} s"));
        return rate;
    }

    // The rules in order, each condition in order: what the index must beat.
    private static int DecidePlainly(CompiledPolicy policy, FileFacts facts)
    {
        foreach (PolicyRule rule in policy.Document.Rules)
        {
            RuleMatch match = rule.Match;
            if ((match.Paths is null || match.ContainsPath(facts.Path))
                && (match.Tenants is null || match.Tenants.Contains(facts.Tenant))
                && match.Size.Contains(facts.SizeBytes)
                && match.Idle.Contains((_now - facts.ModifiedAt).TotalSeconds))
            {
                return rule.Index;
            }
        }

        return -1;
    }

    private static FileFacts[] MakeFiles()
    {
        Random random = new(1);
        string[] endings = ["parquet", "bin", "csv", "tmp", "e17", "e4711", "e9999"];
        FileFacts[] files = new FileFacts[FileCount];
        for (int i = 0; i < files.Length; i++)
        {
            int team = random.Next(RuleCount);
            files[i] = new FileFacts
            {
                Path = $"/data/team-{team}/run-{random.Next(100)}/part-{i:D7}.{endings[random.Next(endings.Length)]}",
                Tenant = $"tenant-{random.Next(RuleCount)}",
                SizeBytes = random.NextInt64(1L << random.Next(10, 36)),
                ModifiedAt = _now.AddHours(-random.Next(5000)),
                Heat = random.NextDouble(),
                State = (TierState)random.Next(1, 4),
            };
        }

        return files;
    }

    private static string MakeRules(string kind)
    {
        StringBuilder text = new("version: 1\nrules:\n");
        for (int i = 0; i < RuleCount; i++)
        {
            string form = kind == "mixed" ? _kinds[i % 4] : kind;
            string match = form switch
            {
                "folders" => $"path: /data/team-{i}/**, idle: '> 30d'",
                "endings" => $"path: '/**/*.e{i}', size: '> 1 MiB'",
                "middles" => $"path: '/**/team-{i}/**/*.parquet'",
                "tenants" => $"tenant: tenant-{i}, idle: '> 60d'",
                _ => $"size: '> {i + 1} GiB', idle: '> {i + 1}h'",
            };
            text.Append(CultureInfo.InvariantCulture, $"  - {{name: rule-{i}, match: {{{match}}}, then: {{place: release}}}}\n");
        }

        return text.ToString();
    }
}
