using System.Buffers.Binary;
using System.Globalization;
using DataLayer.Engine.Peers;
using DataLayer.Server.Peers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DataLayer.Tests.Peers;

/// <summary>A node that answers as a test says.</summary>
internal sealed class ScriptedPeer : IAsyncDisposable
{
    private readonly WebApplication _host;
    private readonly CancellationTokenSource _stop = new();
    private int _requests;

    private ScriptedPeer(Func<HttpContext, PeerRequest, CancellationToken, Task> answer)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _host = builder.Build();
        _host.Run(async context =>
        {
            Interlocked.Increment(ref _requests);
            using CancellationTokenSource ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stop.Token);
            try
            {
                await answer(context, RequestOf(context), ends.Token);
            }
            catch (OperationCanceledException)
            {
                context.Abort();
            }
        });
    }

    public Uri Url { get; private set; } = null!;

    /// <summary>Requests so far.</summary>
    public int Requests => Volatile.Read(ref _requests);

    public static async Task<ScriptedPeer> StartAsync(Func<HttpContext, PeerRequest, CancellationToken, Task> answer)
    {
        ScriptedPeer peer = new(answer);
        await peer._host.StartAsync();
        peer.Url = new Uri(peer._host.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First());
        return peer;
    }

    /// <summary>Answers with bytes, framed as for <paramref name="asked"/>.</summary>
    public static async Task SendAsync(HttpContext context, PeerRequest asked, ReadOnlyMemory<byte> bytes)
    {
        byte[] checksum = new byte[PeerWire.ChecksumBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(checksum, PeerWire.ChecksumOf(asked, bytes.Span));
        await context.Response.Body.WriteAsync(new[] { PeerWire.Follows });
        await context.Response.Body.WriteAsync(bytes);
        await context.Response.Body.WriteAsync(checksum);
    }

    /// <summary>Says that it is at it.</summary>
    public static async Task AcceptAsync(HttpContext context)
    {
        await context.Response.StartAsync();
        await context.Response.Body.FlushAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _host.DisposeAsync();
        _stop.Dispose();
    }

    private static PeerRequest RequestOf(HttpContext context)
    {
        IQueryCollection query = context.Request.Query;
        return new PeerRequest(
            query["store"]!, query["key"]!, query["etag"]!, long.Parse(query["size"]!, CultureInfo.InvariantCulture),
            long.Parse(query["offset"]!, CultureInfo.InvariantCulture), int.Parse(query["length"]!, CultureInfo.InvariantCulture));
    }
}
