using System.Collections.Concurrent;
using System.IO.Compression;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DataLayer.Tests.Server.Tracing;

/// <summary>One span as it came over the wire.</summary>
internal sealed record ReceivedSpan(
    string TraceId, string SpanId, string ParentId, string Name, TimeSpan Duration, IReadOnlyDictionary<string, object> Tags, bool IsError);

/// <summary>A small OTLP collector over HTTP/protobuf: it takes traces and keeps their spans.</summary>
/// <remarks>Reads the wire format itself (opentelemetry-proto, trace/v1/trace.proto), so that what is tested is what was sent.</remarks>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _host;
    private readonly ConcurrentQueue<ReceivedSpan> _spans = new();

    private OtlpReceiver()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _host = builder.Build();
        _host.Run(TakeAsync);
    }

    /// <summary>The base URL, as OTEL_EXPORTER_OTLP_ENDPOINT wants it.</summary>
    public string Endpoint { get; private set; } = "";

    /// <summary>What came so far.</summary>
    public IReadOnlyList<ReceivedSpan> Spans => [.. _spans];

    public static async Task<OtlpReceiver> StartAsync()
    {
        OtlpReceiver receiver = new();
        await receiver._host.StartAsync();
        receiver.Endpoint = receiver._host.Services.GetRequiredService<IServer>().Features
            .Get<IServerAddressesFeature>()!.Addresses.First();
        return receiver;
    }

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        Assert.Equal("/v1/traces", context.Request.Path);
        Assert.Equal("application/x-protobuf", context.Request.ContentType);
        using MemoryStream body = new();
        bool isZipped = context.Request.Headers.ContentEncoding == "gzip";
        await using Stream source = isZipped ? new GZipStream(context.Request.Body, CompressionMode.Decompress) : context.Request.Body;
        await source.CopyToAsync(body);
        foreach (byte[] resource in Messages(body.ToArray(), 1))
        {
            foreach (byte[] scope in Messages(resource, 2))
            {
                foreach (byte[] span in Messages(scope, 2))
                {
                    _spans.Enqueue(ReadSpan(span));
                }
            }
        }

        context.Response.ContentType = "application/x-protobuf";
    }

    private static ReceivedSpan ReadSpan(byte[] bytes)
    {
        string trace = "", id = "", parent = "", name = "";
        ulong start = 0, end = 0;
        bool isError = false;
        Dictionary<string, object> tags = new(StringComparer.Ordinal);
        CodedInputStream input = new(bytes);
        for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            switch (tag >> 3)
            {
                case 1: trace = Convert.ToHexStringLower(input.ReadBytes().Span); break;
                case 2: id = Convert.ToHexStringLower(input.ReadBytes().Span); break;
                case 4: parent = Convert.ToHexStringLower(input.ReadBytes().Span); break;
                case 5: name = input.ReadString(); break;
                case 7: start = input.ReadFixed64(); break;
                case 8: end = input.ReadFixed64(); break;
                case 9:
                    (string key, object value) = ReadTag(input.ReadBytes().ToByteArray());
                    tags[key] = value;
                    break;
                case 15: isError = Numbers(input.ReadBytes().ToByteArray(), 3).Contains(2); break;
                default: input.SkipLastField(); break;
            }
        }

        return new ReceivedSpan(trace, id, parent, name, TimeSpan.FromTicks((long)(end - start) / 100), tags, isError);
    }

    private static (string Key, object Value) ReadTag(byte[] bytes)
    {
        string key = "";
        object value = "";
        CodedInputStream input = new(bytes);
        for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (tag >> 3 == 1)
            {
                key = input.ReadString();
                continue;
            }

            CodedInputStream any = input.ReadBytes().CreateCodedInput();
            uint kind = any.ReadTag() >> 3;
            value = kind switch
            {
                1 => any.ReadString(),
                2 => any.ReadBool(),
                3 => any.ReadInt64(),
                4 => any.ReadDouble(),
                _ => kind,
            };
        }

        return (key, value);
    }

    private static List<byte[]> Messages(byte[] bytes, int field)
    {
        List<byte[]> found = [];
        CodedInputStream input = new(bytes);
        for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (tag >> 3 == field)
            {
                found.Add(input.ReadBytes().ToByteArray());
            }
            else
            {
                input.SkipLastField();
            }
        }

        return found;
    }

    private static List<int> Numbers(byte[] bytes, int field)
    {
        List<int> found = [];
        CodedInputStream input = new(bytes);
        for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            if (tag >> 3 == field)
            {
                found.Add(input.ReadInt32());
            }
            else
            {
                input.SkipLastField();
            }
        }

        return found;
    }
}
