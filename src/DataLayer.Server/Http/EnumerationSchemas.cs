using System.Text.Json.Nodes;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace DataLayer.Server.Http;

/// <summary>
/// Describes enumerations as they are on the wire, camel-case words: the generator takes the converters that the
/// serializer is given once for all types for nothing, and says integer.
/// </summary>
internal sealed class EnumerationSchemas : IOpenApiSchemaTransformer
{
    /// <inheritdoc/>
    public Task TransformAsync(
        OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        Type type = context.JsonTypeInfo.Type;
        Type? underlying = Nullable.GetUnderlyingType(type);
        if ((underlying ?? type).IsEnum)
        {
            schema.Type = underlying is null ? JsonSchemaType.String : JsonSchemaType.String | JsonSchemaType.Null;
            schema.Format = null;
            schema.Pattern = null;
            schema.Enum = [.. Enum.GetNames(underlying ?? type)
                .Select(name => (JsonNode)WireWord.Of(name))];
        }

        return Task.CompletedTask;
    }
}
