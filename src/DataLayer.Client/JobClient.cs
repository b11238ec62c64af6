using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <summary>
/// Jobs: long work that the service does by itself, over restarts too. Making one is safe to try again: each call
/// carries a key of its own. Safe for concurrent use.
/// </summary>
public sealed partial class JobClient
{
    private readonly ApiConnection _connection;

    internal JobClient(ApiConnection connection) => _connection = connection;

    /// <summary>Makes a job that warms, checks or evicts paths.</summary>
    /// <param name="command">What to do.</param>
    /// <param name="key">Makes asking twice make one job; null for a new key.</param>
    /// <param name="cancellationToken">Gives the call up; not the job.</param>
    public ValueTask<JobStatus> WarmAsync(
        WarmJobCommand command, string? key = null, CancellationToken cancellationToken = default) =>
        PostAsync(
            $"{ApiRoutes.Jobs}/warm", ApiConnection.JsonBody(command, ProtocolJson.Default.WarmJobCommand),
            key ?? NewKey(), cancellationToken);

    /// <summary>Makes a job that warms, checks or evicts a list of files: a line each, a path or JSON.</summary>
    /// <param name="list">The lines as UTF-8; sent anew where the call is tried again.</param>
    /// <param name="mode">warm, check or evict.</param>
    /// <param name="intoMemory">Fill memory as well.</param>
    /// <param name="verify">Compare with checksums at the end.</param>
    /// <param name="key">Makes asking twice make one job; null for a new key.</param>
    /// <param name="cancellationToken">Gives the call up; not the job.</param>
    public ValueTask<JobStatus> WarmListAsync(
        ReadOnlyMemory<byte> list, string mode = "warm", bool intoMemory = false, bool verify = true,
        string? key = null, CancellationToken cancellationToken = default)
    {
        string target = $"{ApiRoutes.Jobs}/warm-list?mode={Uri.EscapeDataString(mode)}"
            + (intoMemory ? "&intoMemory=true" : string.Empty) + (verify ? string.Empty : "&verify=false");
        return PostAsync(target, () => new ReadOnlyMemoryContent(list), key ?? NewKey(), cancellationToken);
    }

