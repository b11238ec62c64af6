using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Keeper;

namespace DataLayer.Protocol.Http;

/// <summary>
/// JSON of the HTTP API: camel case, enumerations as camel-case text, unknown members ignored when read. Source
/// generated.
/// </summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    RespectNullableAnnotations = true,
    Converters = [
        typeof(CamelCaseEnumConverter<FileKind>),
        typeof(CamelCaseEnumConverter<TierState>),
        typeof(CamelCaseEnumConverter<AttachmentMode>),
        typeof(CamelCaseEnumConverter<FreshnessMode>),
        typeof(CamelCaseEnumConverter<FlushMode>),
        typeof(CamelCaseEnumConverter<MountProfile>),
        typeof(CamelCaseEnumConverter<MountState>),
    ])]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(FileStatus))]
[JsonSerializable(typeof(DirectoryPage))]
[JsonSerializable(typeof(FileDetail))]
[JsonSerializable(typeof(PathCommand))]
[JsonSerializable(typeof(MakeDirectoryCommand))]
[JsonSerializable(typeof(RenameCommand))]
[JsonSerializable(typeof(CloneCommand))]
[JsonSerializable(typeof(LinkCommand))]
[JsonSerializable(typeof(SymbolicLinkCommand))]
[JsonSerializable(typeof(TruncateCommand))]
[JsonSerializable(typeof(AttributesCommand))]
[JsonSerializable(typeof(FlushCommand))]
[JsonSerializable(typeof(AttachCommand))]
[JsonSerializable(typeof(WarmCommand))]
[JsonSerializable(typeof(EvictCommand))]
[JsonSerializable(typeof(CheckCommand))]
[JsonSerializable(typeof(AddTargetCommand))]
[JsonSerializable(typeof(DefineStoreCommand))]
[JsonSerializable(typeof(UsageReport))]
[JsonSerializable(typeof(AttachmentStatus))]
[JsonSerializable(typeof(IReadOnlyList<AttachmentStatus>))]
[JsonSerializable(typeof(ListingReport))]
[JsonSerializable(typeof(WarmReport))]
[JsonSerializable(typeof(EvictReport))]
[JsonSerializable(typeof(CheckStatus))]
[JsonSerializable(typeof(ScrubStatus))]
[JsonSerializable(typeof(TargetReport))]
[JsonSerializable(typeof(IReadOnlyList<TargetReport>))]
[JsonSerializable(typeof(XattrList))]
[JsonSerializable(typeof(DrainStatus))]
[JsonSerializable(typeof(MountList))]
[JsonSerializable(typeof(MountStatus))]
[JsonSerializable(typeof(CallerReport))]
[JsonSerializable(typeof(VersionReport))]
[JsonSerializable(typeof(WarmJobCommand))]
[JsonSerializable(typeof(ScheduleCommand))]
[JsonSerializable(typeof(ScheduleStatus))]
[JsonSerializable(typeof(IReadOnlyList<ScheduleStatus>))]
[JsonSerializable(typeof(HeadroomCommand))]
[JsonSerializable(typeof(HeadroomReport))]
[JsonSerializable(typeof(IReadOnlyList<HeadroomReport>))]
[JsonSerializable(typeof(JobStatus))]
[JsonSerializable(typeof(JobPage))]
[JsonSerializable(typeof(ReadyReport))]
[JsonSerializable(typeof(StatisticsReport))]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(AutoTieringCommand))]
[JsonSerializable(typeof(AutoTieringReport))]
[JsonSerializable(typeof(AccessRecord))]
[JsonSerializable(typeof(PolicyCheckReport))]
[JsonSerializable(typeof(PolicyStatus))]
[JsonSerializable(typeof(PolicyPage))]
[JsonSerializable(typeof(PolicyExplanationReport))]
[JsonSerializable(typeof(PolicyDifferences))]
[JsonSerializable(typeof(SetPolicyCommand))]
[JsonSerializable(typeof(ActivatePolicyCommand))]
[JsonSerializable(typeof(CheckPolicyCommand))]
[JsonSerializable(typeof(ExplainPolicyCommand))]
[JsonSerializable(typeof(ProgressLine<ListingReport, AttachmentStatus>))]
[JsonSerializable(typeof(ProgressLine<ListingReport, ListingReport>))]
[JsonSerializable(typeof(ProgressLine<WarmReport, WarmReport>))]
[JsonSerializable(typeof(ProgressLine<ScrubStatus, ScrubStatus>))]
[JsonSerializable(typeof(ProgressLine<DrainStatus, DrainStatus>))]
[JsonSerializable(typeof(RecordProfileCommand))]
[JsonSerializable(typeof(MergeProfilesCommand))]
[JsonSerializable(typeof(TrimProfileCommand))]
[JsonSerializable(typeof(ReplayProfileCommand))]
[JsonSerializable(typeof(ProfileStatus))]
[JsonSerializable(typeof(IReadOnlyList<ProfileStatus>))]
[JsonSerializable(typeof(ProfileDetail))]
[JsonSerializable(typeof(ProgressLine<ReplayReport, ReplayReport>))]
[JsonSerializable(typeof(HistoryReport))]
[JsonSerializable(typeof(PlanCommand))]
[JsonSerializable(typeof(MoveCommand))]
[JsonSerializable(typeof(MovePage))]
[JsonSerializable(typeof(PackCommand))]
[JsonSerializable(typeof(PackPage))]
[JsonSerializable(typeof(PackStatus))]
[JsonSerializable(typeof(PlanReport))]
[JsonSerializable(typeof(PlanPage))]
[JsonSerializable(typeof(PlanMovePage))]
[JsonSerializable(typeof(PlanMoveReport))]
[JsonSerializable(typeof(ProgressLine<PlanProgressReport, PlanReport>))]
[JsonSerializable(typeof(CostReport))]
[JsonSerializable(typeof(CostHistory))]
[JsonSerializable(typeof(IReadOnlyList<BudgetReport>))]
[JsonSerializable(typeof(TiersReport))]
[JsonSerializable(typeof(SavingsReport))]
[JsonSerializable(typeof(CapacityHistory))]
public sealed partial class ProtocolJson : JsonSerializerContext { }
