using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <summary>
/// Datasets: named folders with a sample index, pinned, verified and looked into. Safe for concurrent use.
/// </summary>
public sealed class DatasetClient
{
    private readonly ApiConnection _connection;
    private readonly AdminClient _admin;

    internal DatasetClient(ApiConnection connection, AdminClient admin) => (_connection, _admin) = (connection, admin);

    /// <summary>
    /// Makes a dataset and the job that builds its index; of one that is there with the same spec, the job alone.
    /// </summary>
    /// <exception cref="DataLayerException">AlreadyExists: made of something else. WrongState: pinned.</exception>
    public ValueTask<JobStatus> CreateAsync(
        string name, DatasetCommand command, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Put, Target(name))
            {
                Retry = RetryMode.WhenNotExecuted,
                Content = ApiConnection.JsonBody(command, ProtocolJson.Default.DatasetCommand),
            },
            ProtocolJson.Default.JobStatus, cancellationToken);

    /// <summary>Makes a job that brings a dataset's index up to date.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState: it is pinned.</exception>
    public ValueTask<JobStatus> RefreshAsync(string name, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Post, Target(name) + "/refresh") { Retry = RetryMode.WhenNotExecuted },
            ProtocolJson.Default.JobStatus, cancellationToken);

    /// <summary>The datasets, by name.</summary>
    public ValueTask<IReadOnlyList<DatasetStatus>> ListAsync(CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, ApiRoutes.Datasets) { Retry = RetryMode.Always },
            ProtocolJson.Default.IReadOnlyListDatasetStatus, cancellationToken);

    /// <summary>One dataset.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<DatasetStatus> GetAsync(string name, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, Target(name)) { Retry = RetryMode.Always },
            ProtocolJson.Default.DatasetStatus, cancellationToken);

    /// <summary>Freezes a dataset.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState: it has no index yet, or is being built.</exception>
    public ValueTask<DatasetStatus> PinAsync(string name, CancellationToken cancellationToken = default) =>
        SendPinAsync(HttpMethod.Put, name, cancellationToken);

    /// <summary>Lets a dataset go with its files again.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<DatasetStatus> UnpinAsync(string name, CancellationToken cancellationToken = default) =>
        SendPinAsync(HttpMethod.Delete, name, cancellationToken);

    /// <summary>Looks whether each file of a dataset is still what its index is of.</summary>
    /// <param name="name">The dataset.</param>
    /// <param name="askOrigin">Whether to ask the buckets too, a request a file.</param>
    /// <param name="progress">Told as it goes; or null.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="DataLayerException">NotFound; WrongState: it has no index yet.</exception>
    public ValueTask<DatasetVerificationReport> VerifyAsync(
        string name, bool askOrigin = true, IProgress<DatasetVerificationReport>? progress = null,
        CancellationToken cancellationToken = default) =>
        _admin.RunAsync(
            Target(name) + "/verify", new VerifyDatasetCommand { Origin = askOrigin },
            ProtocolJson.Default.VerifyDatasetCommand,
            ProtocolJson.Default.ProgressLineDatasetVerificationReportDatasetVerificationReport, progress,
            cancellationToken);

    /// <summary>Forgets a dataset; its files stay.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState: it is pinned.</exception>
    public async ValueTask DeleteAsync(string name, CancellationToken cancellationToken = default)
    {
        await _connection.DeleteAsync(Target(name), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Where samples lie, a page in the order of the index.</summary>
    /// <param name="name">The dataset.</param>
    /// <param name="from">The first sample.</param>
    /// <param name="limit">At most so many, 1 to 10,000.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="DataLayerException">NotFound; WrongState: it has no index yet.</exception>
    public ValueTask<SamplePage> ListSamplesAsync(
        string name, long from = 0, int limit = 1000, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(
                HttpMethod.Get,
                string.Create(CultureInfo.InvariantCulture, $"{Target(name)}/samples?from={from}&limit={limit}"))
            {
                Retry = RetryMode.Always,
            },
            ProtocolJson.Default.SamplePage, cancellationToken);

    /// <summary>A sample's bytes.</summary>
    /// <exception cref="DataLayerException">
    /// NotFound: no such sample. Stale: its file is not what the index is of any more.
    /// </exception>
    public async ValueTask<byte[]> ReadSampleAsync(
        string name, long number, CancellationToken cancellationToken = default)
    {
        using HttpResponseMessage response = await _connection
            .SendAsync(
                new ApiRequest(
                    HttpMethod.Get,
                    string.Create(CultureInfo.InvariantCulture, $"{Target(name)}/samples/{number}/content"))
                {
                    Retry = RetryMode.Always,
                },
                cancellationToken)
            .ConfigureAwait(false);
        return await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Which samples stand at positions of a pass, from one on.</summary>
    /// <param name="name">The dataset.</param>
    /// <param name="spec">The order.</param>
    /// <param name="pass">The pass, from 0.</param>
    /// <param name="from">The first position.</param>
    /// <param name="limit">At most so many, 1 to 10,000.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument: the order does not fit the dataset.</exception>
    public ValueTask<OrderReport> GetOrderAsync(
        string name, OrderSpec spec, long pass = 0, long from = 0, int limit = 100,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(spec);
        string mode = spec.Mode.ToString().ToLowerInvariant();
        string part = spec.Part.ToString().ToLowerInvariant();
        string target = string.Create(
            CultureInfo.InvariantCulture,
            $"{Target(name)}/order?mode={mode}&part={part}&seed={spec.Seed}&pass={pass}&from={from}&limit={limit}"
                + $"&block={spec.BlockSamples}&window={spec.WindowBlocks}&weights={string.Join(',', spec.Weights)}");
        return _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, target) { Retry = RetryMode.Always }, ProtocolJson.Default.OrderReport,
            cancellationToken);
    }

    /// <summary>The feeds that are open: who reads what, and how far it is.</summary>
    /// <exception cref="DataLayerException">Any code of the service.</exception>
    public ValueTask<IReadOnlyList<FeedStatus>> ListFeedsAsync(CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, ApiRoutes.Feeds) { Retry = RetryMode.Always },
            ProtocolJson.Default.IReadOnlyListFeedStatus, cancellationToken);

    private static string Target(string name) => $"{ApiRoutes.Datasets}/{Uri.EscapeDataString(name)}";

    private ValueTask<DatasetStatus> SendPinAsync(
        HttpMethod method, string name, CancellationToken cancellationToken) =>
        _connection.SendAsync(
            new ApiRequest(method, Target(name) + "/pin") { Retry = RetryMode.Always },
            ProtocolJson.Default.DatasetStatus, cancellationToken);
}
