using DataLayer.Engine.Tiering.Planning;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Http;

/// <summary>Turns plans into what the API answers.</summary>
internal static class PlanReports
{
    private static readonly MoveKinds[] _kinds = [.. Enum.GetValues<MoveKinds>().Where(k => k != MoveKinds.None)];

    /// <summary>A plan, with why it would be refused now.</summary>
    public static PlanReport ToReport(TieringPlan plan, IReadOnlyList<string> stale) =>
        new()
        {
            Id = plan.Id,
            Path = plan.Path,
            CreatedAt = plan.CreatedAt,
            ValidUntil = plan.ValidUntil,
            Stale = stale,
            PolicyHash = plan.PolicyHash,
            PolicyVersion = plan.PolicyVersion,
            PriceTable = plan.PriceTable,
            PriceHash = plan.PriceHash,
            Currency = plan.Currency,
            HorizonDays = plan.Horizon.TotalDays,
            Totals = ToSums(plan.Totals),
            Rules =
            [
                .. plan.Rules.Select(r => new PlanRuleReport
                {
                    Index = r.RuleIndex,
                    Name = r.RuleName,
                    MatchedFiles = r.Matched.Files,
                    MatchedBytes = r.Matched.Bytes,
                    Moved = ToSums(r.Moved),
                }),
            ],
            Warnings =
            [
                .. plan.Warnings.Select(w => new PlanWarningReport
                {
                    Obstacle = WireWord.Of(w.Obstacle),
                    Files = w.Files,
                    Bytes = w.Bytes,
                    Example = w.Example,
                    Message = w.Message,
                }),
            ],
            HitRatioBefore = plan.HitRatioBefore,
            HitRatioAfter = plan.HitRatioAfter,
        };

    /// <summary>A move.</summary>
    public static PlanMoveReport ToReport(PlannedMove move) =>
        new()
        {
            Path = move.Path,
            Inode = move.Inode.Value,
            Version = move.Version,
            Rule = move.RuleIndex,
            Kinds = ToWords(move.Kinds),
            SizeBytes = move.SizeBytes,
            FromClass = move.FromClass,
            ToClass = move.ToClass,
            Weight = move.Weight,
            Once = move.OnceCost,
            MonthlyChange = move.MonthlyChange,
        };

    /// <summary>Kinds of moves as words.</summary>
    public static IReadOnlyList<string> ToWords(MoveKinds kinds) =>
        [.. _kinds.Where(k => (kinds & k) != MoveKinds.None).Select(k => WireWord.Of(k))];

    private static PlanSums ToSums(MoveTotals t) =>
        new()
        {
            Files = t.Files,
            Bytes = t.Bytes,
            Moves = t.Moves,
            MovedBytes = t.MovedBytes,
            Uploads = t.Uploads,
            UploadBytes = t.UploadBytes,
            Releases = t.Releases,
            ReleaseBytes = t.ReleaseBytes,
            Recalls = t.Recalls,
            RecallBytes = t.RecallBytes,
            Reclasses = t.Reclasses,
            Requests = t.Requests,
            MonthlyBefore = t.MonthlyBefore,
            MonthlyAfter = t.MonthlyAfter,
            HotMonthlyAfter = t.HotMonthlyAfter,
            Once = t.Once.Total,
            OnceRequests = t.Once.RequestCost,
            OnceRetrieval = t.Once.RetrievalCost,
            OnceEgress = t.Once.EgressCost,
            OnceEarlyDeletion = t.Once.EarlyDeletionCost,
            RecallCost = t.RecallCost,
            ExpectedRecallCost = t.ExpectedRecallCost,
        };
}