    /// <summary>Makes a job that carries out a plan's moves.</summary>
    /// <param name="plan">The plan's number.</param>
    /// <param name="command">What bounds it.</param>
    /// <param name="key">Makes asking twice make one job; null for a new key.</param>
    /// <param name="cancellationToken">Gives the call up; not the job.</param>
    /// <exception cref="DataLayerException">NotFound; WrongState: the plan is stale.</exception>
    public ValueTask<JobStatus> ApplyAsync(
        long plan, MoveCommand command, string? key = null, CancellationToken cancellationToken = default) =>
        PostAsync(
            string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Plans}/{plan}/apply"),
            ApiConnection.JsonBody(command, ProtocolJson.Default.MoveCommand), key ?? NewKey(), cancellationToken);

    /// <summary>Makes a job that brings the files another one moved back to where they were.</summary>
    /// <param name="id">The job that applied a plan.</param>
    /// <param name="command">What bounds it.</param>
    /// <param name="key">Makes asking twice make one job; null for a new key.</param>
    /// <param name="cancellationToken">Gives the call up; not the job.</param>
    /// <exception cref="DataLayerException">NotFound; WrongState: it cannot be undone (any more).</exception>
    public ValueTask<JobStatus> UndoAsync(
        long id, MoveCommand command, string? key = null, CancellationToken cancellationToken = default) =>
        PostAsync(
            Target(id) + "/undo", ApiConnection.JsonBody(command, ProtocolJson.Default.MoveCommand), key ?? NewKey(),
            cancellationToken);

    /// <summary>A page of the moves of a job that applies or undoes, by number.</summary>
    /// <param name="id">The job.</param>
    /// <param name="from">The first move's number; the page before says it.</param>
    /// <param name="limit">At most so many, 1 to 10,000.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<MovePage> ListMovesAsync(
        long id, long from = 0, int limit = 1000, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(
                HttpMethod.Get,
                string.Create(CultureInfo.InvariantCulture, $"{Target(id)}/moves?from={from}&limit={limit}"))
            {
                Retry = RetryMode.Always,
            },
            ProtocolJson.Default.MovePage, cancellationToken);

    /// <summary>Makes a job that repacks, unpacks or indexes what lies at or below a path.</summary>
    /// <param name="command">What, and where.</param>
    /// <param name="key">Makes asking twice make one job; null for a new key.</param>
    /// <param name="cancellationToken">Gives the call up; not the job.</param>
    /// <exception cref="DataLayerException">NotFound, InvalidArgument.</exception>
    public ValueTask<JobStatus> PackAsync(
        PackCommand command, string? key = null, CancellationToken cancellationToken = default) =>
        PostAsync(
            ApiRoutes.Packs + "/jobs", ApiConnection.JsonBody(command, ProtocolJson.Default.PackCommand),
            key ?? NewKey(), cancellationToken);

    /// <summary>A page of the packs of small cold files, by number.</summary>
    /// <param name="after">Packs with larger numbers; the page before says it.</param>
    /// <param name="limit">At most so many, 1 to 1,000.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    public ValueTask<PackPage> ListPacksAsync(
        long after = 0, int limit = 100, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(
                HttpMethod.Get,
                string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Packs}?after={after}&limit={limit}"))
            {
                Retry = RetryMode.Always,
            },
            ProtocolJson.Default.PackPage, cancellationToken);

    /// <summary>One job.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<JobStatus> GetAsync(long id, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, Target(id)) { Retry = RetryMode.Always }, ProtocolJson.Default.JobStatus,
            cancellationToken);

    /// <summary>A page of the jobs, newest first.</summary>
    /// <param name="cursor">Where the page before says to go on; null for the first.</param>
    /// <param name="limit">At most so many, 1 to 1,000.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    public ValueTask<JobPage> ListAsync(
        string? cursor = null, int limit = 100, CancellationToken cancellationToken = default)
    {
        string target = string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Jobs}?limit={limit}");
        return _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, cursor is null ? target : $"{target}&cursor={Uri.EscapeDataString(cursor)}")
            {
                Retry = RetryMode.Always,
            },
            ProtocolJson.Default.JobPage, cancellationToken);
    }

    /// <summary>Pauses a job; it has stopped when this returns.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState.</exception>
    public ValueTask<JobStatus> PauseAsync(long id, CancellationToken cancellationToken = default) =>
        PostAsync(Target(id) + "/pause", null, null, cancellationToken);

    /// <summary>Lets a paused job go on.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState.</exception>
    public ValueTask<JobStatus> ResumeAsync(long id, CancellationToken cancellationToken = default) =>
        PostAsync(Target(id) + "/resume", null, null, cancellationToken);

    /// <summary>Cancels a job at its next step; what it did stays.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState.</exception>
    public ValueTask<JobStatus> CancelAsync(long id, CancellationToken cancellationToken = default) =>
        PostAsync(Target(id) + "/cancel", null, null, cancellationToken);

    /// <summary>
    /// A job's states as they come, until it ends. Where the connection breaks it is made again and goes on; the
    /// client's retries bound how long the service may be away.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound; OriginUnavailable: the service stays away.</exception>
    public async IAsyncEnumerable<JobStatus> WatchAsync(
        long id, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        string? last = null;
        while (true)
        {
            ApiRequest request = new(HttpMethod.Get, Target(id) + "/events")
            {
                Retry = RetryMode.Always,
                LastEventId = last,
            };
            using HttpResponseMessage response = await _connection.SendAsync(request, cancellationToken)
                .ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.NoContent)
            {
                yield break;
            }

            Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            using StreamReader lines = new(body);
            while (await ReadLineAsync(lines, cancellationToken).ConfigureAwait(false) is { } line)
            {
                if (!line.StartsWith("data: ", StringComparison.Ordinal))
                {
                    continue;
                }

                JobStatus job = JsonSerializer.Deserialize(line.AsSpan(6), ProtocolJson.Default.JobStatus)!;
                last = job.Sequence.ToString(CultureInfo.InvariantCulture);
                yield return job;
                if (job.HasEnded)
                {
                    yield break;
                }
            }
        }
    }

    /// <summary>Makes a schedule.</summary>
    public ValueTask<ScheduleStatus> AddScheduleAsync(
        ScheduleCommand command, string? key = null, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Post, ApiRoutes.Schedules)
            {
                Retry = RetryMode.Always,
                IdempotencyKey = key ?? NewKey(),
                Content = ApiConnection.JsonBody(command, ProtocolJson.Default.ScheduleCommand),
            },
            ProtocolJson.Default.ScheduleStatus, cancellationToken);

    /// <summary>The schedules.</summary>
    public ValueTask<IReadOnlyList<ScheduleStatus>> ListSchedulesAsync(CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, ApiRoutes.Schedules) { Retry = RetryMode.Always },
            ProtocolJson.Default.IReadOnlyListScheduleStatus, cancellationToken);

    /// <summary>Removes a schedule; the jobs it made stay.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public async ValueTask RemoveScheduleAsync(long id, CancellationToken cancellationToken = default)
    {
        string target = string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Schedules}/{id}");
        await _connection.DeleteAsync(target, cancellationToken).ConfigureAwait(false);
    }

    private static string Target(long id) => string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Jobs}/{id}");

    private static string NewKey() => Guid.NewGuid().ToString("N", CultureInfo.InvariantCulture);

    /// <summary>A line of the stream; null at its end, also where the connection broke: the caller goes on.</summary>
    private static async ValueTask<string?> ReadLineAsync(StreamReader lines, CancellationToken cancellationToken)
    {
        try
        {
            return await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            return null;
        }
    }

    private ValueTask<JobStatus> PostAsync(
        string target, Func<HttpContent>? content, string? key, CancellationToken cancellationToken) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Post, target)
            {
                Retry = RetryMode.Always,
                IdempotencyKey = key,
                Content = content,
            },
            ProtocolJson.Default.JobStatus, cancellationToken);
}
