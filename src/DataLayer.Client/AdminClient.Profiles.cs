using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <content>Access profiles and access history.</content>
public sealed partial class AdminClient
{
    /// <summary>The profiles, kept and being recorded.</summary>
    public ValueTask<IReadOnlyList<ProfileStatus>> ListProfilesAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ApiRoutes.Profiles, ProtocolJson.Default.IReadOnlyListProfileStatus, cancellationToken);

    /// <summary>A profile and a page of its files, from the one at <paramref name="after"/> on.</summary>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument: it is damaged.</exception>
    public ValueTask<ProfileDetail> GetProfileAsync(
        string name, int after = 0, int limit = 1000, CancellationToken cancellationToken = default) =>
        GetAsync(
            string.Create(CultureInfo.InvariantCulture, $"{ProfileTarget(name)}?after={after}&limit={limit}"),
            ProtocolJson.Default.ProfileDetail, cancellationToken);

    /// <summary>Begins to record what is read below a path, for a time or until it is stopped.</summary>
    /// <exception cref="DataLayerException">NotFound; AlreadyExists: it is being recorded.</exception>
    public ValueTask<ProfileStatus> RecordProfileAsync(
        string name, RecordProfileCommand command, CancellationToken cancellationToken = default) =>
        PostAsync(
            ProfileTarget(name) + "/record", command, ProtocolJson.Default.RecordProfileCommand,
            ProtocolJson.Default.ProfileStatus, RetryMode.WhenNotExecuted, cancellationToken);

    /// <summary>Ends a recording and keeps the profile.</summary>
    /// <exception cref="DataLayerException">NotFound: it is not being recorded.</exception>
    public ValueTask<ProfileStatus> StopProfileAsync(string name, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Post, ProfileTarget(name) + "/stop") { Retry = RetryMode.WhenNotExecuted },
            ProtocolJson.Default.ProfileStatus, cancellationToken);

    /// <summary>Keeps the merged runs of profiles under a name.</summary>
    public ValueTask<ProfileStatus> MergeProfilesAsync(
        string name, IReadOnlyList<string> from, CancellationToken cancellationToken = default) =>
        PostAsync(
            ProfileTarget(name) + "/merge", new MergeProfilesCommand { From = from },
            ProtocolJson.Default.MergeProfilesCommand, ProtocolJson.Default.ProfileStatus, RetryMode.WhenNotExecuted,
            cancellationToken);

    /// <summary>Keeps a part of a profile.</summary>
    public ValueTask<ProfileStatus> TrimProfileAsync(
        string name, TrimProfileCommand command, CancellationToken cancellationToken = default) =>
        PostAsync(
            ProfileTarget(name) + "/trim", command, ProtocolJson.Default.TrimProfileCommand,
            ProtocolJson.Default.ProfileStatus, RetryMode.Always, cancellationToken);

    /// <summary>Makes exactly a profile's blocks hot, in its order; or only tells what that would fetch.</summary>
    public ValueTask<ReplayReport> ReplayProfileAsync(
        string name, bool dryRun = false, IProgress<ReplayReport>? progress = null,
        CancellationToken cancellationToken = default) =>
        RunAsync(
            ProfileTarget(name) + "/replay", new ReplayProfileCommand { DryRun = dryRun },
            ProtocolJson.Default.ReplayProfileCommand, ProtocolJson.Default.ProgressLineReplayReportReplayReport,
            progress, cancellationToken);

    /// <summary>A profile's bytes, to be kept elsewhere (<c>docs/FORMATS/profile.md</c>).</summary>
    public async ValueTask<byte[]> ExportProfileAsync(string name, CancellationToken cancellationToken = default)
    {
        using HttpResponseMessage response = await _connection
            .SendAsync(
                new ApiRequest(HttpMethod.Get, ProfileTarget(name) + "/content") { Retry = RetryMode.Always },
                cancellationToken)
            .ConfigureAwait(false);
        return await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Keeps an exported profile under a name.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is no profile.</exception>
    public ValueTask<ProfileStatus> ImportProfileAsync(
        string name, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Put, ProfileTarget(name) + "/content")
            {
                Retry = RetryMode.Always,
                Content = () => new ReadOnlyMemoryContent(bytes),
            },
            ProtocolJson.Default.ProfileStatus, cancellationToken);

    /// <summary>Forgets a profile.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public async ValueTask RemoveProfileAsync(string name, CancellationToken cancellationToken = default)
    {
        await _connection.DeleteAsync(ProfileTarget(name), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What was read at and below a folder, a page of rows.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="level"><c>minute</c>, <c>hour</c> or <c>day</c>.</param>
    /// <param name="from">Rows from this time on; null for all.</param>
    /// <param name="until">Rows before this time; null for all.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument: the folder lies too deep.</exception>
    public ValueTask<HistoryReport> GetHistoryAsync(
        string path, string level = "hour", DateTimeOffset? from = null, DateTimeOffset? until = null,
        CancellationToken cancellationToken = default)
    {
        string target = $"{ApiRoutes.History}?path={Uri.EscapeDataString(path)}&level={Uri.EscapeDataString(level)}"
            + Time("from", from) + Time("until", until);
        return GetAsync(target, ProtocolJson.Default.HistoryReport, cancellationToken);

        static string Time(string name, DateTimeOffset? time) => time is { } known
            ? $"&{name}={Uri.EscapeDataString(known.UtcDateTime.ToString("O", CultureInfo.InvariantCulture))}"
            : string.Empty;
    }

    private static string ProfileTarget(string name) => $"{ApiRoutes.Profiles}/{Uri.EscapeDataString(name)}";
}
