using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <summary>
/// Attachments, tiers, targets and upkeep. Long operations report progress as the service streams it; giving one up
/// (cancellation,
/// lost connection) stops it at the service at its next step. Safe for concurrent use.
/// </summary>
public sealed partial class AdminClient
{
    private readonly ApiConnection _connection;

    internal AdminClient(ApiConnection connection) => _connection = connection;

    // ---- attachments -------------------------------------------------------------------------------------------

    /// <summary>
    /// Attaches a bucket prefix and lists it; an interrupted listing goes on where it stopped when asked again.
    /// </summary>
    public ValueTask<AttachmentStatus> AttachAsync(
        AttachCommand command, IProgress<ListingReport>? progress = null,
        CancellationToken cancellationToken = default) =>
        RunAsync(
            ApiRoutes.Attachments, command, ProtocolJson.Default.AttachCommand,
            ProtocolJson.Default.ProgressLineListingReportAttachmentStatus, progress, cancellationToken);

    /// <summary>The attachments the caller may reach, by path.</summary>
    public async ValueTask<IReadOnlyList<AttachmentStatus>> ListAttachmentsAsync(
        CancellationToken cancellationToken = default)
    {
        const int PageEntries = 1000;
        List<AttachmentStatus> all = [];
        string target = ApiRoutes.Attachments;
        while (true)
        {
            IReadOnlyList<AttachmentStatus> page = await GetAsync(
                target, ProtocolJson.Default.IReadOnlyListAttachmentStatus, cancellationToken).ConfigureAwait(false);
            all.AddRange(page);
            if (page.Count < PageEntries)
            {
                return all;
            }

            target = $"{ApiRoutes.Attachments}?after={Uri.EscapeDataString(page[^1].Path)}";
        }
    }

    /// <summary>
    /// Removes an attachment and its names from the tree, never an object. Forced: also with uploads due.
    /// </summary>
    public async ValueTask DetachAsync(string path, bool force = false, CancellationToken cancellationToken = default)
    {
        string target =
            $"{ApiRoutes.Attachments}?path={Uri.EscapeDataString(path)}{(force ? "&force=true" : string.Empty)}";
        await _connection.DeleteAsync(target, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lists an attachment's bucket again and takes over what changed.</summary>
    public ValueTask<ListingReport> RefreshAsync(
        string path, IProgress<ListingReport>? progress = null, CancellationToken cancellationToken = default) =>
        RunAsync(
            $"{ApiRoutes.Attachments}/refresh", new PathCommand { Path = path }, ProtocolJson.Default.PathCommand,
            ProtocolJson.Default.ProgressLineListingReportListingReport, progress, cancellationToken);

    // ---- tiers -------------------------------------------------------------------------------------------------

    /// <summary>Brings everything below a path into the hot tier, and memory where asked.</summary>
    public ValueTask<WarmReport> WarmAsync(
        string path, bool intoMemory = false, IProgress<WarmReport>? progress = null,
        CancellationToken cancellationToken = default) =>
        RunAsync(
            $"{ApiRoutes.Operations}/warm", new WarmCommand { Path = path, IntoMemory = intoMemory },
            ProtocolJson.Default.WarmCommand, ProtocolJson.Default.ProgressLineWarmReportWarmReport, progress,
            cancellationToken);

    /// <summary>
    /// Drops memory copies below a path, and with <paramref name="hot"/> the hot copies of premigrated contents.
    /// </summary>
    public ValueTask<EvictReport> EvictAsync(
        string path, bool hot = false, CancellationToken cancellationToken = default) =>
        PostAsync(
            $"{ApiRoutes.Operations}/evict", new EvictCommand { Path = path, Hot = hot },
            ProtocolJson.Default.EvictCommand, ProtocolJson.Default.EvictReport, RetryMode.Always, cancellationToken);

    /// <summary>Waits until all uploads due below a path were verified.</summary>
    public ValueTask FlushUploadsAsync(string path, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            $"{ApiRoutes.Operations}/flush", new FlushCommand { Path = path, Uploads = true },
            ProtocolJson.Default.FlushCommand, RetryMode.Always, cancellationToken);

    /// <summary>Files, folders and bytes below a path.</summary>
    public ValueTask<UsageReport> GetUsageAsync(string path, CancellationToken cancellationToken = default) =>
        PostAsync(
            $"{ApiRoutes.Operations}/du", new PathCommand { Path = path }, ProtocolJson.Default.PathCommand,
            ProtocolJson.Default.UsageReport, RetryMode.Always, cancellationToken);

    // ---- targets -----------------------------------------------------------------------------------------------

    /// <summary>The targets of the hot tier.</summary>
    public ValueTask<IReadOnlyList<TargetReport>> ListTargetsAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ApiRoutes.Targets, ProtocolJson.Default.IReadOnlyListTargetReport, cancellationToken);

    /// <summary>Adds a directory of the service's machine, or a RADOS address, to a pool.</summary>
    public ValueTask<TargetReport> AddTargetAsync(
        string pool, string directory, CancellationToken cancellationToken = default) =>
        PostAsync(
            ApiRoutes.Targets, new AddTargetCommand { Pool = pool, Directory = directory },
            ProtocolJson.Default.AddTargetCommand, ProtocolJson.Default.TargetReport, RetryMode.WhenNotExecuted,
            cancellationToken);

    /// <summary>Moves a target's data to the others of its pool and removes it.</summary>
    public ValueTask<DrainStatus> DrainTargetAsync(
        int target, IProgress<DrainStatus>? progress = null, CancellationToken cancellationToken = default) =>
        RunAsync<object, DrainStatus, DrainStatus>(
            string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Targets}/{target}/drain"), command: null,
            commandType: null, ProtocolJson.Default.ProgressLineDrainStatusDrainStatus, progress, cancellationToken);

