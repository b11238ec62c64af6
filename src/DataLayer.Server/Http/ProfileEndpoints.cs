using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Profiles;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Access profiles and access history.</summary>
internal sealed class ProfileEndpoints(NodeHost node, TimeProvider time)
{
    private const string OneRoute = ApiRoutes.Profiles + "/{id}";
    private const string ContentRoute = OneRoute + "/content";
    private const string BytesMedia = "application/octet-stream";
    private const int MaxRows = 10_000;
    private static readonly ApiParameter _name = new(
        "id", ApiParameterPlace.Path, "string", "The profile's name.", Required: true);

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations() => [.. Reads(), .. Changes(), History()];

    private IEnumerable<ApiOperation> Reads()
    {
        yield return Operation(
            "GET", ApiRoutes.Profiles, "listProfiles", "The profiles, kept and being recorded.", ListAsync) with
        {
            Answer = typeof(IReadOnlyList<ProfileStatus>),
            Parameters = [],
        };
        yield return Operation("GET", OneRoute, "showProfile", "A profile and its files.", ShowAsync) with
        {
            Answer = typeof(ProfileDetail),
            Parameters =
            [
                _name,
                new("after", ApiParameterPlace.Query, "integer", "Files to pass over: next of the page before."),
                new("limit", ApiParameterPlace.Query, "integer", "Files a page, 1 to 10,000. Default 1,000."),
            ],
        };
        yield return Operation("GET", ContentRoute, "exportProfile", "A profile's bytes.", ExportAsync) with
        {
            AnswerMedia = BytesMedia,
        };
    }

    private IEnumerable<ApiOperation> Changes()
    {
        yield return Operation("PUT", ContentRoute, "importProfile", "Keeps an exported profile.", ImportAsync) with
        {
            BodyMedia = BytesMedia,
            Answer = typeof(ProfileStatus),
        };
        yield return Operation("DELETE", OneRoute, "removeProfile", "Forgets a profile.", RemoveAsync) with
        {
            Statuses = [204],
        };
        yield return Operation(
            "POST", OneRoute + "/record", "recordProfile", "Begins to record what is read below a path.",
            RecordAsync) with
        {
            Body = typeof(RecordProfileCommand),
            Answer = typeof(ProfileStatus),
            Statuses = [202],
        };
        yield return Operation(
            "POST", OneRoute + "/stop", "stopProfile", "Ends a recording and keeps the profile.", StopAsync) with
        {
            Answer = typeof(ProfileStatus),
        };
        yield return Operation(
            "POST", OneRoute + "/merge", "mergeProfiles", "Keeps the merged runs of profiles.", MergeAsync) with
        {
            Body = typeof(MergeProfilesCommand),
            Answer = typeof(ProfileStatus),
        };
        yield return Operation(
            "POST", OneRoute + "/trim", "trimProfile", "Keeps a part of a profile.", TrimAsync) with
        {
            Body = typeof(TrimProfileCommand),
            Answer = typeof(ProfileStatus),
        };
        yield return Operation(
            "POST", OneRoute + "/replay", "replayProfile", "Makes exactly the profile's blocks hot, in its order.",
            ReplayAsync) with
        {
            Body = typeof(ReplayProfileCommand),
            Answer = typeof(ProgressLine<ReplayReport, ReplayReport>),
            AnswerMedia = ApiRoutes.ProgressMediaType,
        };
    }

    private ApiOperation History() => new(
        "GET", ApiRoutes.History, "history", "What was read at and below a folder, by time.", HistoryAsync)
    {
        Access = ApiAccess.Observe,
        Tag = "profiles",
        Answer = typeof(HistoryReport),
        Parameters =
        [
            new("path", ApiParameterPlace.Query, "string", "The folder. Default the root."),
            new("level", ApiParameterPlace.Query, "string", "minute, hour or day. Default hour."),
            new("from", ApiParameterPlace.Query, "string", "Rows from this time on (ISO 8601). Default all."),
            new("until", ApiParameterPlace.Query, "string", "Rows before this time. Default now."),
            new("limit", ApiParameterPlace.Query, "integer", "Rows a page, 1 to 10,000. Default 1,000."),
        ],
    };

    private static ApiOperation Operation(
        string method, string route, string id, string summary, RequestDelegate handler) =>
        new(method, route, id, summary, handler) { Tag = "profiles", Parameters = [_name] };

