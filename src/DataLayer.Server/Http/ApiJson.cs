using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Core.Errors;
using Microsoft.AspNetCore.Http.Features;

namespace DataLayer.Server.Http;

/// <summary>Reads command bodies and writes answers of the operations.</summary>
internal static class ApiJson
{
    /// <summary>The longest command body, bytes.</summary>
    private const int MaxBodyBytes = 1 << 20;

    /// <summary>Reads a command.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: the body is empty, not JSON, or lacks or has too many
    /// members.</exception>
    public static async ValueTask<T> ReadAsync<T>(
        HttpContext context, JsonTypeInfo<T> type, int maxBytes = MaxBodyBytes)
        where T : class
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = maxBytes;
        }

        T? command = await JsonSerializer.DeserializeAsync(context.Request.Body, type, context.RequestAborted);
        return command
            ?? throw new DataLayerException(ErrorCode.InvalidArgument, "The body is 'null': give a JSON object.");
    }

    /// <summary>
    /// Writes an answer with an entity tag of its text; 304 where the caller knows it (If-None-Match).
    /// </summary>
    public static Task WriteTaggedAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type)
    {
        byte[] digest = SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(value, type));
        string tag = $"\"{Convert.ToHexStringLower(digest.AsSpan(0, 16))}\"";
        context.Response.Headers.ETag = tag;
        if (context.Request.Headers.IfNoneMatch.ToString() == tag)
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        return WriteAsync(context, value, type);
    }

    /// <summary>Writes an answer.</summary>
    public static Task WriteAsync<T>(
        HttpContext context, T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = body.Length;
        return context.Response.Body.WriteAsync(body, 0, body.Length, context.RequestAborted);
    }
}
