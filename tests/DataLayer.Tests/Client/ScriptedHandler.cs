using System.Net;

namespace DataLayer.Tests.Client;

/// <summary>Answers a client's requests by a script, one step a request, and keeps what was asked.</summary>
internal sealed class ScriptedHandler(params Func<HttpRequestMessage, HttpResponseMessage>[] steps) : HttpMessageHandler
{
    private int _next;

    /// <summary>What was asked: method, path with query, and the headers of interest.</summary>
    public List<string> Asked { get; } = [];

    /// <summary>The bodies that were sent.</summary>
    public List<byte[]> Bodies { get; } = [];

    /// <summary>Answers with a status and text.</summary>
    public static Func<HttpRequestMessage, HttpResponseMessage> Answer(
        HttpStatusCode status, string body = "", string mediaType = "application/json", Action<HttpResponseMessage>? more = null) => request =>
    {
        HttpResponseMessage response = new(status)
        {
            Content = new StringContent(body, System.Text.Encoding.UTF8, mediaType),
            RequestMessage = request,
        };
        more?.Invoke(response);
        return response;
    };

    /// <summary>Fails before anything was sent.</summary>
    public static Func<HttpRequestMessage, HttpResponseMessage> Refuse() => _ =>
        throw new HttpRequestException(HttpRequestError.ConnectionError, "refused");

    /// <summary>Fails when the request may have been executed.</summary>
    public static Func<HttpRequestMessage, HttpResponseMessage> Break() => _ =>
        throw new HttpRequestException(HttpRequestError.ResponseEnded, "cut");

    /// <summary>Gives a connection up that nobody asked to give up, as the platform's handler does with one that does not come about.</summary>
    public static Func<HttpRequestMessage, HttpResponseMessage> GiveUp() => _ =>
        throw new TaskCanceledException("given up", new TimeoutException("the connection did not come about"));

    /// <summary>Promises more bytes than come.</summary>
    public static Func<HttpRequestMessage, HttpResponseMessage> Truncate(int promised, int sent, HttpStatusCode status = HttpStatusCode.OK) => _ =>
    {
        StreamContent content = new(new MemoryStream(new byte[sent]));
        content.Headers.ContentLength = promised;
        return new HttpResponseMessage(status) { Content = content };
    };

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string headers = string.Concat(request.Headers.Select(h => $" {h.Key}={string.Join(',', h.Value)}"));
        Asked.Add($"{request.Method} {request.RequestUri!.PathAndQuery}{headers}");
        if (request.Content is not null)
        {
            Bodies.Add(await request.Content.ReadAsByteArrayAsync(cancellationToken));
        }

        Assert.True(_next < steps.Length, $"One request more than the script has: {Asked[^1]}");
        return steps[_next++](request);
    }
}