    private async Task ListAsync(HttpContext context)
    {
        IReadOnlyList<ProfileSummary> all = await node.Engine.Profiles.ListAsync(context.RequestAborted);
        IReadOnlyList<ProfileStatus> answer = [.. all.Select(ToStatus)];
        await ApiJson.WriteAsync(context, answer, ProtocolJson.Default.IReadOnlyListProfileStatus);
    }

    private async Task ShowAsync(HttpContext context)
    {
        string name = NameOf(context);
        int after = RequestTarget.Count(context, "after", 0, 0, int.MaxValue);
        int limit = RequestTarget.Count(context, "limit", 1000, 1, MaxRows);
        AccessProfile profile = await node.Engine.Profiles.GetAsync(name, context.RequestAborted);
        long[] blocks = new long[profile.Files.Count];
        double[] first = new double[blocks.Length];
        foreach (ProfileEntry entry in profile.Entries)
        {
            first[entry.File] = blocks[entry.File] == 0 ? entry.Time.TotalSeconds : first[entry.File];
            blocks[entry.File] += entry.BlockCount;
        }

        int until = (int)Math.Min(blocks.Length, (long)after + limit);
        List<ProfileFileStatus> files = [];
        for (int i = after; i < until; i++)
        {
            files.Add(new ProfileFileStatus
            {
                Path = profile.Files[i].Path,
                SizeBytes = profile.Files[i].SizeBytes,
                Blocks = blocks[i],
                FirstSeconds = first[i],
            });
        }

        ProfileDetail detail = new()
        {
            Profile = ToStatus(new ProfileSummary(
                name, profile.Path, profile.RecordedAt, profile.Duration, profile.RunCount, blocks.Length,
                profile.BlockCount, profile.SizeBytes, profile.MissedCount)),
            Files = files,
            Next = until < blocks.Length ? until : null,
        };
        await ApiJson.WriteAsync(context, detail, ProtocolJson.Default.ProfileDetail);
    }

    private async Task ExportAsync(HttpContext context)
    {
        byte[] bytes = await node.Engine.Profiles.ExportAsync(NameOf(context), context.RequestAborted);
        context.Response.ContentType = BytesMedia;
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }

    private async Task ImportAsync(HttpContext context)
    {
        using MemoryStream bytes = new();
        byte[] piece = new byte[1 << 16];
        while (await context.Request.Body.ReadAsync(piece, context.RequestAborted) is > 0 and int count)
        {
            if (bytes.Length + count > ProfileFormat.MaxBytes)
            {
                throw new DataLayerException(
                    ErrorCode.FileTooLarge, $"A profile has {ProfileFormat.MaxBytes} bytes at most.");
            }

            bytes.Write(piece, 0, count);
        }

        ProfileSummary kept = await node.Engine.Profiles.ImportAsync(
            NameOf(context), bytes.GetBuffer().AsMemory(0, (int)bytes.Length));
        await ApiJson.WriteAsync(context, ToStatus(kept), ProtocolJson.Default.ProfileStatus);
    }

    private Task RemoveAsync(HttpContext context)
    {
        node.Engine.Profiles.Remove(NameOf(context));
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private async Task RecordAsync(HttpContext context)
    {
        RecordProfileCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.RecordProfileCommand);
        RequestCaller.DemandPath(context, command.Path);
        ProfileSummary begun = await node.Engine.Profiles.RecordAsync(
            NameOf(context), command.Path, ToSpan("seconds", command.Seconds), context.RequestAborted);
        await ApiJson.WriteAsync(
            context, ToStatus(begun), ProtocolJson.Default.ProfileStatus, StatusCodes.Status202Accepted);
    }

    private async Task StopAsync(HttpContext context)
    {
        ProfileSummary kept = await node.Engine.Profiles.StopAsync(NameOf(context), context.RequestAborted);
        await ApiJson.WriteAsync(context, ToStatus(kept), ProtocolJson.Default.ProfileStatus);
    }