    // ---- mounts ------------------------------------------------------------------------------------------------

    /// <summary>What is mounted from the service, which way each mount takes, and where keepers find it.</summary>
    public ValueTask<MountList> ListMountsAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ApiRoutes.Mounts, ProtocolJson.Default.MountList, cancellationToken);

    // ---- stores ------------------------------------------------------------------------------------------------

    /// <summary>
    /// Makes an S3 store with keys of its own known to the service, or replaces its keys; attachments name it.
    /// </summary>
    /// <exception cref="DataLayerException">InvalidArgument; AlreadyExists for a store of the
    /// configuration.</exception>
    public ValueTask DefineStoreAsync(DefineStoreCommand command, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            ApiRoutes.Stores, command, ProtocolJson.Default.DefineStoreCommand, RetryMode.Always, cancellationToken);

    /// <summary>Forgets a store made by <see cref="DefineStoreAsync"/>, with its keys.</summary>
    /// <exception cref="DataLayerException">NotFound; NotEmpty while an attachment uses it.</exception>
    public async ValueTask RemoveStoreAsync(string name, CancellationToken cancellationToken = default)
    {
        await _connection
            .DeleteAsync($"{ApiRoutes.Stores}?name={Uri.EscapeDataString(name)}", cancellationToken)
            .ConfigureAwait(false);
    }

    // ---- upkeep ------------------------------------------------------------------------------------------------

    /// <summary>Checks the tree against the tiers, and repairs where asked.</summary>
    public ValueTask<CheckStatus> CheckAsync(bool repair = false, CancellationToken cancellationToken = default) =>
        PostAsync(
            $"{ApiRoutes.Operations}/fsck", new CheckCommand { Repair = repair }, ProtocolJson.Default.CheckCommand,
            ProtocolJson.Default.CheckStatus, RetryMode.WhenNotExecuted, cancellationToken);

    /// <summary>Reads and checks every hot copy below a path, repairing from other copies and objects.</summary>
    public ValueTask<ScrubStatus> ScrubAsync(
        string path, IProgress<ScrubStatus>? progress = null, CancellationToken cancellationToken = default) =>
        RunAsync(
            $"{ApiRoutes.Operations}/scrub", new PathCommand { Path = path }, ProtocolJson.Default.PathCommand,
            ProtocolJson.Default.ProgressLineScrubStatusScrubStatus, progress, cancellationToken);

    /// <summary>Counters since the service started.</summary>
    public ValueTask<StatisticsReport> GetStatisticsAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ApiRoutes.Statistics, ProtocolJson.Default.StatisticsReport, cancellationToken);

    /// <summary>Why readers wait, and what to change.</summary>
    /// <param name="windowSeconds">The length of the window, 1 to 900 s.</param>
    /// <param name="ahead">Whether to look at the next so many seconds, which takes that long, not at the last.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public ValueTask<DoctorReport> DiagnoseAsync(
        int windowSeconds = 60, bool ahead = false, CancellationToken cancellationToken = default) =>
        GetAsync(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{ApiRoutes.Doctor}?seconds={windowSeconds}{(ahead ? "&ahead=true" : string.Empty)}"),
            ProtocolJson.Default.DoctorReport, cancellationToken);

    /// <summary>What automatic tiering is at.</summary>
    public ValueTask<AutoTieringReport> GetAutoTieringAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ApiRoutes.AutoTiering, ProtocolJson.Default.AutoTieringReport, cancellationToken);

    /// <summary>Turns automatic tiering on or off; safe to repeat.</summary>
    public ValueTask<AutoTieringReport> SwitchAutoTieringAsync(
        bool enabled, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Put, ApiRoutes.AutoTiering)
            {
                Retry = RetryMode.Always,
                Content = ApiConnection.JsonBody(
                    new AutoTieringCommand { Enabled = enabled }, ProtocolJson.Default.AutoTieringCommand),
            },
            ProtocolJson.Default.AutoTieringReport, cancellationToken);

    /// <summary>The service's version.</summary>
    public ValueTask<VersionReport> GetVersionAsync(CancellationToken cancellationToken = default) =>
        GetAsync(ApiRoutes.Version, ProtocolJson.Default.VersionReport, cancellationToken);

    /// <summary>
    /// The answer of a GET of the API as it comes, for programs that keep it rather than understand it: metrics, the
    /// last lines of the log, any report as JSON.
    /// </summary>
    /// <param name="target">Path and query, encoded, as <c>/metrics</c>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">What the service said, or that it cannot be reached.</exception>
    public async ValueTask<string> GetTextAsync(string target, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(target);
        using HttpResponseMessage answer = await _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, target) { Retry = RetryMode.Always }, cancellationToken)
            .ConfigureAwait(false);
        try
        {
            return await answer.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw _connection.Unreachable(e);
        }
    }

    // ---- extended attributes -----------------------------------------------------------------------------------

    /// <summary>The names of a path's extended attributes.</summary>
    public async ValueTask<IReadOnlyList<string>> ListXattrsAsync(
        string path, CancellationToken cancellationToken = default) =>
        (
            await GetAsync(
                    ApiRoutes.Xattrs + TreePath.Encode(path),
                    ProtocolJson.Default.XattrList,
                    cancellationToken
                )
                .ConfigureAwait(false)).Names;

    /// <summary>One extended attribute's value, or null if it (or the path) is absent.</summary>
    public async ValueTask<byte[]?> GetXattrAsync(
        string path, string name, CancellationToken cancellationToken = default)
    {
        using HttpResponseMessage response = await _connection
            .SendAsync(
                new ApiRequest(HttpMethod.Get, XattrTarget(path, name)) { Retry = RetryMode.Always },
                cancellationToken, allowMissing: true)
            .ConfigureAwait(false);
        return response.StatusCode == System.Net.HttpStatusCode.NotFound
            ? null
            : await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sets an extended attribute.</summary>
    public async ValueTask SetXattrAsync(
        string path, string name, ReadOnlyMemory<byte> value, CancellationToken cancellationToken = default)
    {
        using HttpResponseMessage response = await _connection
            .SendAsync(
                new ApiRequest(HttpMethod.Put, XattrTarget(path, name))
                {
                    Retry = RetryMode.Always,
                    Content = () => new ReadOnlyMemoryContent(value),
                },
                cancellationToken)
            .ConfigureAwait(false);
    }

    /// <summary>Removes an extended attribute.</summary>
    public async ValueTask RemoveXattrAsync(string path, string name, CancellationToken cancellationToken = default)
    {
        await _connection.DeleteAsync(XattrTarget(path, name), cancellationToken).ConfigureAwait(false);
    }

    // ---- inside ------------------------------------------------------------------------------------------------

    private static string XattrTarget(string path, string name) =>
        $"{ApiRoutes.Xattrs}{TreePath.Encode(path)}?name={Uri.EscapeDataString(name)}";

    private ValueTask<T> GetAsync<T>(string target, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, target) { Retry = RetryMode.Always }, type, cancellationToken);

    private ValueTask<TAnswer> PostAsync<TCommand, TAnswer>(
        string target, TCommand command, JsonTypeInfo<TCommand> commandType, JsonTypeInfo<TAnswer> answerType,
        RetryMode retry, CancellationToken cancellationToken)
        where TAnswer : class =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Post, target)
            {
                Retry = retry,
                Content = ApiConnection.JsonBody(command, commandType),
            },
            answerType, cancellationToken);

    internal async ValueTask<TResult> RunAsync<TCommand, TProgress, TResult>(
        string target, TCommand? command, JsonTypeInfo<TCommand>? commandType,
        JsonTypeInfo<ProgressLine<TProgress, TResult>> lineType, IProgress<TProgress>? progress,
        CancellationToken cancellationToken)
        where TProgress : class
        where TResult : class
    {
        ApiRequest request = new(HttpMethod.Post, target)
        {
            Retry = RetryMode.WhenNotExecuted,
            Content = commandType is null ? null : ApiConnection.JsonBody(command!, commandType),
        };
        using HttpResponseMessage response = await _connection
            .SendAsync(request, cancellationToken)
            .ConfigureAwait(false);
        try
        {
            Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            using StreamReader lines = new(body);
            while (await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } text)
            {
                ProgressLine<TProgress, TResult>? line = JsonSerializer.Deserialize(text, lineType);
                if (line?.Error is { } error)
                {
                    throw ApiConnection.FromProblem(error);
                }

                if (line?.Result is { } result)
                {
                    return result;
                }

                if (line?.Progress is { } step)
                {
                    progress?.Report(step);
                }
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw _connection.Unreachable(e);
        }
        catch (JsonException e)
        {
            throw new DataLayerException(
                ErrorCode.Internal, $"The answer to '{target}' is not what this client understands: {e.Message}", e);
        }

        throw new DataLayerException(
            ErrorCode.ShuttingDown,
            $"The answer to '{target}' ended without a result: the service stopped or the connection broke.");
    }
}
