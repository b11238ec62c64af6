using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <content>Headrooms.</content>
public sealed partial class JobClient
{
    /// <summary>Adds a headroom.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: what is wrong, or what it collides with.</exception>
    public ValueTask<HeadroomReport> AddHeadroomAsync(
        HeadroomCommand command, string? key = null, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Post, ApiRoutes.Headrooms)
            {
                Retry = RetryMode.Always,
                IdempotencyKey = key ?? NewKey(),
                Content = ApiConnection.JsonBody(command, ProtocolJson.Default.HeadroomCommand),
            },
            ProtocolJson.Default.HeadroomReport, cancellationToken);

    /// <summary>The headrooms.</summary>
    public ValueTask<IReadOnlyList<HeadroomReport>> ListHeadroomsAsync(CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Get, ApiRoutes.Headrooms) { Retry = RetryMode.Always },
            ProtocolJson.Default.IReadOnlyListHeadroomReport, cancellationToken);

    /// <summary>Changes a headroom as a whole.</summary>
    /// <exception cref="DataLayerException">NotFound; as <see cref="AddHeadroomAsync"/>.</exception>
    public ValueTask<HeadroomReport> ReplaceHeadroomAsync(
        long id, HeadroomCommand command, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            new ApiRequest(HttpMethod.Put, HeadroomTarget(id))
            {
                Retry = RetryMode.Always,
                Content = ApiConnection.JsonBody(command, ProtocolJson.Default.HeadroomCommand),
            },
            ProtocolJson.Default.HeadroomReport, cancellationToken);

    /// <summary>Removes a headroom and gives back what it reserves.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public async ValueTask RemoveHeadroomAsync(long id, CancellationToken cancellationToken = default) =>
        await _connection.DeleteAsync(HeadroomTarget(id), cancellationToken).ConfigureAwait(false);

    private static string HeadroomTarget(long id) =>
        string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Headrooms}/{id}");
}