    private async Task MergeAsync(HttpContext context)
    {
        MergeProfilesCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.MergeProfilesCommand);
        ProfileSummary kept = await node.Engine.Profiles.MergeAsync(
            NameOf(context), command.From, context.RequestAborted);
        await ApiJson.WriteAsync(context, ToStatus(kept), ProtocolJson.Default.ProfileStatus);
    }

    private async Task TrimAsync(HttpContext context)
    {
        TrimProfileCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.TrimProfileCommand);
        ProfileSummary kept = await node.Engine.Profiles.TrimAsync(
            NameOf(context), command.To, command.MinShare, ToSpan("maxSeconds", command.MaxSeconds), command.MaxBytes,
            context.RequestAborted);
        await ApiJson.WriteAsync(context, ToStatus(kept), ProtocolJson.Default.ProfileStatus);
    }

    private async Task ReplayAsync(HttpContext context)
    {
        ReplayProfileCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.ReplayProfileCommand);
        string name = NameOf(context);
        await ProgressStream.RunAsync<ReplayReport, ReplayReport>(
            context, time,
            async (progress, token) => ToReport(
                await node.Engine.Profiles.ReplayAsync(name, command.DryRun, new Mapped(progress), token)),
            ProtocolJson.Default.ProgressLineReplayReportReplayReport);
    }

    private async Task HistoryAsync(HttpContext context)
    {
        string path = RequestTarget.Text(context, "path") ?? "/";
        string word = RequestTarget.Text(context, "level") ?? "hour";
        HistoryLevel level = word switch
        {
            "minute" => HistoryLevel.Minute,
            "hour" => HistoryLevel.Hour,
            "day" => HistoryLevel.Day,
            _ => throw new DataLayerException(
                ErrorCode.InvalidArgument, "level is none of minute, hour and day."),
        };
        int limit = RequestTarget.Count(context, "limit", 1000, 1, MaxRows);
        await node.Engine.Heat.FlushAsync(context.RequestAborted);
        IReadOnlyList<AccessBucket> rows = await node.Engine.Heat.History.QueryAsync(
            path, level, RequestTarget.Time(context, "from") ?? DateTimeOffset.UnixEpoch,
            RequestTarget.Time(context, "until") ?? DateTimeOffset.MaxValue, context.RequestAborted);
        HistoryReport report = new()
        {
            Path = path,
            Level = word,
            Rows = [.. rows.Take(limit).Select(ToRow)],
            Next = rows.Count > limit ? UnixTime.ToTime(rows[limit].StartNanoseconds) : null,
        };
        await ApiJson.WriteAsync(context, report, ProtocolJson.Default.HistoryReport);
    }

    private static string NameOf(HttpContext context) => (string?)context.Request.RouteValues["id"] ?? string.Empty;

    private static TimeSpan? ToSpan(string what, double? seconds) => seconds switch
    {
        null => null,
        >= 0 and <= 366 * 86400.0 => TimeSpan.FromSeconds(seconds.Value),
        _ => throw new DataLayerException(
            ErrorCode.InvalidArgument, $"{what} is {seconds}: give 0 to {366 * 86400.0}."),
    };

    private static HistoryRow ToRow(AccessBucket row) => new()
    {
        Start = UnixTime.ToTime(row.StartNanoseconds),
        First = UnixTime.ToTime(row.FirstNanoseconds),
        Last = UnixTime.ToTime(row.LastNanoseconds),
        Opens = row.Sums.OpenCount,
        Reads = row.Sums.ReadCount,
        MemoryBytes = row.Sums.MemoryBytes,
        HotBytes = row.Sums.HotBytes,
        ColdBytes = row.Sums.ColdBytes,
        HotWaitNanoseconds = row.Sums.HotWaitNanoseconds,
        ColdWaitNanoseconds = row.Sums.ColdWaitNanoseconds,
    };

    private static ProfileStatus ToStatus(ProfileSummary profile) => new()
    {
        Name = profile.Name,
        Path = profile.Path,
        RecordedAt = profile.RecordedAt,
        Seconds = profile.Duration.TotalSeconds,
        Runs = profile.RunCount,
        Files = profile.FileCount,
        Blocks = profile.BlockCount,
        SizeBytes = profile.SizeBytes,
        Missed = profile.MissedCount,
        Recording = profile.IsRecording,
        EndsAt = profile.EndsAt,
        Fault = profile.Fault,
    };

    private static ReplayReport ToReport(ProfileReplayResult result) => new()
    {
        DryRun = result.IsDryRun,
        Files = result.FileCount,
        Blocks = result.BlockCount,
        SizeBytes = result.SizeBytes,
        AlreadyHot = result.AlreadyHotBlocks,
        Hot = result.HotBlocks,
        FetchedBytes = result.FetchedBytes,
        MovedFiles = result.MovedFiles,
        VanishedFiles = result.VanishedFiles,
        Vanished = result.Vanished,
        VanishedBlocks = result.VanishedBlocks,
        Failed = result.FailedBlocks,
        FirstError = result.FirstError,
    };

    private sealed class Mapped(IProgress<ReplayReport> progress) : IProgress<ProfileReplayResult>
    {
        public void Report(ProfileReplayResult value) => progress.Report(ToReport(value));
    }
}
