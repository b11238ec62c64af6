using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Http;

/// <summary>Policies as the API writes them.</summary>
internal static class PolicyWire
{
    /// <summary>Errors or warnings.</summary>
    public static IReadOnlyList<PolicyFault> ToFaults(IReadOnlyList<PolicyError> errors) =>
        [
            .. errors.Select(e => new PolicyFault
            {
                Line = e.Line,
                Column = e.Column,
                Message = e.Message,
                Remedy = e.Remedy,
            }),
        ];

    /// <summary>What checking a document gave.</summary>
    public static PolicyCheckReport ToReport(PolicyParseResult parsed) =>
        new()
        {
            Valid = parsed.Policy is not null,
            RuleCount = parsed.Policy?.RuleCount ?? 0,
            Hash = parsed.Policy?.Compile().Hash,
            Errors = ToFaults(parsed.Errors),
            Warnings = ToFaults(parsed.Warnings),
        };

    /// <summary>A version.</summary>
    public static PolicyStatus ToStatus(PolicyVersion version, bool withText) =>
        new()
        {
            Version = version.Version,
            Active = version.IsActive,
            CreatedNanoseconds = version.CreatedNanoseconds,
            ActivatedNanoseconds = version.ActivatedNanoseconds,
            Author = version.Author,
            Comment = version.Comment,
            Hash = version.Hash,
            Text = withText ? version.Text : null,
        };

    /// <summary>Why a policy decides as it does.</summary>
    public static PolicyExplanationReport ToReport(string path, long? version, PolicyExplanation explanation)
    {
        PlacementDecision decision = explanation.Decision;
        return new PolicyExplanationReport
        {
            Path = path,
            Version = version,
            Decision = new PolicyDecision
            {
                RuleIndex = decision.RuleIndex,
                RuleName = decision.RuleName,
                Place = decision.Place switch
                {
                    PlacementTier.Hot => "hot",
                    PlacementTier.Cold => "cold",
                    PlacementTier.Release => "release",
                    _ => null,
                },
                StorageClass = decision.StorageClass,
                Copies = decision.CopyCount,
                Pin = decision.Pin,
                Pack = decision.Pack,
                Exclude = decision.Exclude,
                KeepPremigrated = decision.KeepPremigrated,
                Weight = decision.Weight,
            },
            Rules =
            [
                .. explanation.Rules.Select(r => new PolicyTrace
                {
                    RuleIndex = r.RuleIndex,
                    RuleName = r.RuleName,
                    Line = r.Line,
                    FailedCondition = r.FailedCondition,
                    Reason = r.Reason,
                }),
            ],
        };
    }

    /// <summary>What differs between two policies.</summary>
    public static PolicyDifferences ToReport(IReadOnlyList<PolicyChange> changes) =>
        new()
        {
            Changes =
            [
                .. changes.Select(c => new PolicyDifference
                {
                    Section = c.Section,
                    Name = c.Name,
                    Kind = c.Kind.ToString().ToLowerInvariant(),
                    FormerName = c.FormerName,
                    IndexBefore = c.IndexBefore,
                    IndexAfter = c.IndexAfter,
                    Fields =
                    [
                        .. c.Fields.Select(f => new PolicyFieldDifference
                        {
                            Field = f.Field,
                            Before = f.Before,
                            After = f.After,
                        }),
                    ],
                }),
            ],
        };
}
