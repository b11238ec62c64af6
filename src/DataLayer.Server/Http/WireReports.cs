using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Http;

/// <summary>Turns the engine's records into those of the wire.</summary>
internal static class WireReports
{
    public static FileStatus ToStatus(string name, InodeAttributes attributes) =>
        FileStatus.From(
            name, attributes, attributes.Kind == FileKind.Regular ? FileEngine.EntityTag(attributes) : null);

    public static FileDetail ToDetail(FileDescription description)
    {
        InodeAttributes attributes = description.Attributes;
        bool isFile = attributes.Kind == FileKind.Regular;
        return new FileDetail
        {
            Path = description.Path,
            Status = ToStatus(TreePath.NameOf(description.Path), attributes),
            Tier =
                !isFile ? null
                : description.BlockCount > 0 && description.MemoryBlocks == description.BlockCount ? "memory"
                : attributes.State == TierState.Hot || description.HotBlocks == description.BlockCount ? "hot"
                : "cold",
            Placement = description.Placement,
            BlockCount = description.BlockCount,
            HotBlocks = description.HotBlocks,
            MemoryBlocks = description.MemoryBlocks,
            Object = description.Object is not { } reference
                ? null
                : new ObjectStatus
                {
                    Store = description.ObjectStore,
                    Key = reference.Key,
                    ETag = reference.ETag,
                    VersionId = reference.VersionId,
                    SizeBytes = reference.SizeBytes,
                    StorageClass = reference.StorageClass,
                },
            Heat = description.Heat,
            UploadPending = description.UploadPending,
        };
    }

    public static AttachmentStatus ToStatus(Attachment attachment) =>
        new()
        {
            Id = attachment.Id,
            Path = attachment.Path,
            Source = attachment.Source,
            Store = attachment.StoreName,
            Mode = attachment.Mode,
            Freshness = attachment.Freshness,
            MaxAgeSeconds = attachment.MaxAge.TotalSeconds,
            Flush = attachment.Flush,
            Encrypted = attachment.IsEncrypted,
            ListingComplete = attachment.ListingCursor is null,
            ObjectCount = attachment.ObjectCount,
            ObjectBytes = attachment.ObjectBytes,
        };

    public static ListingReport ToReport(AttachProgress progress) =>
        new()
        {
            Objects = progress.Objects,
            Bytes = progress.Bytes,
            Requests = progress.Requests,
            Refused = progress.Refused,
            Done = progress.Done,
        };

    public static WarmReport ToReport(WarmResult result) =>
        new()
        {
            Files = result.Files,
            FilesDone = result.FilesDone,
            Bytes = result.Bytes,
            BytesDone = result.BytesDone,
            AlreadyHot = result.AlreadyHot,
            Failed = result.Failed,
            FirstError = result.FirstError,
        };

    public static EvictReport ToReport(EvictResult result) =>
        new()
        {
            Blocks = result.Blocks,
            ReleasedFiles = result.ReleasedFiles,
            ReleasedBytes = result.ReleasedBytes,
            KeptFiles = result.KeptFiles,
        };

    public static ScrubStatus ToStatus(ScrubReport report) =>
        new()
        {
            Files = report.Files,
            CheckedChunks = report.CheckedChunks,
            RepairedChunks = report.RepairedChunks,
            RepairedFromObjects = report.RepairedFromObjects,
            BadFiles = report.BadFiles,
        };

    public static CheckStatus ToStatus(CheckReport report) =>
        new()
        {
            Clean = report.Problems.Count == 0,
            Inodes = report.Inodes,
            Contents = report.Contents,
            Repaired = report.RepairedCount,
            Problems =
            [
                .. report.Problems.Select(p => new ProblemFound
                {
                    Kind = p.Kind,
                    Inode = p.Inode.Value,
                    Message = p.Message,
                }),
            ],
        };

    public static UsageReport ToReport(string path, TreeUsage usage) =>
        new()
        {
            Path = path,
            FileCount = usage.FileCount,
            FolderCount = usage.FolderCount,
            SizeBytes = usage.SizeBytes,
            ResidentBytes = usage.ResidentBytes,
        };

    public static TargetReport ToReport(TargetStatus target) =>
        new()
        {
            Target = target.Target,
            Pool = target.Pool,
            Location = target.Location,
            State = target.State,
            CapacityBytes = target.CapacityBytes,
            FreeBytes = target.FreeBytes,
            UsedBytes = target.UsedBytes,
            Fault = target.Fault,
        };
}
