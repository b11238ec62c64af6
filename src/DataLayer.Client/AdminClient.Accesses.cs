using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <content>Accesses.</content>
public sealed partial class AdminClient
{
    /// <summary>The reads at and below a path as they come.</summary>
    /// <param name="path">The folder or file.</param>
    /// <param name="length">For how long, in whole seconds; null until the caller has enough.</param>
    /// <param name="begun">Called once nothing is passed over any more; null for nobody.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="DataLayerException">
    /// NotFound: no such path. OriginUnavailable: the connection broke.
    /// </exception>
    public async IAsyncEnumerable<AccessRecord> WatchAccessesAsync(
        string path, TimeSpan? length = null, Action? begun = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        string seconds = length is { } time
            ? string.Create(CultureInfo.InvariantCulture, $"&seconds={(long)time.TotalSeconds}")
            : string.Empty;
        ApiRequest request = new(HttpMethod.Get, $"{ApiRoutes.AccessLog}?path={Uri.EscapeDataString(path)}{seconds}")
        {
            Retry = RetryMode.Always,
        };
        using HttpResponseMessage response = await _connection.SendAsync(request, cancellationToken)
            .ConfigureAwait(false);
        Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        using StreamReader lines = new(body);
        while (await NextLineAsync(lines, cancellationToken).ConfigureAwait(false) is { } line)
        {
            if (line.Length == 0)
            {
                begun?.Invoke();
                continue;
            }

            yield return JsonSerializer.Deserialize(line, ProtocolJson.Default.AccessRecord)!;
        }
    }

    private static async ValueTask<string?> NextLineAsync(StreamReader lines, CancellationToken cancellationToken)
    {
        try
        {
            return await lines.ReadLineAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or HttpRequestException)
        {
            throw new DataLayerException(
                ErrorCode.OriginUnavailable, $"The service broke off the accesses: {error.Message}", error);
        }
    }
}
